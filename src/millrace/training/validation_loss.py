"""The loss of predictions, by which an ensemble is weighted and probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from millrace.features.tasks import Task

# Of probabilities in a logarithm.
SMALLEST = 1e-7

Loss = Callable[[np.ndarray], float]


def loss_of(task: Task, labels: np.ndarray, weights: np.ndarray | None) -> Loss:
    """Returns the task's loss: log loss, or the squared error of (y - mean) / std.

    Args:
        task: the task.
        labels: [n], as `Task.encode_labels` returns them.
        weights: of the rows, [n]; None when all are 1.
    """

    def losses(predictions: np.ndarray) -> np.ndarray:
        found: np.ndarray
        if task.kind == "regression":
            found = ((predictions - task.mean) / task.std - labels) ** 2
        else:
            found = -np.log(np.clip(_of_label(predictions, labels), SMALLEST, 1))
        return found

    return lambda predictions: float(np.average(losses(predictions), weights=weights))


def _of_label(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the probability of each row's own label, [n]."""
    if probabilities.ndim == 1:
        return np.where(labels > 0, probabilities, 1 - probabilities)
    own: np.ndarray = probabilities[np.arange(len(labels)), labels.astype(int)]
    return own
