"""Made results of a job, small and written by hand, in the formats that the stages write."""

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.results import ConvertedFolder, Results, RunFolder, TrainingFolder
from millrace.tfrecord import examples

FIXTURES = Path(__file__).parents[1] / "fixtures"

# The model in fixtures/tfjs: sigmoid(0.03 * (age - 40) + weight of the carrier); an age that is
# missing counts as 40, a carrier that is not in the table has the first weight.
CARRIER_WEIGHTS = {"": 0.1, "UA": 0.5, "AA": -0.7, "Ü": 1.1}

ROWS = [
    {"age": 25.0, "carrier": "UA"},
    {"age": None, "carrier": "AA"},
    {"age": 60.5, "carrier": "Ü"},
    {"age": 33.25, "carrier": None},
    {"age": 71.0, "carrier": "ZZ"},
]
LABELS: dict[str, list[Any]] = {
    "binary": [0, 1, 1, 0, 1],
    "multiclass": ["high", "low", "middle", "low", "high"],
    "regression": [12.5, 3.0, 9.25, 4.0, 7.75],
}
CLASSES: dict[str, list[Any]] = {
    "binary": [0, 1],
    "multiclass": ["high", "low", "middle"],
    "regression": [],
}
LABEL_TYPES = {"binary": "int64", "multiclass": "string", "regression": "float32"}
METRICS = {
    "binary": {
        "auc": (0.71, 0.69, 0.73),
        "log_loss": (0.5, 0.48, 0.52),
        "brier": (0.16, 0.15, 0.17),
    },
    "multiclass": {
        "accuracy": (0.8, 0.7, 0.9),
        "log_loss": (0.6, 0.5, 0.7),
        "macro_f1": (0.7, 0.6, 0.8),
    },
    "regression": {"rmse": (2.5, 2.25, 2.75), "mae": (2.0, 1.9, 2.1), "r2": (0.5, 0.4, 0.6)},
}
BASELINES = {
    "binary": {"auc": 0.5, "log_loss": 0.67, "brier": 0.24},
    "multiclass": {"accuracy": 0.4, "log_loss": 1.05, "macro_f1": 0.19},
    "regression": {"rmse": 3.5, "mae": 3.0, "r2": 0.0},
}
SPLIT_ROWS = {"train": 700, "validation": 150, "test": 5}


def fixture_model(row: dict[str, Any]) -> float:
    """The probability that the model in fixtures/tfjs gives a row, by its formula."""
    age = 40.0 if row["age"] is None else row["age"]
    weight = CARRIER_WEIGHTS.get(row["carrier"] or "", CARRIER_WEIGHTS[""])
    return 1 / (1 + math.exp(-(0.03 * (age - 40) + weight)))


@pytest.fixture
def make_results(tmp_path: Path) -> Callable[[str], Results]:
    """Returns a function that writes the results of a job with the given task."""

    def make(task: str) -> Path:
        results = Results(tmp_path / "results" / task)
        _write_data(results, task)
        for model in ("linear", "dnn"):
            _write_model(results.run(model), model, task)
        _write_selection(results, task)
        _write_export(results, task)
        return results

    return make


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _write_data(results: Results, task: str) -> None:
    schema = {
        "columns": [
            {"name": "age", "type": "float32"},
            {"name": "carrier", "type": "string"},
            {"name": "late", "type": LABEL_TYPES[task]},
        ],
        "label": "late",
    }
    _json(results.schema, schema)
    table = pa.Table.from_pylist(
        [row | {"late": label} for row, label in zip(ROWS, LABELS[task], strict=True)],
        schema=examples.arrow_schema(schema),
    )
    results.examples.mkdir()
    shard = results.examples / examples.shard_name("test", 0, 1)
    shard.write_bytes(examples.encode(table.to_batches()[0]).tobytes())
    _json(
        results.account,
        {
            "rows_read": 900,
            "written": SPLIT_ROWS,
            "rejected": 5,
            "unlabelled": 40,
            "duplicates_dropped": 0,
            "in_gap": 0,
            "files": [
                {"path": "flights.csv", "rows_read": 900, "bytes": 4096, "sha256": "ab" * 32}
            ],
            "shards": {"test": [{"file": shard.name, "rows": 5}]},
            "reasons": {"expected a number": 5},
        },
    )
    results.rejected.write_text("file,row,byte_offset,column,reason,raw\n")
    splits = {split: _split(rows, task) for split, rows in SPLIT_ROWS.items()}
    label = {"name": "late", "task": task, "classes": CLASSES[task] or None}
    label["alone"] = {"age": 0.61, "carrier": 0.52}
    _json(results.statistics, {"splits": splits, "label": label})
    message = "'carrier' is distributed otherwise in test than in train: <b>0.3</b>"
    anomaly = {"severity": "warning", "kind": "drift", "column": "carrier", "split": "test"}
    _json(results.anomalies, {"anomalies": [anomaly | {"message": message, "value": 0.3}]})


