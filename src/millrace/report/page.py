"""The web page: one HTML file that holds a TF.js model and predicts a row as it is typed."""

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from markupsafe import Markup

from millrace.artifacts.champion import Champion
from millrace.artifacts.conversion import Conversion
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Input, Signature
from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics, Statistics
from millrace.files import read_json
from millrace.report import inline_html
from millrace.results import ConvertedFolder, Results
from millrace.tfrecord import examples

# So many values of a text column are offered; any other can be typed.
LISTED_VALUES = 500
SAMPLES = 40
LIBRARIES = ["tfjs-core", "tfjs-converter", "tfjs-backend-cpu"]
SCRIPTS = ["form.js", "answer.js", "page.js"]

QUESTIONS = {
    "binary": "How likely is {label} = {positive}?",
    "multiclass": "Which {label} is it?",
    "regression": "How much is {label}?",
}


def build(results: Results, name: str) -> str:
    """Returns the page of the job `name` as HTML that needs neither network nor other files.

    Where the model does not reach TF.js, the page says so, and why.

    Args:
        results: the job's results, with schema, statistics, champion and export.

    Raises:
        MillraceError: an artifact or a JavaScript library is missing.
    """
    signature = Signature.load(results.signature)
    statistics = Statistics.load(results.statistics)
    champion = Champion.load(results.champion)
    left_out = Conversion.load(ConvertedFolder(results.tfjs).description).left_out
    splits = [split.columns for split in statistics.splits.values()]
    job = {
        "name": name,
        "label": signature.label,
        "task": signature.task,
        "classes": signature.classes,
        "threshold": signature.threshold,
        "question": _question(signature),
        "champion": champion.model,
        "training_rows": statistics.train.rows,
        "columns": [
            _column(item, [columns[item.name] for columns in splits]) for item in signature.inputs
        ],
        "samples": samples(results, signature, champion.model),
        "model": None if left_out else _model(results.tfjs),
    }
    return inline_html.render(
        "page",
        [] if left_out else LIBRARIES,
        [] if left_out else SCRIPTS,
        job=job,
        job_json=Markup(inline_html.embedded_json(job)),
        left_out=left_out,
    )


def _question(signature: Signature) -> str:
    positive = signature.classes[1] if signature.task == "binary" else None
    return QUESTIONS[signature.task].format(label=signature.label, positive=positive)


def _model(directory: Path) -> dict[str, Any]:
    topology = read_json(directory / "model.json")
    paths = [path for group in topology["weightsManifest"] for path in group["paths"]]
    weights = b"".join((directory / path).read_bytes() for path in paths)
    return {"topology": topology, "weights": base64.b64encode(weights).decode()}


def _column(item: Input, splits: list[ColumnStatistics]) -> dict[str, Any]:
    """Describes one field of the form: what can be entered, and what stands there at first.

    `splits` holds the column's statistics in each split, train first.
    """
    column = splits[0]
    field = {
        "name": item.name,
        "key": item.key,
        "tensor": item.type,
        "type": item.column_type,
        "max_length": item.max_length,
        "delimiter": item.delimiter,
        "missing": item.missing,
    }
    # A date is entered as text, and becomes a number on its way to the model.
    if item.type == "string" or item.column_type in ("date", "timestamp"):
        values = [[value, value] for value, _ in column.values[:LISTED_VALUES]]
        return {
            **field,
            "input": "text",
            "date": item.column_type == "date",
            "numeric": False,
            "values": values,
            "default": values[0][0] if values else None,
        }
    numbers = [split for split in splits if isinstance(split, NumberStatistics)]
    if item.column_type == "bool":
        median = numbers[0].median
        return {
            **field,
            "input": "text",
            "date": False,
            "numeric": True,
            "values": [[1, "true"], [0, "false"]],
            "default": None if median is None else int(median >= 0.5),
        }
    return {**field, "input": "number", **_range(numbers, item.column_type == "int64")}


def _range(splits: list[NumberStatistics], whole: bool) -> dict[str, float | int | None]:
    """Returns where a slider begins and ends, its step and the default, train's median.

    From begin to end lie the middle 98 % of the rows of each split. All of them lie on the step's
    grid, as the browser demands of a slider.
    """
    quantiles = [np.asarray(column.quantiles) for column in splits if column.quantiles]
    if not quantiles:
        return {"low": 0, "high": 1, "step": 1 if whole else 0.01, "default": None}
    at = [np.interp([0.01, 0.5, 0.99], np.linspace(0, 1, len(q)), q).tolist() for q in quantiles]
    low, high = min(low for low, _, _ in at), max(high for _, _, high in at)
    step = _step(high - low, whole)
    low = math.floor(low / step) * step
    high = max(math.ceil(high / step) * step, low + step)
    median = round(at[0][1] / step) * step
    low, high, median = (_rounded(value, step) for value in (low, high, median))
    return {"low": low, "high": high, "step": step, "default": median}


def _step(width: float, whole: bool) -> float | int:
    """Returns 1, 2 or 5 times a power of ten: about a hundredth of the width."""
    if width <= 0:
        return 1 if whole else 0.01
    exponent = math.floor(math.log10(width / 100))
    mantissa = width / 100 / 10.0**exponent
    step = float(f"{next(m for m in (1, 2, 5, 10) if mantissa <= m + 1e-9)}e{exponent}")
    return max(1, round(step)) if whole else step


def _rounded(value: float, step: float) -> float | int:
    # 3 * 0.1 is 0.30000000000000004: the digits beyond the step's own are noise.
    digits = max(0, -math.floor(math.log10(step)))
    return round(value, digits) if digits else round(value)


def samples(results: Results, signature: Signature, model: str) -> list[dict[str, Any]]:
    """Returns test rows as the form takes them, each with its label and what Keras predicted.

    They are spread evenly over the test rows. Without examples or predictions there are none.
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
        {
            "index": int(place),
            "row": {item.name: _entered(row[item.name]) for item in signature.inputs},
            "label": str(row[label]),
            "prediction": [
                prediction[name] for name in table.column_names if name.startswith("prediction")
            ],
        }
        for place, prediction, row in zip(chosen, predictions, rows, strict=True)
    ]


def _test_rows(results: Results, signature: Signature, chosen: np.ndarray) -> list[dict[str, Any]]:
    wanted = {item.name for item in signature.inputs} | {signature.label}
    # Dates stay the text that the examples hold, as the model takes them.
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


def _entered(value: Any) -> Any:
    """Returns a cell as the form holds it: a number, a text or null."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, bool):
        return int(value)
    return _shortest_float32(value) if isinstance(value, float) else value


def _shortest_float32(value: float) -> float:
    # 0.1 in float32 is 0.10000000149011612 in double: the shortest form gives the same float32.
    return float(str(np.float32(value)))
