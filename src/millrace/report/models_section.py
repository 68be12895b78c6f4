"""What the report tells of the models: leaderboard, learning curves, diagnostics."""

import csv
from pathlib import Path
from typing import Any

from millrace.errors import MillraceError
from millrace.evaluation.metrics import LOWER_IS_BETTER
from millrace.files import read_json
from millrace.results import Results, RunFolder, TrainingFolder

METRIC_NAMES = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "brier": "Brier score",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "calibration_error": "calibration error",
    "macro_f1": "macro F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}

# What a task has none of stays None, for the templates to ask.
DIAGNOSTICS = [
    "roc",
    "pr",
    "calibration",
    "confusion",
    "residuals",
    "predicted",
    "importance",
    "slices",
]


def read(results: Results, names: list[str]) -> dict[str, dict[str, Any]]:
    """Returns each model's metrics, diagnostics, history and training, by its name."""
    return {name: _read(results.run(name)) for name in names}


def _read(run: RunFolder) -> dict[str, Any]:
    diagnostics, training = read_json(run.diagnostics), TrainingFolder(run.training)
    return {
        **read_json(run.metrics),
        "diagnostics": {name: diagnostics.get(name) for name in DIAGNOSTICS},
        "history": _history(training.history),
        "fitted": read_json(training.description),
    }


def _history(path: Path) -> list[dict[str, float]]:
    """Returns the losses by epoch, the first epoch being 1 (a CSV that Keras' CSVLogger wrote)."""
    return [
        {
            "epoch": int(row["epoch"]) + 1,
            **{key: float(row[key]) for key in ("loss", "val_loss")},
        }
        for row in _rows(path)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise MillraceError(
            f"{path}: expected an artifact of an earlier stage, found no file.",
            note="run the whole workflow with `snakemake --cores 2`.",
        ) from None


def leaderboard(path: Path, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns the models by rank, each with its metrics, and the metrics in their order.

    A metric is a column of the table that has a `_low` beside it.
    """
    rows = _rows(path)
    metrics = [name.removesuffix("_low") for name in rows[0] if name.endswith("_low")]
    entries = [
        {
            "rank": int(row["rank"]),
            "model": row["model"],
            "kind": row["kind"],
            "metrics": {name: _interval(row, name) for name in metrics},
            "parameters": models[row["model"]]["fitted"]["parameters"],
        }
        for row in rows
    ]
    baseline = models[rows[0]["model"]]["baseline"]
    return {
        "metrics": metrics,
        "entries": entries,
        "best": {name: _best(entries, name) for name in metrics},
        "baseline": {name: baseline.get(name) for name in metrics},
        "lower_is_better": sorted(LOWER_IS_BETTER),
        "over": sorted({row["over"] for row in rows}),
    }


def _interval(row: dict[str, str], name: str) -> dict[str, float]:
    keys = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
    return {key: float(row[column]) for key, column in keys.items() if row[column]}


def _best(entries: list[dict[str, Any]], metric: str) -> float | None:
    values = [entry["metrics"][metric]["value"] for entry in entries if entry["metrics"][metric]]
    pick = min if metric in LOWER_IS_BETTER else max
    return pick(values, default=None)
