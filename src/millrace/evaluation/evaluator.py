"""Evaluates a run of a model on the test, or on the fold that it was trained without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from millrace.artifacts.diagnostics import Diagnostics, Importance
from millrace.artifacts.metrics import Comparison, Interval, Metrics
from millrace.artifacts.schema import Schema
from millrace.artifacts.training import Training
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.evaluation import bootstrap, diagnostics, importance, metrics
from millrace.features import encoded
from millrace.features.raw_row import RawColumn, read_raw
from millrace.ingestion import origins
from millrace.models.predictor import Predictor
from millrace.results import TrainingFolder
from millrace.tfrecord.examples import shard_paths


@dataclass(frozen=True)
class Examples:
    """The paths of the examples.

    Attributes:
        raw: the directory that ingest wrote.
        encoded: the directory that preprocess wrote.
        schema: schema.json.
    """

    raw: Path
    encoded: Path
    schema: Path


@dataclass(frozen=True)
class Evaluated:
    """The predictions of a model for some rows, with metrics and diagnostics.

    Attributes:
        origins: the origin of each row, see millrace.ingestion.origins.
        classes: the names of the classes; empty for a regression.
        labels: [n], as for `metrics`.
        predictions: [n] or [n, classes].
        metrics: metrics.json.
        diagnostics: diagnostics.json.
    """

    origins: pa.Table
    classes: tuple[Any, ...]
    labels: np.ndarray
    predictions: np.ndarray
    metrics: Metrics
    diagnostics: Diagnostics


def evaluate(
    job: JobConfig, run: runs.Run, predictor: Predictor, training: Path, examples: Examples
) -> Evaluated:
    """Evaluates a run of a completed config.

    Args:
        job: the completed config.
        run: the run.
        predictor: its trained model.
        training: the directory that train wrote.
        examples: where the examples are.

    Raises:
        MillraceError: the slices, metric or threshold in the config do not exist for the table or
            the task, or the predictions are not finite.
    """
    sliced = slice_columns(job.evaluation.slices, Schema.load(examples.schema))
    task = predictor.preprocessing.task
    metric = metrics.selection_metric(job.selection.metric, task.kind)
    split = "test" if run.fold is None else "train"
    rows = _evaluated_rows(job, run, predictor, examples)
    whole = _predicted(predictor, examples, split)
    origin = origins.read(examples.raw, split, len(whole.labels))
    origin = origin.take(np.arange(len(whole.labels))[rows])
    predicted = whole.take(rows)
    setting = job.evaluation.threshold
    needed = run.fold is None or isinstance(setting, str)
    validation = _predicted(predictor, examples, "validation") if needed else None
    threshold = _threshold(setting, task.kind, validation)
    scorer = _Scorer(split, task.kind, *predicted, threshold, job)
    constant = _Constant(*_labels(predictor, examples, "train"))

    own = compared = scorer.comparison(metric, constant)
    # Models are compared on validation; the test only estimates the performance of the chosen one.
    if run.fold is None:
        assert validation
        of_validation = _Scorer("validation", task.kind, *validation, threshold, job)
        compared = of_validation.comparison(metric, constant)
    raw = _read_raw(examples, split, (*sliced, *predictor.preprocessing.raw), rows)
    described = replace(
        diagnostics.describe(task.kind, *predicted[:2], [*task.classes], threshold),
        importance=_importance(predictor, raw, scorer, metric),
        slices=diagnostics.slices({x.name: raw[x.name] for x in sliced}, scorer.measure),
    )
    trained = Training.load(TrainingFolder(training).description)
    written = Metrics(
        model=run.name,
        kind=trained.settings.kind,
        task=task.kind,
        split=split,
        fold=run.fold,
        rows=len(predicted.labels),
        too_small=own.too_small,
        threshold=threshold if task.kind == "binary" else None,
        metrics=own.metrics,
        baseline=own.baseline,
        comparison=compared,
        training=trained,
    )
    return Evaluated(origin, task.classes, *predicted[:2], written, described)


class _Predicted(NamedTuple):
    """Rows of a split with the model's predictions.

    Attributes:
        labels: [n], as for `metrics`.
        predictions: [n] or [n, classes].
        weights: [n]; None if all are 1.
    """

    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray | None

    def take(self, rows: Any) -> Self:
        """Returns the rows at these indices."""
        weights = None if self.weights is None else self.weights[rows]
        return type(self)(self.labels[rows], self.predictions[rows], weights)


@dataclass(frozen=True)
class _Scorer:
    """Measures the predictions for all or some rows of a split; weights are None if all are 1."""

    split: str
    task: str
    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray | None
    threshold: float
    job: JobConfig

    def measure(self, rows: np.ndarray) -> dict[str, Interval | None]:
        """Returns the metrics of some rows, with intervals if there are enough rows."""
        own = None if self.weights is None else self.weights[rows]
        samples, seed = self.job.evaluation.bootstrap, self.job.seed
        labels, predictions = self.labels[rows], self.predictions[rows]
        return bootstrap.measured(
            self.task, labels, predictions, self.threshold, samples, seed, own
        )

    def comparison(self, metric: str, constant: _Constant) -> Comparison:
        """Returns the metrics for comparing models, with all samples of the selection metric."""
        rows = len(self.labels)
        measure = metrics.measure(self.task, self.labels, self.predictions, self.threshold)
        values = measure(metrics.or_ones(self.weights, rows))
        if too_small := bootstrap.too_small(self.task, self.labels):
            found, resampled = bootstrap.without_intervals(values), []
        else:
            samples, seed = self.job.evaluation.bootstrap, self.job.seed
            drawn = bootstrap.resample(measure, rows, samples, seed, self.weights)
            found = {name: bootstrap.interval(x, drawn[name]) for name, x in values.items()}
            resampled = [None if np.isnan(x) else x for x in drawn[metric].tolist()]
        return Comparison(
            split=self.split,
            rows=rows,
            too_small=too_small,
            metrics=found,
            baseline=constant.baseline(self),
            resampled=resampled,
        )

    def score(self, rows: np.ndarray, predictions: np.ndarray, metric: str) -> float:
        """Returns a metric of some rows for other predictions, negated if lower is better."""
        own = None if self.weights is None else self.weights[rows]
        labels = self.labels[rows]
        value = metrics.evaluate(self.task, labels, predictions, self.threshold, own)[metric]
        return -value if metric in metrics.LOWER_IS_BETTER else value


@dataclass(frozen=True)
class _Constant:
    """A model with a constant prediction, from the frequencies of the labels.

    Attributes:
        labels: the labels of the training examples, [n].
        weights: the weights of the training examples, [n]; None if all are 1.
    """

    labels: np.ndarray
    weights: np.ndarray | None

    def baseline(self, scorer: _Scorer) -> dict[str, float | None]:
        """Returns its metrics on the rows of a scorer; None for a metric that is not defined."""
        rows = len(scorer.labels)
        constant = metrics.constant_predictions(scorer.task, self.labels, rows, self.weights)
        # At 0.5 it predicts the more frequent class; at the model's threshold it might not.
        values = metrics.evaluate(scorer.task, scorer.labels, constant, 0.5, scorer.weights)
        return {name: None if np.isnan(value) else value for name, value in values.items()}


def slice_columns(names: Sequence[str], schema: Schema) -> list[RawColumn]:
    """Returns the columns to slice by; raises MillraceError when one is not a feature column."""
    types = {name: type_ for name, type_ in schema.types.items() if name != schema.label}
    for name in names:
        if name not in types:
            raise MillraceError(
                f"evaluation.slices: expected columns out of {list(types)}, found {name!r}.",
                note="name columns of the table, as in schema.json.",
            )
    return [RawColumn(name, types[name], key=name) for name in names]


def _evaluated_rows(job: JobConfig, run: runs.Run, predictor: Predictor, examples: Examples) -> Any:
    """Returns an index of the examples to evaluate on: all test examples, or a fold."""
    if run.fold is None:
        return slice(None)
    spec = predictor.preprocessing.spec
    train = encoded.read(examples.encoded / "train.tfrecord", spec)
    assert job.selection.folds, "a fold is one of several"
    return runs.fold_rows(train.labels, job.selection.folds, job.seed)[run.fold]


def _predicted(predictor: Predictor, examples: Examples, split: str) -> _Predicted:
    labels, weights = _labels(predictor, examples, split)
    predictions = predictor.predict_split(examples.encoded, examples.raw, split)
    return _Predicted(labels, predictions, weights)


def _labels(
    predictor: Predictor, examples: Examples, split: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the labels of a split, [n], as for `metrics`, and the rows' weights."""
    preprocessing = predictor.preprocessing
    found = encoded.read(examples.encoded / f"{split}.tfrecord", preprocessing.spec)
    return preprocessing.task.decode_labels(found.labels), found.weights


