"""Metrics of predictions.

    metrics.evaluate("binary", labels, probabilities, threshold=0.5)["auc"]

A bootstrap sample (see millrace.evaluation.bootstrap) is the same rows with other weights, the
number of times each was drawn. So everything that does not depend on the weights (the order by
score, each row's loss) is computed once for all samples.

Labels are as encoded: 0 and 1 for a binary task, the class' index for many classes, numbers for a
regression. A metric that is not defined, such as the AUC of one class, is NaN.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from millrace.errors import MillraceError

METRICS = {
    "binary": (
        "auc",
        "pr_auc",
        "log_loss",
        "accuracy",
        "brier",
        "f1",
        "precision",
        "recall",
        "calibration_error",
    ),
    "multiclass": ("accuracy", "log_loss", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}

DEFAULT_METRIC = {"binary": "auc", "multiclass": "log_loss", "regression": "rmse"}

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error", "rmse", "mae"})

CALIBRATION_BINS = 10

# Keras' epsilon: float32 probabilities of exactly 0 or 1 are clipped to this distance.
SMALLEST_PROBABILITY = 1e-7

# Row weights, float64 [n], in; metrics by name out.
Measure = Callable[[np.ndarray], dict[str, float]]

# A metric, or its values in bootstrap samples.
Figure = TypeVar("Figure", float, NDArray[np.float64])


def selection_metric(name: str, task: str) -> str:
    """Returns the metric for `selection.metric` of the config and a task.

    Raises MillraceError when the metric is not one of the task's.
    """
    if name == "auto":
        return DEFAULT_METRIC[task]
    if name not in METRICS[task]:
        raise MillraceError(
            f"selection.metric: expected a metric of a {task} task, {list(METRICS[task])}, "
            f"found {name!r}.",
            note="set one of these under selection.metric.",
        )
    return name


def improvement(metric: str, value: Figure, other: Figure) -> Figure:
    """Returns by how much `value` is better than `other`; negative when it is worse."""
    return other - value if metric in LOWER_IS_BETTER else value - other


def evaluate(
    task: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    threshold: float = 0.5,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Returns the metrics of a task by name. Arguments and errors are those of `measure`.

    `weights` are the weights of the rows, [n]; None if all are equal.
    """
    return measure(task, labels, predictions, threshold)(or_ones(weights, len(labels)))


def or_ones(weights: np.ndarray | None, rows: int) -> np.ndarray:
    """Returns the weights as float64 [rows], or ones for None."""
    return np.ones(rows) if weights is None else np.asarray(weights, np.float64)


def measure(
    task: str, labels: np.ndarray, predictions: np.ndarray, threshold: float = 0.5
) -> Measure:
    """Returns a function from row weights to the metrics of a task.

    Args:
        task: binary, multiclass or regression.
        labels: [n], as encoded.
        predictions: [n], or [n, classes] for many classes.
        threshold: the lowest probability that counts as positive; binary tasks only.

    Raises:
        MillraceError: there are no rows, or labels or predictions are not finite, not of one
            length, or out of range.
    """
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    _check(task, labels, predictions)
    if task == "binary":
        return _binary(labels, predictions, threshold)
    if task == "multiclass":
        return _multiclass(labels.astype(np.int64), predictions)
    return _regression(labels, predictions)