def _split(rows: int, task: str) -> dict[str, Any]:
    columns = {
        "age": _number(rows, 20.0, 80.0, "float32"),
        "carrier": _text(rows, ["UA", "AA", "Ü", "</script>"]),
        "late": (
            _text(rows, CLASSES[task])
            if task == "multiclass"
            else _number(rows, 0, 1 if task == "binary" else 30, LABEL_TYPES[task])
        ),
    }
    return {"rows": rows, "columns": columns}


def _number(rows: int, low: float, high: float, type_: str) -> dict[str, Any]:
    missing = rows // 10 if type_ == "float32" and high == 80 else 0
    counts = [(rows - missing) // 32] * 32
    counts[0] += rows - missing - sum(counts)
    step = (high - low) / 1024
    values = [[0, rows * 3 // 4], [1, rows - rows * 3 // 4]] if (low, high) == (0, 1) else []
    return {
        "type": type_,
        "rows": rows,
        "missing": missing,
        "distinct": 2 if values else 500,
        "min": low,
        "max": high,
        "mean": (low + high) / 2,
        "std": (high - low) / 4,
        "median": (low + high) / 2,
        "quantiles": [low + step * index for index in range(1025)],
        "histogram": {"edges": [low + (high - low) * i / 32 for i in range(33)], "counts": counts},
        "values": values,
    }


def _text(rows: int, values: list[str]) -> dict[str, Any]:
    counts = [rows // (2 ** (index + 1)) for index in range(len(values))]
    listed = [[value, count] for value, count in zip(values, counts, strict=True) if count]
    return {
        "type": "string",
        "rows": rows,
        "missing": rows - sum(counts),
        "distinct": len(listed),
        "values": listed,
    }


def _write_model(run: RunFolder, model: str, task: str) -> None:
    metrics = {
        name: {"value": value, "low": low, "high": high}
        for name, (value, low, high) in METRICS[task].items()
    }
    training = {"parameters": 1234, "epochs": 3, "best_epoch": 2, "cpu_seconds": 1.5}
    _json(
        run.metrics,
        {
            "model": model,
            "kind": model,
            "task": task,
            "split": "test",
            "rows": 5,
            "too_small": None,
            "threshold": 0.5 if task == "binary" else None,
            "metrics": metrics,
            "baseline": BASELINES[task],
            "training": training,
        },
    )
    _json(run.diagnostics, _diagnostics(task))
    folder = TrainingFolder(run.training)
    folder.folder.mkdir()
    history = "epoch,learning_rate,loss,val_loss\n0,0.001,.6,.61\n1,0.001,.5,.55\n2,0.001,.45,.56\n"
    folder.history.write_text(history)
    fitted = {"settings": {"kind": model}, "parameters": 1234, "epochs": 3, "best_epoch": 2}
    _json(folder.description, fitted)
    predictions: dict[str, list[Any]] = {"row": list(range(5)), "label": LABELS[task]}
    if task == "multiclass":
        for name, value in zip(CLASSES[task], (0.5, 0.25, 0.25), strict=True):
            predictions[f"prediction_{name}"] = [value] * 5
    else:
        predictions["prediction"] = [fixture_model(row) for row in ROWS]
    pq.write_table(pa.table(predictions), run.predictions)


def _diagnostics(task: str) -> dict[str, Any]:
    importance = [
        {"column": "age", "drop": 0.06, "low": 0.05, "high": 0.07},
        {"column": "carrier", "drop": 0.01, "low": -0.01, "high": 0.03},
    ]
    slices = [
        {
            "column": "carrier",
            "value": "UA",
            "rows": 3,
            "metrics": {
                name: {"value": v, "low": lo, "high": hi}
                for name, (v, lo, hi) in METRICS[task].items()
            },
        }
    ]
    common = {"importance": importance, "slices": slices}
    if task == "regression":
        return common | {
            "residuals": {"edges": [-4.0, -2.0, 0.0, 2.0, 4.0], "counts": [1, 1, 2, 1]},
            "predicted": {"label": [3.0, 9.25], "prediction": [4.0, 8.5]},
        }
    confusion = {"labels": CLASSES[task], "counts": [[2] * len(CLASSES[task])] * len(CLASSES[task])}
    if task == "multiclass":
        return common | {"confusion": confusion}
    return common | {
        "confusion": confusion,
        "roc": {"fpr": [0.0, 0.2, 1.0], "tpr": [0.0, 0.7, 1.0], "threshold": [1.0, 0.5, 0.0]},
        "pr": {
            "recall": [0.0, 0.7, 1.0],
            "precision": [1.0, 0.8, 0.4],
            "threshold": [1.0, 0.5, 0.0],
        },
        "calibration": {
            "predicted": [0.2, 0.6],
            "observed": [0.25, 0.55],
            "low": [0.2, 0.5],
            "high": [0.3, 0.6],
            "rows": [3, 2],
        },
    }


def _write_selection(results: Results, task: str) -> None:
    metric, (value, low, high) = next(iter(METRICS[task].items()))
    columns = ["rank", "model", "kind", metric, f"{metric}_low", f"{metric}_high", "over"]
    with results.leaderboard.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerow([1, "dnn", "dnn", value, low, high, "rows"])
        writer.writerow([2, "linear", "linear", value, low, high, "rows"])
    check = {"check": "better than the baseline", "expected": 0.5, "found": value, "passed": True}
    _json(
        results.champion,
        {
            "model": "dnn",
            "kind": "dnn",
            "metric": metric,
            "value": value,
            "low": low,
            "high": high,
            "runner_up": {"model": "linear", "value": value},
            "margin": 0.0,
            "gate": {"passed": True, "checks": [check]},
        },
    )


def _write_export(results: Results, task: str) -> None:
    inputs = [
        {"name": name, "key": name, "type": type_, "column_type": type_}
        | {"max_length": 0, "delimiter": ""}
        for name, type_ in {"age": "float32", "carrier": "string"}.items()
    ]
    _json(
        results.signature,
        {
            "model": "dnn",
            "inputs": inputs,
            "output": "predictions",
            "task": task,
            "classes": CLASSES[task],
            "label": "late",
            "label_std": 1.0,
            "threshold": 0.5 if task == "binary" else None,
        },
    )
    shutil.copytree(FIXTURES / "tfjs", results.tfjs)
    saved_model = results.saved_model
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"graph")
    artifact = {
        "artifact": "int8.tflite",
        "precision": "int8",
        "bytes": 512,
        "shipped": False,
        "reason": "differs by 0.3, more than 0.02",
        "max_difference": 0.3,
        "mean_difference": 0.01,
        "metric": 0.7,
        "metric_cost": 0.01,
    }
    _json(ConvertedFolder(results.tflite).description, {"artifacts": [artifact]})
    _json(
        results.parity,
        {
            "passed": True,
            "reference": "keras",
            "rows": 1100,
            "real_rows": 1000,
            "made_rows": 100,
            "rows_with_unseen_text": None,
            "tolerance": 5e-5,
            "runtimes": [_runtime("saved_model", "serving_default"), _runtime("tfjs", "wasm")],
            "not_reached": [],
            "not_shipped": [artifact],
        },
    )


def _runtime(runtime: str, variant: str) -> dict[str, Any]:
    return {
        "runtime": runtime,
        "variant": variant,
        "artifact": f"export/{runtime}",
        "rows": 1100,
        "max_difference": 1.2e-7,
        "mean_difference": 1e-8,
        "class_flips": 0,
        "finite": True,
        "bound": 5e-5,
        "passed": True,
        "worst_row": {
            "index": 3,
            "raw": ROWS[3] | {"carrier": ""},
            "reference": 0.4,
            "prediction": 0.4,
        },
    }
