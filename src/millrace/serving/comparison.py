"""The new model and the model in use on the same test rows, measured in pairs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from millrace.artifacts.blessing import ComparedRows
from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Value
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Input, Signature
from millrace.config.job import JobConfig
from millrace.evaluation import bootstrap, metrics
from millrace.evaluation.diagnostics import SLICE_VALUES
from millrace.export import certificate, runtimes
from millrace.features.raw_row import RawColumn, draw_rows
from millrace.serving.labels import encode_labels, slice_value
from millrace.tfrecord import examples, framing

# Metrics without a scale of their own: their margins are relative.
RELATIVE = ("rmse", "mae", "log_loss")


class Model(NamedTuple):
    """An exported model, and what it takes."""

    saved_model: Path
    signature: Path


@dataclass(frozen=True)
class LabelledRows:
    """Test rows.

    Attributes:
        cells: the raw cells [n] by column, as an application sends them; numbers and times as
            programs write them, since the models may know other formats.
        inputs: how each of these columns is written, in the words of signature.json.
        labels: [n], as `metrics` takes them.
        weights: [n]; None when all are 1.
        slices: the columns to slice by, [n] each.
    """

    cells: dict[str, np.ndarray]
    inputs: dict[str, Input]
    labels: np.ndarray
    weights: np.ndarray | None
    slices: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.labels)


def read_rows(
    job: JobConfig, folder: Path, schema: Schema, models: Sequence[Model]
) -> LabelledRows:
    """Reads test rows with the cells of the raw files.

    Args:
        job: the completed config.
        folder: the examples that gather wrote.
        schema: schema.json.
        models: those that will predict the rows.
    """
    shards = examples.shard_paths(folder, "test")
    drawn = draw_rows(framing.count(shards), job.bless.rows, job.seed)
    signatures = [Signature.load(model.signature) for model in models]
    # Of two descriptions of a column the new model's counts, which is the first.
    wanted = {each.name: each for signature in signatures[::-1] for each in signature.inputs}
    inputs = {x.name: x for x in wanted.values() if schema.types.get(x.name) == x.column_type}
    columns = tuple(map(_raw_column, inputs.values()))
    cells = certificate.read_rows(folder, job, columns, drawn).cells
    beside = [signatures[0].label, *job.evaluation.slices]
    beside += [job.data.weight] if job.data.weight else []
    types = {name: schema.types[name] for name in dict.fromkeys(beside)}
    table = pa.Table.from_batches(examples.read_batches(shards, types, drawn)).combine_chunks()
    return LabelledRows(
        cells,
        inputs,
        encode_labels(signatures[0], table[signatures[0].label].to_pylist()),
        table[job.data.weight].to_numpy() if job.data.weight else None,
        {name: table[name] for name in job.evaluation.slices},
    )


def _raw_column(each: Input) -> RawColumn:
    return RawColumn(
        name=each.name,
        type=each.column_type,
        key=each.key,
        max_length=each.max_length,
        delimiter=each.delimiter,
        missing=None if each.missing is None else tuple(each.missing),
        takes_cells=each.takes_cells,
        decimal=each.decimal,
        thousands=each.thousands,
        format=each.format,
    )


def predict(model: Model, rows: LabelledRows) -> np.ndarray:
    """Returns what a SavedModel predicts for raw rows in a process of its own, [n, …].

    A column that the rows do not have, or have as another type, is missing in all of them.
    """
    signature, cells, inputs = Signature.load(model.signature), {}, []
    for each in signature.inputs:
        here = rows.inputs.get(each.name)
        if here is None or here.column_type != each.column_type:
            cells[each.name] = np.full(len(rows), None)
            inputs.append(each)
        else:
            cells[each.name] = rows.cells[each.name]
            # The cells are written as the table writes them, not as an older one did.
            written = {x: getattr(here, x) for x in ("decimal", "thousands", "format")}
            inputs.append(replace(each, **written))
    with tempfile.TemporaryDirectory() as folder:
        request = runtimes.Request(Path(folder) / "rows.json", Path(folder) / "signature.json")
        runtimes.write_rows(request.rows, cells)
        replace(signature, inputs=inputs).save(request.signature)
        return runtimes.run_saved_model(model.saved_model, "serving_default", request)


@dataclass(frozen=True)
class Paired:
    """Two models' predictions for the same rows.

    Attributes:
        job: the completed config.
        signature: of the new model.
        rows: the rows.
        new: what the new model predicts, [n, …].
        in_use: what the model in use predicts.
        old_threshold: the threshold of the model in use.
    """

    job: JobConfig
    signature: Signature
    rows: LabelledRows
    new: np.ndarray
    in_use: np.ndarray
    old_threshold: float | None

    @property
    def metric(self) -> str:
        """The selection metric."""
        return metrics.selection_metric(self.job.selection.metric, self.signature.task)

    def overall(self) -> ComparedRows:
        """Compares all rows: worse by the margin must be ruled out by the interval."""
        found = self._compare(np.arange(len(self.rows)), self.job.bless.margin)
        difference = found.difference
        low = difference.low if difference else None
        return replace(found, passed=low is not None and low >= -found.margin)

    def slices(self) -> Iterator[ComparedRows]:
        """Compares the rows with each frequent value of the columns to slice by."""
        for name, column in self.rows.slices.items():
            values = np.array([repr(value) for value in column.to_pylist()])
            _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
            for place in np.argsort(-counts, kind="stable")[:SLICE_VALUES]:
                rows = np.flatnonzero(places == place)
                value = column[int(rows[0])].as_py()
                yield self._slice(name, slice_value(value), rows)

    def _slice(self, column: str, value: Value | None, rows: np.ndarray) -> ComparedRows:
        found = self._compare(rows, self.job.bless.slice_margin, column, value)
        difference = found.difference
        if difference is None or difference.high is None:
            return found
        return replace(found, passed=difference.value >= -found.margin or difference.high >= 0)

    def _compare(
        self,
        rows: np.ndarray,
        margin: float,
        column: str | None = None,
        value: Value | None = None,
    ) -> ComparedRows:
        labels, metric = self.rows.labels[rows], self.metric
        weights = None if self.rows.weights is None else self.rows.weights[rows]
        measures = [
            metrics.measure(self.signature.task, labels, predictions[rows], threshold or 0.5)
            for predictions, threshold in (
                (self.new, self.signature.threshold),
                (self.in_use, self.old_threshold),
            )
        ]
        one, other = (x(metrics.or_ones(weights, len(rows)))[metric] for x in measures)
        difference = None
        if not math.isnan(one) and not math.isnan(other):
            by = metrics.improvement(metric, one, other)
            difference = Interval(by, None, None)
            if not bootstrap.too_small(self.signature.task, labels):
                samples, seed = self.job.evaluation.bootstrap, self.job.seed
                a, b = (
                    bootstrap.resample(x, len(rows), samples, seed, weights)[metric]
                    for x in measures
                )
                difference = bootstrap.interval(by, metrics.improvement(metric, a, b)) or difference
        scale = abs(other) if metric in RELATIVE and not math.isnan(other) else 1.0
        return ComparedRows(
            column=column,
            value=value,
            rows=len(rows),
            new=None if math.isnan(one) else one,
            in_use=None if math.isnan(other) else other,
            difference=difference,
            margin=margin * scale,
            passed=None,
        )
