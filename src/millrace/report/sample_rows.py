"""The example rows of the page: synthetic, or test rows if configured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.report.form_fields import Field, Slider, rounded_to
from millrace.results import Results
from millrace.tfrecord import examples

SAMPLES = 40

# A cell as the value of a form field.
Entered = float | str | None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A row that fills the form.

    Attributes:
        index: its index among the test rows; None for a synthetic row, like label and prediction.
        row: the value of each form field.
        label: its label.
        prediction: the prediction of Keras.
    """

    index: int | None = None
    row: dict[str, Entered]
    label: str | None = None
    prediction: list[float] | None = None


def synthetic(
    fields: list[Field], train: Mapping[str, ColumnStatistics], seed: int
) -> list[Sample]:
    """Returns rows whose cells are drawn independently from the values that the form shows.

    Numbers come from the quantiles, rounded to the slider's step; texts from the offered values, by
    frequency. Cells are missing as often as in training.
    """
    drawn = {
        field.item.name: _drawn(field, train[field.item.name], np.random.default_rng([seed, i]))
        for i, field in enumerate(fields)
    }
    return [Sample(row={name: x[i] for name, x in drawn.items()}) for i in range(SAMPLES)]


def _drawn(field: Field, column: ColumnStatistics, random: np.random.Generator) -> list[Entered]:
    at, missing = random.random((2, SAMPLES))
    if field.slider and isinstance(column, NumberStatistics):
        cells = _numbers(field.slider, column, at)
    else:
        cells = _offered(field, at)
    gone = missing * column.rows < column.missing
    return [None if gone[i] else cell for i, cell in enumerate(cells)]


def _numbers(slider: Slider, column: NumberStatistics, at: np.ndarray) -> list[Entered]:
    if slider.default is None or not column.quantiles:
        return [None] * SAMPLES
    found = np.interp(at, np.linspace(0, 1, len(column.quantiles)), column.quantiles)
    steps = np.round(np.clip(found, slider.low, slider.high) / slider.step)
    return [rounded_to(step * slider.step, slider.step) for step in steps.tolist()]


def _offered(field: Field, at: np.ndarray) -> list[Entered]:
    rows = np.array([count for _, count in field.offered])
    if not rows.sum():
        return [None] * SAMPLES
    places = np.searchsorted(np.cumsum(rows) / rows.sum(), at, side="right")
    return [field.offered[place][0] for place in places.tolist()]


def from_test(results: Results, signature: Signature, model: str) -> list[Sample]:
    """Returns test rows, each with its index, label and prediction of Keras.

    They are evenly spaced over the test rows; empty without examples or predictions.
    """
    predicted = results.run(model).predictions
    if not predicted.exists() or not results.examples.is_dir():
        return []
    table = pq.read_table(predicted)
    chosen = np.unique(np.linspace(0, table.num_rows - 1, SAMPLES).round().astype(np.int64))
    predictions = table.take(chosen).to_pylist()
    rows = _test_rows(results, signature, chosen)
    label = signature.label
    return [
        Sample(
            index=int(place),
            row={item.name: _entered(row[item.name]) for item in signature.inputs},
            label=str(row[label]),
            prediction=[
                prediction[name] for name in table.column_names if name.startswith("prediction")
            ],
        )
        for place, prediction, row in zip(chosen, predictions, rows, strict=True)
    ]


def _test_rows(
    results: Results, signature: Signature, chosen: np.ndarray
) -> list[dict[str, Entered]]:
    wanted = {item.name for item in signature.inputs} | {signature.label}
    # Dates stay text, as stored in the examples.
    types = {
        name: "string" if type_ in ("date", "timestamp") else type_
        for name, type_ in Schema.load(results.schema).types.items()
        if name in wanted
    }
    found, start = [], 0
    for batch in examples.read_batches(examples.shard_paths(results.examples, "test"), types):
        here = chosen[(chosen >= start) & (chosen < start + batch.num_rows)] - start
        found += pa.RecordBatch.take(batch, pa.array(here)).to_pylist()
        start += batch.num_rows
    return found


def _entered(value: Entered) -> Entered:
    """Returns a cell as the value of a form field: a number, a text or None."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, bool):
        return int(value)
    return _shortest_float32(value) if isinstance(value, float) else value


def _shortest_float32(value: float) -> float:
    # 0.1 in float32 is 0.10000000149011612 in double; the shortest text gives the same float32.
    return float(str(np.float32(value)))
