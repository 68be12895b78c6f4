"""Diagnostics, compared with scikit-learn and values computed by hand."""

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.calibration import calibration_curve

from millrace.artifacts.diagnostics import Confusion
from millrace.artifacts.metrics import Interval
from millrace.evaluation import diagnostics


def scores(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    return y.astype(float), np.round(1 / (1 + np.exp(-rng.normal(size=rows) - y)), 4)


def test_small_curves_are_scikit_learns() -> None:
    y, p = scores(60)
    roc, pr = diagnostics.curves(y, p)
    fpr, tpr, thresholds = sk.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_allclose(roc.fpr, fpr)
    np.testing.assert_allclose(roc.tpr, tpr)
    np.testing.assert_allclose(roc.threshold[1:], thresholds[1:])
    assert roc.threshold[0] == 1.0
    precision, recall, _ = sk.precision_recall_curve(y, p)
    expected = set(zip(recall.round(9), precision.round(9), strict=True))
    points = zip(np.round(pr.recall, 9), np.round(pr.precision, 9), strict=True)
    assert set(points) <= expected


def test_large_curves_keep_their_area_in_200_points() -> None:
    y, p = scores(20_000)
    roc, pr = diagnostics.curves(y, p)
    assert len(roc.fpr) <= 201
    assert len(pr.recall) <= 201
    assert sk.auc(roc.fpr, roc.tpr) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-3)
    area = np.trapezoid(pr.precision, pr.recall)
    assert area == pytest.approx(sk.average_precision_score(y, p), abs=5e-3)
    assert [roc.fpr[-1], roc.tpr[-1], pr.recall[-1]] == [1.0, 1.0, 1.0]


def test_calibration_is_scikit_learns() -> None:
    y, p = scores(3000)
    found = diagnostics.calibration(y, p)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert sum(found.rows) == 3000
    assert all(
        low < share < high for low, share, high in zip(found.low, observed, found.high, strict=True)
    )


def test_wilsons_interval() -> None:
    # Newcombe (1998), table I: 81 of 263 gives .2553 to .3662.
    low, high = diagnostics._wilson(np.array([81 / 263]), np.array([263]))
    assert (round(low[0], 4), round(high[0], 4)) == (0.2553, 0.3662)


def test_confusion_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 100), rng.dirichlet([1, 1, 1, 1], 100)
    found = diagnostics.describe("multiclass", y, p, ["a", "b", "c", "d"]).confusion
    assert found is not None
    assert found.labels == ["a", "b", "c", "d"]
    assert found.counts == sk.confusion_matrix(y, p.argmax(1), labels=range(4)).tolist()


def test_confusion_at_the_threshold() -> None:
    found = diagnostics.describe(
        "binary", np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.3, 0.2]), ["no", "yes"], 0.3
    )
    assert found.confusion == Confusion(labels=["no", "yes"], counts=[[1, 1], [1, 1]])


@pytest.mark.parametrize("size", [1.0, 1e12])
def test_residuals_that_are_all_alike_are_counted(size: float) -> None:
    y = np.random.default_rng(0).normal(0, size, 1000)
    found = diagnostics.describe("regression", y, y + 1, [])
    histogram, shown = found.residuals, found.predicted
    assert histogram is not None
    assert shown is not None
    assert sum(histogram.counts) == 1000
    assert len(histogram.edges) == len(histogram.counts) + 1
    assert len(shown.label) == 200
    np.testing.assert_allclose(np.subtract(shown.prediction, shown.label), 1)


def test_slices_by_frequency_with_missing_values() -> None:
    carrier = np.array(["UA", "", "AA", "UA", ""], dtype=object)
    seats = np.array([2.0, np.nan, np.nan, 2.5, np.nan], np.float32)

    def measure(rows: np.ndarray) -> dict[str, Interval | None]:
        return {str(row): None for row in rows}

    found = diagnostics.slices({"carrier": carrier, "seats": seats}, measure)
    assert [(e.column, e.value, e.rows, [int(row) for row in e.metrics]) for e in found] == [
        ("carrier", None, 2, [1, 4]),
        ("carrier", "UA", 2, [0, 3]),
        ("carrier", "AA", 1, [2]),
        ("seats", None, 3, [1, 2, 4]),
        ("seats", 2, 1, [0]),
        ("seats", 2.5, 1, [3]),
    ]


def test_slices_show_the_20_most_frequent_values() -> None:
    values = np.repeat(np.arange(30.0), np.arange(1, 31))
    found = diagnostics.slices({"x": values}, lambda rows: {})
    assert [entry.value for entry in found] == list(range(29, 9, -1))
