"""Metrics, compared with scikit-learn; intervals, compared with a bootstrap of whole rows."""

import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from millrace.artifacts.metrics import Interval
from millrace.errors import MillraceError
from millrace.evaluation import bootstrap, metrics


def binary(rows: int = 400, seed: int = 0, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and probabilities, rounded so that many are equal."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    y[:2] = [0, 1]
    logits = rng.normal(size=rows) + y
    return y, np.round(1 / (1 + np.exp(-logits)), decimals)


def multiclass(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 2, 0.5, 1], rows)
    # Class 2 never occurs, so macro F1 includes a class that is only predicted.
    return rng.choice([0, 1, 3], rows), p


def regression(rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(1e6, 3, rows)
    return y, y + rng.normal(size=rows)


def sklearn_binary(
    y: np.ndarray, p: np.ndarray, threshold: float, weights: np.ndarray
) -> dict[str, float]:
    called = p >= threshold
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    w = {"sample_weight": weights}
    return {
        "auc": sk.roc_auc_score(y, p, **w),
        "pr_auc": sk.average_precision_score(y, p, **w),
        "log_loss": sk.log_loss(y, clipped, labels=[0, 1], **w),
        "accuracy": sk.accuracy_score(y, called, **w),
        "brier": sk.brier_score_loss(y, p, **w),
        "f1": sk.f1_score(y, called, zero_division=0, **w),
        "precision": sk.precision_score(y, called, zero_division=0, **w),
        "recall": sk.recall_score(y, called, **w),
    }


def sklearn_multiclass(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    w = {"sample_weight": weights}
    return {
        "accuracy": sk.accuracy_score(y, p.argmax(1), **w),
        "log_loss": sk.log_loss(y, np.clip(p, 1e-7, 1), labels=range(p.shape[1]), **w),
        "macro_f1": sk.f1_score(y, p.argmax(1), average="macro", **w),
    }


def sklearn_regression(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    w = {"sample_weight": weights}
    return {
        "rmse": sk.root_mean_squared_error(y, p, **w),
        "mae": sk.mean_absolute_error(y, p, **w),
        "r2": sk.r2_score(y, p, **w),
    }


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_agrees_with_scikit_learn(threshold: float, weighted: bool) -> None:
    y, p = binary()
    weights = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else np.ones(len(y))
    found = metrics.measure("binary", y, p, threshold)(weights.astype(float))
    calibration_error = found.pop("calibration_error")
    assert 0 < calibration_error < 1
    assert found == pytest.approx(sklearn_binary(y, p, threshold, weights))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.0, 1e-9, 0.25, 0.5, 0.75, 1.0])),
        max_size=30,
    )
)
def test_any_ties_and_extremes_agree_with_scikit_learn(rows: list[tuple[int, float]]) -> None:
    y, p = np.array([(0, 0.5), (1, 0.5), *rows]).T
    found = metrics.evaluate("binary", y, p)
    del found["calibration_error"]
    assert found == pytest.approx(sklearn_binary(y, p, 0.5, np.ones(len(y))))


def test_calibration_error_is_the_mean_gap_of_scikit_learns_curve() -> None:
    y, p = binary(rows=1000, decimals=6)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    # With 1000 distinct predictions every bin has 100, so the mean needs no weights.
    found = metrics.evaluate("binary", y, p)["calibration_error"]
    assert found == pytest.approx(np.abs(observed - predicted).mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_agree_with_scikit_learn(weighted: bool) -> None:
    y, p = multiclass()
    weights = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else np.ones(len(y))
    found = metrics.measure("multiclass", y, p)(weights.astype(float))
    assert found == pytest.approx(sklearn_multiclass(y, p, weights))


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_agrees_with_scikit_learn(weighted: bool) -> None:
    y, p = regression()
    weights = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else np.ones(len(y))
    found = metrics.measure("regression", y, p)(weights.astype(float))
    assert found == pytest.approx(sklearn_regression(y, p, weights), rel=1e-6)


def test_intervals_are_those_of_drawn_rows() -> None:
    y, p = regression()
    found = bootstrap.intervals(metrics.measure("regression", y, p), len(y), samples=50, seed=3)
    rng = np.random.default_rng(3)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(50)]
    for name, oracle in (("rmse", sk.root_mean_squared_error), ("mae", sk.mean_absolute_error)):
        low, high = np.percentile(
            [oracle(y[rows], p[rows]) for rows in draws], [2.5, 97.5], method="weibull"
        )
        interval = found[name]
        assert interval is not None
        expected = (oracle(y, p), low, high)
        assert (interval.value, interval.low, interval.high) == pytest.approx(expected)


def test_intervals_cover_the_truth_about_95_times_in_100() -> None:
    # Two normal distributions, one deviation apart, have an AUC of .7602.
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        y = np.arange(300) % 2
        p = 1 / (1 + np.exp(-(rng.normal(size=300) + y)))
        auc = bootstrap.intervals(metrics.measure("binary", y, p), 300, 100, seed)["auc"]
        assert auc is not None
        assert auc.low is not None
        assert auc.high is not None
        covered += auc.low <= 0.7602 <= auc.high
    assert 87 <= covered <= 99


def test_intervals_of_few_positives_are_numbers() -> None:
    y, p = np.array([1] + [0] * 20), np.linspace(1, 0, 21)
    auc = bootstrap.intervals(metrics.measure("binary", y, p), 21, 50, 0)["auc"]
    assert auc == Interval(1.0, 1.0, 1.0)


def test_one_class_has_no_auc() -> None:
    found = bootstrap.intervals(metrics.measure("binary", [0, 0], [0.1, 0.2]), 2, 10, 0)
    assert found["auc"] is None
    assert found["accuracy"] is not None
    assert found["accuracy"].value == 1.0