def best_threshold(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Returns the threshold with the highest F1, in the middle between two probabilities.

    The midpoint ensures that a runtime that differs in the last digit does not flip a decision. Of
    equally good thresholds the highest is returned. `weights` are the weights of the rows, [n].
    Raises MillraceError as `measure` does.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    _check("binary", labels, scores)
    order, ends = _by_falling_score(scores)
    w = or_ones(weights, len(labels))
    called, true = np.cumsum(w[order])[ends], np.cumsum((w * labels)[order])[ends]
    f1 = 2 * true / (called + (w * labels).sum())
    best = int(np.argmax(f1))
    distinct = np.append(scores[order][ends], 0.0)
    return float((distinct[best] + distinct[best + 1]) / 2)


def constant_predictions(
    task: str, labels: np.ndarray, rows: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Returns the predictions of a model that only knows the frequencies of the labels.

    Args:
        labels: the labels of the training examples, as encoded.
        rows: the number of predictions.
        weights: the weights of the training examples, [n]; None if all are equal.

    Returns:
        The share of positives or the mean, [rows]; for many classes their shares, [rows, classes].
    """
    w = or_ones(weights, len(labels))
    if task == "multiclass":
        return np.tile(np.bincount(labels.astype(np.int64), w) / w.sum(), (rows, 1))
    return np.full(rows, np.average(labels.astype(np.float64), weights=w))


def calibration_bins(probabilities: np.ndarray) -> np.ndarray:
    """Returns each row's bin, int64 [n]: ten bins with about equal rows, ties together."""
    edges = np.quantile(probabilities, np.linspace(0, 1, CALIBRATION_BINS + 1))
    bins: np.ndarray = np.searchsorted(edges[1:-1], probabilities)
    return bins


def _check(task: str, labels: np.ndarray, predictions: np.ndarray) -> None:
    shape = "[n, classes]" if task == "multiclass" else "[n]"
    if labels.ndim != 1 or predictions.ndim != (2 if task == "multiclass" else 1):
        raise MillraceError(
            f"predictions: expected shape {shape} with labels [n], found "
            f"{list(predictions.shape)} with {list(labels.shape)}.",
            note="give the model as many outputs as the task has, and train it again.",
        )
    if len(labels) != len(predictions) or not len(labels):
        raise MillraceError(
            f"predictions: expected one for each of at least one label, found "
            f"{len(predictions)} for {len(labels)}.",
            note="check that the test split has rows, and run evaluate again.",
        )
    for what, values in {"labels": labels, "predictions": predictions}.items():
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise MillraceError(
                f"{what}: expected finite numbers, found {bad} that are NaN or infinite.",
                note="did the training diverge? Try a lower training.learning_rate.",
            )
    if task == "regression":
        return
    if predictions.min() < 0 or predictions.max() > 1:
        raise MillraceError(
            f"predictions: expected probabilities, found {predictions.min():g} to "
            f"{predictions.max():g}.",
            note="the model must return probabilities: check its last activation.",
        )
    classes = predictions.shape[1] if task == "multiclass" else 2
    if not np.isin(labels, np.arange(classes)).all():
        raise MillraceError(
            f"labels: expected classes 0 to {classes - 1}, found {labels.min():g} to "
            f"{labels.max():g}.",
            note="the encoded examples may be of another preprocessing: run preprocess again.",
        )


def _by_falling_score(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows' order and, in it, the last place of each run of equal scores."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]), -1.0))
    return order, ends


def _binary(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> Measure:
    order, ends = _by_falling_score(probabilities)
    y, p = labels[order], probabilities[order]
    losses, squares = _log_loss(np.where(y == 1, p, 1 - p)), (p - y) ** 2
    bins = calibration_bins(p)
    called_positive = int(np.searchsorted(-p, -threshold, side="right"))

    def measure(weights: np.ndarray) -> dict[str, float]:
        w = weights[order]
        wy = w * y
        # Weight of the rows, and of the positive ones, among the first 0, 1 … rows.
        rows, positives = (np.append(0.0, np.cumsum(part)) for part in (w, wy))
        called, true_positives = rows[called_positive], positives[called_positive]
        all_rows, all_positives = rows[-1], positives[-1]
        right = true_positives + (all_rows - called) - (all_positives - true_positives)
        gaps = np.bincount(bins, weights=w * p - wy, minlength=CALIBRATION_BINS)
        auc, pr_auc = _ranking(positives[ends + 1], rows[ends + 1])
        return {
            "auc": auc,
            "pr_auc": pr_auc,
            "log_loss": _dot(w, losses) / all_rows,
            "accuracy": right / all_rows,
            "brier": _dot(w, squares) / all_rows,
            "f1": _ratio(2 * true_positives, called + all_positives),
            # As in scikit-learn, the precision is 0 if nothing is predicted positive.
            "precision": _ratio(true_positives, called) if called else 0.0,
            "recall": _ratio(true_positives, all_positives),
            "calibration_error": np.abs(gaps).sum() / all_rows,
        }

    return _as_floats(measure)


def _ranking(positives: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Returns the area under the ROC curve and the average precision.

    Args:
        positives, rows: the weight at or above each score, by falling score.
    """
    negatives = rows - positives
    gained = np.diff(positives, prepend=0.0)
    below = negatives[-1] - negatives + np.diff(negatives, prepend=0.0) / 2
    auc = _ratio(_dot(gained, below), positives[-1] * negatives[-1])
    precision = positives / np.where(rows > 0, rows, 1.0)
    return auc, _ratio(_dot(gained, precision), positives[-1])


def _multiclass(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    losses = _log_loss(probabilities[np.arange(len(labels)), labels])
    right = predicted == labels

    def measure(weights: np.ndarray) -> dict[str, float]:
        rows = weights.sum()
        true = np.bincount(labels, weights * right, minlength=classes)
        counts = np.bincount(labels, weights, classes) + np.bincount(predicted, weights, classes)
        # A class that neither occurs nor is predicted has no F1.
        occurring = counts > 0
        return {
            "accuracy": true.sum() / rows,
            "log_loss": _dot(weights, losses) / rows,
            "macro_f1": (2 * true[occurring] / counts[occurring]).mean(),
        }

    return _as_floats(measure)


def _regression(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    errors = predictions - labels
    # Centered, because squares of labels far from 0 would lose the digits of their differences.
    centred = labels - labels.mean()
    of_rows = (errors**2, np.abs(errors), centred, centred**2)

    def measure(weights: np.ndarray) -> dict[str, float]:
        rows = weights.sum()
        squared, absolute, shift, spread = (_dot(weights, x) / rows for x in of_rows)
        return {
            "rmse": np.sqrt(squared),
            "mae": absolute,
            "r2": 1 - _ratio(squared, spread - shift**2),
        }

    return _as_floats(measure)


def _as_floats(measure: Measure) -> Measure:
    return lambda weights: {name: float(value) for name, value in measure(weights).items()}


def _log_loss(probability_of_truth: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability_of_truth, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    losses: np.ndarray = -np.log(clipped)
    return losses


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    # Not a @ b: BLAS uses threads, which is slower here, and rounding depends on their number.
    return float((a * b).sum())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else math.nan