def _threshold(setting: float | str, task: str, validation: _Predicted | None) -> float:
    """Returns the threshold for `evaluation.threshold`."""
    if isinstance(setting, float | int):
        return setting
    if task != "binary":
        raise MillraceError(
            f"evaluation.threshold: expected none for a {task} task, found {setting!r}.",
            note="remove evaluation.threshold: only a binary task has one.",
        )
    assert validation, "a threshold that is chosen is chosen on the validation rows"
    return metrics.best_threshold(*validation)


def _read_raw(
    examples: Examples, split: str, columns: Sequence[RawColumn], rows: Any
) -> dict[str, np.ndarray]:
    """Returns raw columns of the evaluated rows by name; the last of a name wins."""
    by_name = {column.name: column for column in columns}
    raw = read_raw(shard_paths(examples.raw, split), tuple(by_name.values()))
    return {name: column[rows] for name, column in raw.items()}


def _importance(
    predictor: Predictor, raw: dict[str, np.ndarray], scorer: _Scorer, metric: str
) -> list[Importance]:
    names, seed = [column.name for column in predictor.preprocessing.raw], scorer.job.seed
    drawn = importance.draw(len(scorer.labels), len(names), seed)
    predict = predictor.permuter({name: raw[name][drawn] for name in names})
    return importance.importance(
        predict, names, len(drawn), lambda changed: scorer.score(drawn, changed, metric), seed
    )


def told(evaluated: Evaluated, setting: str) -> Iterator[str]:
    """Yields the log lines of an evaluation; `setting` is `selection.metric` of the config."""
    metric = metrics.selection_metric(setting, evaluated.metrics.task)
    if (found := evaluated.metrics.metrics[metric]) is None:
        return
    if reason := evaluated.metrics.too_small:
        yield f"{metric} {found.value:.4f}"
        yield f"warning: the {evaluated.metrics.split} has {reason}: too few to trust a metric."
    else:
        yield f"{metric} {found.value:.4f}, 95 %: {found.low:.4f} to {found.high:.4f}"