def test_a_constant_prediction_is_the_baseline() -> None:
    train, test = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])
    constant = metrics.constant_predictions("binary", train, 4)
    found = metrics.evaluate("binary", test, constant)
    assert (found["auc"], found["pr_auc"], found["precision"]) == (0.5, 0.5, 0.0)
    assert found["log_loss"] == pytest.approx(-np.log([0.25, 0.75]).mean())
    shares = metrics.constant_predictions("multiclass", np.array([0, 2, 2, 1]), 3)
    assert shares.tolist() == [[0.25, 0.25, 0.5]] * 3
    found = metrics.evaluate(
        "regression", [1.0, 3.0], metrics.constant_predictions("regression", np.array([2.0]), 2)
    )
    assert (found["rmse"], found["r2"]) == (1.0, 0.0)


def test_the_best_threshold_has_the_highest_f1_of_all() -> None:
    y, p = binary(seed=4)
    found = metrics.best_threshold(y, p)
    best = max(sk.f1_score(y, p >= candidate) for candidate in np.linspace(0.005, 0.995, 100))
    assert sk.f1_score(y, p >= found) == pytest.approx(best)
    assert np.abs(p - found).min() > 1e-3


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_metric_has_a_name_and_a_direction(task: str) -> None:
    labels, predictions = {"binary": binary, "multiclass": multiclass, "regression": regression}[
        task
    ]()
    assert tuple(metrics.evaluate(task, labels, predictions)) == metrics.METRICS[task]
    assert metrics.selection_metric("auto", task) in metrics.METRICS[task]
    for name in metrics.METRICS[task]:
        assert metrics.selection_metric(name, task) == name


def test_improvement_knows_the_direction() -> None:
    assert metrics.improvement("auc", 0.8, 0.7) > 0
    assert metrics.improvement("rmse", 0.8, 0.7) < 0


@pytest.mark.parametrize(
    ("metric", "task"), [("auc", "regression"), ("rmse", "binary"), ("brier", "multiclass")]
)
def test_a_metric_of_another_task_is_refused(metric: str, task: str) -> None:
    with pytest.raises(MillraceError, match=f"expected a metric of a {task} task.*{metric!r}"):
        metrics.selection_metric(metric, task)


@pytest.mark.parametrize(
    ("task", "labels", "predictions", "message"),
    [
        ("binary", [0, 1], [0.5, math.nan], "predictions: expected finite numbers, found 1"),
        ("binary", [0, math.nan], [0.5, 0.5], "labels: expected finite numbers, found 1"),
        ("regression", [0, 1], [0.5, math.inf], "predictions: expected finite numbers"),
        ("binary", [0, 1], [0.5, 1.5], "expected probabilities, found 0.5 to 1.5"),
        ("binary", [0, 2], [0.5, 0.5], "expected classes 0 to 1, found 0 to 2"),
        ("multiclass", [0, -1], [[0.5, 0.5]] * 2, "expected classes 0 to 1, found -1 to 0"),
        ("binary", [0, 1], [0.5], "one for each of at least one label, found 1 for 2"),
        ("regression", [], [], "at least one label, found 0 for 0"),
        ("binary", [0, 1], [[0.5, 0.5]] * 2, r"expected shape \[n\] with labels \[n\]"),
        ("multiclass", [0, 1], [0.5, 0.5], r"expected shape \[n, classes\]"),
    ],
)
def test_bad_predictions_are_refused(
    task: str, labels: Any, predictions: Any, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        metrics.measure(task, labels, predictions)


def test_a_row_of_weight_two_is_two_rows() -> None:
    y, p = binary()
    twice = np.arange(len(y)) % 3 == 0
    weights = np.where(twice, 2.0, 1.0)
    doubled_y, doubled_p = np.append(y, y[twice]), np.append(p, p[twice])
    expected = metrics.evaluate("binary", doubled_y, doubled_p, 0.4)
    found = metrics.evaluate("binary", y, p, 0.4, weights)
    # The calibration's bins count rows.
    expected.pop("calibration_error"), found.pop("calibration_error")
    assert found == pytest.approx(expected)
    assert metrics.best_threshold(y, p, weights) == metrics.best_threshold(doubled_y, doubled_p)
    constant = metrics.constant_predictions("multiclass", y, 1, weights)
    np.testing.assert_allclose(constant, [[1 - doubled_y.mean(), doubled_y.mean()]])
    measure = metrics.measure("binary", y, p, 0.4)
    auc = bootstrap.intervals(measure, len(y), 50, 0, weights)["auc"]
    assert auc is not None
    assert auc.low is not None
    assert auc.high is not None
    assert auc.low < auc.value == found["auc"] < auc.high


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("binary", [0, 1], "2 rows, fewer than 30"),
        ("binary", [0] * 200 + [1] * 4, "4 rows of one class, fewer than 5"),
        ("binary", [1] * 200, "0 rows of one class, fewer than 5"),
        ("binary", [0] * 25 + [1] * 5, None),
        ("multiclass", [0, 1, 2] * 9, "27 rows, fewer than 30"),
        ("multiclass", [0] * 30, None),
        ("regression", [-7.5] * 29, "29 rows, fewer than 30"),
        ("regression", [-7.5] * 30, None),
    ],
)
def test_rows_that_are_too_few_for_an_interval(
    task: str, labels: list[float], expected: str | None
) -> None:
    assert bootstrap.too_small(task, np.array(labels, np.float32)) == expected


def test_metrics_without_intervals_keep_their_values() -> None:
    found = bootstrap.without_intervals({"auc": 1.0, "f1": float("nan")})
    assert found == {"auc": Interval(1.0, low=None, high=None), "f1": None}
