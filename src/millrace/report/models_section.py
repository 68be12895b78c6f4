"""The sections of the report on the models: leaderboard, learning curves, diagnostics."""

from dataclasses import dataclass

from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.leaderboard import Entry, Leaderboard
from millrace.artifacts.metrics import Interval, Metrics
from millrace.artifacts.training import History, Training
from millrace.evaluation.metrics import LOWER_IS_BETTER
from millrace.report.privacy import Privacy
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


@dataclass(frozen=True)
class Model:
    """A model, for the charts and the templates.

    Attributes:
        rows: the number of rows that it was evaluated on.
        split: the split of these rows.
        too_small: why they are too few for intervals; None if they suffice.
        threshold: the lowest probability that counts as positive.
        metrics: each metric with its interval.
        baseline: each metric of a constant prediction.
        diagnostics: curves, confusion and so on.
        history: the losses by epoch, from 1.
        fitted: the settings and the outcome of its training.
    """

    rows: int
    split: str
    too_small: str | None
    threshold: float | None
    metrics: dict[str, Interval | None]
    baseline: dict[str, float | None]
    diagnostics: Diagnostics
    history: list[dict[str, float]]
    fitted: Training


@dataclass(frozen=True)
class Board:
    """The leaderboard, for the charts and the templates.

    Attributes:
        metrics: the names of the metrics, in order.
        entries: the models by rank.
        best: the best value of each metric; None if no model has one.
        baseline: the metrics of a constant prediction.
        lower_is_better: the metrics for which lower values are better.
    """

    metrics: list[str]
    entries: list[Entry]
    best: dict[str, float | None]
    baseline: dict[str, float | None]
    lower_is_better: list[str]


def read(results: Results, names: list[str], privacy: Privacy) -> dict[str, Model]:
    """Returns what may be shown of each model, by name."""
    return {name: _read(results.run(name), privacy) for name in names}


def _read(run: RunFolder, privacy: Privacy) -> Model:
    metrics, training = Metrics.load(run.metrics), TrainingFolder(run.training)
    return Model(
        rows=metrics.rows,
        split=metrics.split,
        too_small=metrics.too_small,
        threshold=metrics.threshold,
        metrics=metrics.metrics,
        baseline=metrics.baseline,
        diagnostics=privacy.diagnostics(Diagnostics.load(run.diagnostics)),
        history=_losses(History.load(training.history)),
        fitted=Training.load(training.description),
    )


def _losses(history: History) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "loss": logs["loss"], "val_loss": logs["val_loss"]}
        for epoch, logs in enumerate(history.epochs, start=1)
    ]


def leaderboard(ranked: Leaderboard, models: dict[str, Model]) -> Board:
    """Returns the models by rank, with the best of each metric and a constant prediction."""
    first, *_ = ranked.entries
    metrics = list(first.metrics)
    baseline = models[first.model].baseline
    return Board(
        metrics=metrics,
        entries=ranked.entries,
        best={name: _best(ranked.entries, name) for name in metrics},
        baseline={name: baseline.get(name) for name in metrics},
        lower_is_better=sorted(LOWER_IS_BETTER),
    )


def _best(entries: list[Entry], name: str) -> float | None:
    values = [metric.value for entry in entries if (metric := entry.metrics[name])]
    pick = min if name in LOWER_IS_BETTER else max
    return pick(values, default=None)
