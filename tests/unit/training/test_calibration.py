"""Temperature scaling, beside a search over a grid with sklearn's log loss."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.features.tasks import Task
from millrace.models.keras_predictor import Head
from millrace.training import calibration

TASKS = {
    "binary": Task("binary", classes=("no", "yes")),
    "multiclass": Task("multiclass", classes=("a", "b", "c")),
}
ROWS = 2000
GRID = np.exp(np.arange(-0.6, 1.6, 0.01))


def made(task: str, heads: int, sureness: float) -> tuple[Any, Encoded]:
    """Returns a model with three members a head, and labels drawn from its probabilities.

    Its logits are then multiplied: a model that is too sure, or not sure enough.
    """
    rng = np.random.default_rng(5)
    outputs = 3 if task == "multiclass" else 1
    common = rng.normal(0, 1.5, (ROWS, 1, outputs))
    logits = [common + rng.normal(0, 0.3, (ROWS, 3, outputs)) for _ in range(heads)]
    true = predicted(task, logits, 1)
    chances = true if task == "multiclass" else np.stack([1 - true, true], axis=1)
    labels = (rng.random((ROWS, 1)) > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    found = [np.float32(x * sureness) for x in logits]
    model = SimpleNamespace(
        preprocessing=SimpleNamespace(task=TASKS[task]),
        heads=[Head(TASKS[task], 1 / heads)] * heads,
        logits_of_examples=lambda inputs: found,
    )
    return model, Encoded({}, labels.astype(np.float32))


def predicted(task: str, logits: list[np.ndarray], temperature: float) -> np.ndarray:
    def link(x: np.ndarray) -> np.ndarray:
        x = x.astype(float) / temperature
        return (
            softmax(x, axis=2).mean(axis=1) if task == "multiclass" else expit(x)[:, :, 0].mean(1)
        )

    mean: np.ndarray = np.mean([link(x) for x in logits], axis=0)
    return mean


def best_of_grid(task: str, logits: list[np.ndarray], labels: np.ndarray, weights: Any) -> float:
    losses = [log_loss(labels, predicted(task, logits, x), sample_weight=weights) for x in GRID]
    return float(GRID[np.argmin(losses)])


@pytest.mark.parametrize("sureness", [3.0, 0.7])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("task", TASKS)
def test_the_temperature_has_the_lowest_log_loss(task: str, heads: int, sureness: float) -> None:
    model, validation = made(task, heads, sureness)
    found = calibration.fit(model, validation)
    logits, labels = model.logits_of_examples({}), validation.labels
    expected = best_of_grid(task, logits, labels, None)
    assert found.temperature == pytest.approx(expected, rel=0.011)
    assert found.temperature == pytest.approx(sureness, rel=0.2), (
        "what the logits were multiplied by"
    )
    assert found.before == pytest.approx(log_loss(labels, predicted(task, logits, 1)), rel=1e-4)
    after = np.zeros(())
    parts = np.arange(ROWS) % 5
    for part in range(5):
        others = parts != part
        own = best_of_grid(task, [x[others] for x in logits], labels[others], None)
        said = predicted(task, [x[~others] for x in logits], own)
        after = after + log_loss(labels[~others], said) * (~others).mean()
    assert found.after == pytest.approx(float(after), rel=1e-3)
    assert found.after < found.before


def test_rows_count_by_their_weight() -> None:
    model, validation = made("binary", 1, 2.0)
    logits = model.logits_of_examples({})
    weights = np.where(np.abs(logits[0].mean(axis=(1, 2))) > 2, 5, 1).astype(np.float32)
    found = calibration.fit(model, Encoded({}, validation.labels, weights))
    expected = best_of_grid("binary", logits, validation.labels, weights)
    assert found.temperature == pytest.approx(expected, rel=0.011)


def test_a_temperature_that_does_not_help_rows_it_has_not_seen_is_not_used() -> None:
    model, validation = made("binary", 1, 1.0)
    few = [x[:40] for x in model.logits_of_examples({})]
    model.logits_of_examples = lambda inputs: few
    found = calibration.fit(model, Encoded({}, validation.labels[:40]))
    assert found.after >= found.before
    assert found.temperature == 1


def test_a_member_keeps_its_own_temperature() -> None:
    model, validation = made("binary", 1, 3.0)
    alone = calibration.fit(model, validation).temperature
    model.heads = [Head(Task("binary", classes=("no", "yes"), temperature=2.0))]
    found = calibration.fit(model, validation).temperature
    assert found == pytest.approx(alone / 2, rel=1e-3)


def test_one_class_has_nothing_to_calibrate() -> None:
    with pytest.raises(MillraceError, match=r"of at least two classes, found no in all 3\.\nNote"):
        calibration.require_classes(TASKS["binary"], np.zeros(3, np.float32))
