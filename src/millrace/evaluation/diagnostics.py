"""Diagnostics beyond the metrics: curves, confusion, calibration, residuals, slices."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from millrace.artifacts.diagnostics import (
    Calibration,
    Confusion,
    Diagnostics,
    PrecisionRecall,
    Predicted,
    Residuals,
    Roc,
    Slice,
)
from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Value
from millrace.evaluation import metrics

# More points per curve would make no visible difference, but larger files.
CURVE_POINTS = 200

RESIDUAL_BINS = 40
SLICE_VALUES = 20

Raw = Mapping[str, np.ndarray]


def describe(
    task: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: list[Value],
    threshold: float = 0.5,
) -> Diagnostics:
    """Returns the diagnostics that only need labels and predictions.

    Binary: roc, pr, calibration, confusion. Multiclass: confusion. Regression: residuals and
    predicted. Arguments as for `metrics.measure`; `classes` are the names of the classes.
    """
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if task == "binary":
        roc, pr = curves(labels, predictions)
        return Diagnostics(
            roc=roc,
            pr=pr,
            calibration=calibration(labels, predictions),
            confusion=confusion(labels, predictions >= threshold, classes),
        )
    if task == "multiclass":
        return Diagnostics(confusion=confusion(labels, predictions.argmax(axis=1), classes))
    histogram, predicted = residuals(labels, predictions)
    return Diagnostics(residuals=histogram, predicted=predicted)


def curves(labels: np.ndarray, probabilities: np.ndarray) -> tuple[Roc, PrecisionRecall]:
    """Returns the ROC and the precision-recall curve with the threshold of each point.

    Both run from the highest threshold to the lowest. The first ROC point, where no row counts as
    positive, is (0, 0) at threshold 1.
    """
    order = np.argsort(-probabilities, kind="stable")
    y, p = labels[order], probabilities[order]
    ends = np.flatnonzero(np.append(np.diff(p), -1.0))
    true, called = np.cumsum(y)[ends], ends + 1.0
    tpr = np.append(0.0, true / y.sum())
    fpr = np.append(0.0, (called - true) / (1 - y).sum())
    roc = _thin(tpr + fpr)
    pr = _thin(true / y.sum())
    return (
        Roc(
            fpr=fpr[roc].tolist(),
            tpr=tpr[roc].tolist(),
            threshold=np.append(1.0, p[ends])[roc].tolist(),
        ),
        PrecisionRecall(
            recall=(true / y.sum())[pr].tolist(),
            precision=(true / called)[pr].tolist(),
            threshold=p[ends][pr].tolist(),
        ),
    )


def _thin(along: np.ndarray) -> np.ndarray:
    """Returns indices of points evenly spaced along a rising coordinate, with both ends."""
    wanted = np.linspace(along[0], along[-1], CURVE_POINTS)
    return np.unique(np.append(np.searchsorted(along, wanted), len(along) - 1))


def calibration(labels: np.ndarray, probabilities: np.ndarray) -> Calibration:
    """Returns the mean prediction and the observed share by bin, with about equal rows per bin.

    `low` and `high` are Wilson's 95 % interval of the share.
    """
    bins = metrics.calibration_bins(probabilities)
    rows = np.bincount(bins)
    used = rows > 0
    n = rows[used]
    observed = np.bincount(bins, labels)[used] / n
    low, high = _wilson(observed, n)
    return Calibration(
        predicted=(np.bincount(bins, probabilities)[used] / n).tolist(),
        observed=observed.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        rows=n.tolist(),
    )


def _wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the 95 % score interval of a share (Wilson, 1927)."""
    z2 = 1.959964**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: list[Value]) -> Confusion:
    """Counts rows by true class (rows of `counts`) and predicted class (its columns)."""
    cells = labels.astype(np.int64) * len(classes) + predicted
    counts = np.bincount(cells, minlength=len(classes) ** 2).reshape(len(classes), -1)
    return Confusion(labels=classes, counts=counts.tolist())


def residuals(labels: np.ndarray, predictions: np.ndarray) -> tuple[Residuals, Predicted]:
    """Returns a histogram of prediction minus label, and pairs evenly spaced along the labels."""
    errors = predictions - labels
    # Explicit edges, because numpy refuses to make bins for errors that are nearly equal.
    counts, edges = np.histogram(
        errors, np.linspace(errors.min() - 1e-9, errors.max() + 1e-9, RESIDUAL_BINS + 1)
    )
    order = np.argsort(labels, kind="stable")
    shown = order[np.unique(np.linspace(0, len(labels) - 1, CURVE_POINTS).astype(np.int64))]
    return (
        Residuals(edges=edges.tolist(), counts=counts.tolist()),
        Predicted(label=labels[shown].tolist(), prediction=predictions[shown].tolist()),
    )


def slices(
    columns: Raw, measure: Callable[[np.ndarray], dict[str, Interval | None]]
) -> list[Slice]:
    """Returns the metrics of the rows with each of a column's 20 most frequent values.

    Args:
        columns: raw columns [n] by name; a missing value (NaN or "") is None in the result.
        measure: from row numbers to metrics.
    """
    found = []
    for name, column in columns.items():
        values, places, counts = np.unique(column, return_inverse=True, return_counts=True)
        for place in np.argsort(-counts, kind="stable")[:SLICE_VALUES]:
            rows = np.flatnonzero(places == place)
            found.append(Slice(name, _plain(values[place]), len(rows), measure(rows)))
    return found


def _plain(value: Any) -> str | int | float | None:
    """Converts a raw value to JSON; whole numbers, which models take as floats, become int."""
    if isinstance(value, str):
        return value or None
    if np.isnan(value):
        return None
    return int(value) if value == int(value) else float(value)
