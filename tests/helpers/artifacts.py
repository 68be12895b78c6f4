"""Artifacts made by hand: a test gives the values it is about, the rest has defaults."""

import json
from collections.abc import Mapping
from typing import Any

from millrace.artifacts.champion import Champion, Check, Choice, Gate
from millrace.artifacts.metrics import Comparison, Interval, Metrics
from millrace.artifacts.parity import Parity, RuntimeParity, WorstRow
from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import (
    ColumnStatistics,
    Histogram,
    NumberStatistics,
    TextStatistics,
)
from millrace.artifacts.training import Training
from millrace.config.models import DnnConfig
from millrace.files import json_fields

NUMBERS = ("int64", "float32", "float64", "bool")


def as_json(artifact: object) -> Any:
    """Returns an artifact as plain JSON values."""
    return json.loads(json.dumps(artifact, default=json_fields))


def schema_of(types: Mapping[str, str], label: str = "label", weight: str | None = None) -> Schema:
    """Returns a schema of columns with these types."""
    columns = [SchemaColumn(name, type_) for name, type_ in types.items()]
    return Schema(columns, label, weight)


def column_statistics(**given: Any) -> ColumnStatistics:
    """Returns the statistics of a column; figures default to 0, lists to empty."""
    common = {"rows": 0, "missing": 0, "distinct": 0, "values": []}
    if given["type"] not in NUMBERS:
        return TextStatistics(**common | given)
    figures = dict.fromkeys(["min", "max", "mean", "std", "log_mean", "log_std", "median"], 0.0)
    histogram = given.pop("histogram", {"edges": [], "counts": []})
    lists = {"quantiles": [], "histogram": Histogram(**histogram)}
    return NumberStatistics(**common | figures | lists | given)


def trained(model: str, parameters: int = 12) -> Training:
    """Returns the training.json of a small network."""
    return Training(
        model=model,
        settings=DnnConfig(kind="dnn"),
        seed=0,
        parameters=parameters,
        bytes=48,
        epochs=3,
        best_epoch=2,
        val_loss=0.55,
    )


def comparison_of(measured: Mapping[str, Interval | None], **given: Any) -> Comparison:
    """Returns the basis of a comparison: 100 validation rows, without bootstrap samples."""
    common = {
        "split": "validation",
        "rows": 100,
        "too_small": None,
        "baseline": dict.fromkeys(measured, 0.5),
        "resampled": [],
    }
    return Comparison(metrics=dict(measured), **common | given)


def choice_of(value: float, **given: Any) -> Choice:
    """Returns a choice of the best model, made on 100 validation rows."""
    common = {
        "compared_on": "validation",
        "rows": 100,
        "over": "rows",
        "low": value - 0.05,
        "high": value + 0.05,
        "best": "dnn",
        "rule": "the best",
        "also": ["ended the training"],
        "not_separable": [],
        "warning": None,
    }
    return Choice(value=value, **common | given)


def metrics_of(model: str, measured: Mapping[str, Interval | None], **given: Any) -> Metrics:
    """Returns the metrics of a small network for a binary task; its baselines are 0.5.

    By default they are the same on the rows on which models are compared.
    """
    common = {
        "kind": "dnn",
        "task": "binary",
        "split": "test",
        "fold": None,
        "rows": 100,
        "too_small": None,
        "threshold": 0.5,
        "baseline": dict.fromkeys(measured, 0.5),
        "comparison": comparison_of(measured),
        "training": trained(model),
    }
    return Metrics(model=model, metrics=dict(measured), **common | given)


def champion_of(model: str, check: Check | None = None) -> Champion:
    """Returns a champion without a runner-up, which passes its gate or fails its only check."""
    checks = [check] if check else []
    gate = Gate(passed=all(check.passed for check in checks), checks=checks)
    return Champion(
        model=model,
        kind="dnn",
        metric="auc",
        value=0.7,
        low=0.65,
        high=0.75,
        choice=choice_of(0.72, best=model),
        runner_up=None,
        margin=None,
        margin_low=None,
        margin_high=None,
        gate=gate,
    )


def parity_of(files: dict[str, str]) -> Parity:
    """Returns a certificate of these exported files, by format and path."""
    stored = RuntimeParity(
        runtime="evaluation",
        variant="stored rows",
        artifact="examples",
        reduced=False,
        rows=100,
        max_difference=0.0,
        mean_difference=0.0,
        class_flips=0,
        finite=True,
        bound=5e-5,
        passed=True,
        worst_row=WorstRow(0, {}, reference=0.5, prediction=0.5),
    )
    return Parity(
        passed=True,
        reference="keras",
        model="dnn",
        rows=100,
        real_rows=100,
        raw_file_rows=100,
        stored_rows=stored,
        helped_cells={},
        synthetic_rows=0,
        refused_rows=0,
        rows_with_unseen_text=None,
        tolerance=5e-5,
        runtimes=[],
        not_reached=[],
        not_shipped=[],
        files=files,
    )
