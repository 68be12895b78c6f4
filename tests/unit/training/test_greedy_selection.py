"""Greedy selection of members, compared with one written with lists and sklearn's losses."""

import numpy as np
import pytest
from sklearn import metrics

from millrace.features.tasks import Task
from millrace.training.greedy_selection import ROUNDS, select
from millrace.training.validation_loss import SMALLEST, loss_of

TASKS = {
    "binary": Task("binary", classes=("no", "yes")),
    "multiclass": Task("multiclass", classes=("a", "b", "c")),
    "regression": Task("regression", mean=10.0, std=4.0),
}


def made(task: str, candidates: int = 4, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels as encoded [n], and predictions of candidates that each err by themselves."""
    rng = np.random.default_rng(3)
    labels = rng.normal(size=rows) if task == "regression" else rng.integers(0, 3, rows)
    if task == "binary":
        labels = labels > 0
    spread = [0.7, 0.8, 0.9, 30.0 if task == "regression" else 3.0][:candidates]
    if task == "regression":
        predictions = [(labels + rng.normal(0, x, rows)) * 4 + 10 for x in spread]
    else:
        logits = [np.eye(3)[labels.astype(int)] + rng.normal(0, x, (rows, 3)) for x in spread]
        predictions = [np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in logits]
    if task == "binary":
        predictions = [x[:, 1] / x[:, :2].sum(axis=1) for x in predictions]
    return labels.astype(np.float32), np.array(predictions, np.float32)


def expected_loss(task: str, labels: np.ndarray, predictions: np.ndarray, weights: object) -> float:
    if task == "regression":
        error = metrics.mean_squared_error(labels * 4 + 10, predictions, sample_weight=weights)
        return float(error / 16)
    classes = [0, 1] if task == "binary" else [0, 1, 2]
    return float(metrics.log_loss(labels, predictions, labels=classes, sample_weight=weights))


def by_hand(task: str, labels: np.ndarray, predictions: np.ndarray, weights: object) -> list[float]:
    """The algorithm of Caruana et al. with a bag that grows; ends where the loss was least."""
    bag: list[int] = []
    best: tuple[float, list[int]] = (float("inf"), [])
    for _ in range(ROUNDS):
        tried = []
        for candidate in range(len(predictions)):
            mean = np.mean([predictions[x].astype(float) for x in [*bag, candidate]], axis=0)
            tried.append((expected_loss(task, labels, mean, weights), candidate))
        loss, candidate = min(tried)
        bag.append(candidate)
        if loss < best[0] - 1e-12:
            best = (loss, list(bag))
    return [best[1].count(x) / len(best[1]) for x in range(len(predictions))]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_the_weights_are_those_of_the_published_algorithm(task: str, weighted: bool) -> None:
    labels, predictions = made(task)
    weights = np.random.default_rng(1).uniform(0.1, 3, len(labels)) if weighted else None
    found = select(predictions, loss_of(TASKS[task], labels, weights))
    np.testing.assert_allclose(found.weights, by_hand(task, labels, predictions, weights))
    assert 2 <= np.count_nonzero(found.weights) < 4, "good candidates have a part, the last none"
    alone = [expected_loss(task, labels, x, weights) for x in predictions]
    np.testing.assert_allclose(found.losses, alone, rtol=1e-5)
    mean = np.tensordot(found.weights, predictions, axes=1)
    assert found.loss == pytest.approx(expected_loss(task, labels, mean, weights), rel=1e-5)
    assert found.loss < min(alone)


def test_opposite_errors_cancel_out() -> None:
    """Worked out by hand: of errors 1, -2 and 1 the mean of the first two, two to one, is right."""
    labels = np.zeros(5, np.float32)
    predictions = np.array([[10 + 4 * 1] * 5, [10 - 4 * 2] * 5, [10 + 4 * 1] * 5], np.float32)
    found = select(predictions, loss_of(TASKS["regression"], labels, None))
    np.testing.assert_allclose(found.weights, [2 / 3, 1 / 3, 0])
    assert (found.losses, found.loss) == ([1, 4, 1], 0)


def test_a_member_that_is_best_alone_is_alone() -> None:
    labels = np.float32([0, 1, 1, 0])
    right, wrong = np.float32([0.1, 0.9, 0.9, 0.1]), np.float32([0.9, 0.1, 0.1, 0.9])
    found = select(np.array([wrong, right]), loss_of(TASKS["binary"], labels, None))
    np.testing.assert_array_equal(found.weights, [0, 1])


def test_a_certain_mistake_has_a_finite_loss() -> None:
    loss = loss_of(TASKS["binary"], np.float32([1]), None)
    assert loss(np.array([0.0])) == pytest.approx(-np.log(SMALLEST))
