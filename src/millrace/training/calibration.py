"""Temperature scaling: the logits of a classification are divided by one number.

Source: Guo et al., 2017, "On calibration of modern neural networks".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf
from scipy import optimize

from millrace.artifacts.training import Calibration
from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.features.tasks import Task
from millrace.models.keras_predictor import Head, KerasPredictor, mean_prediction
from millrace.training.validation_loss import loss_of

# Parts of the validation examples; each is predicted with the temperature of the others.
PARTS = 5

# Logits that need more than this say something else than that they are too large or too small.
LEAST, MOST = 0.1, 10.0

# What validation examples are predicted as, with a temperature.
Predict = Callable[[float, np.ndarray], np.ndarray]


def fit(predictor: KerasPredictor, validation: Encoded) -> Calibration:
    """Finds the temperature that suits the validation examples, and whether it helps.

    Args:
        predictor: a trained model for a classification, not yet calibrated.
        validation: the examples.
    """
    task, labels, weights = predictor.preprocessing.task, validation.labels, validation.weights
    logits = predictor.logits_of_examples(validation.inputs)

    def predict(temperature: float, rows: np.ndarray) -> np.ndarray:
        heads = [_with(head, temperature) for head in predictor.heads]
        found: np.ndarray = mean_prediction(heads, [tf.constant(x[rows]) for x in logits]).numpy()
        return found

    def best(rows: np.ndarray) -> float:
        loss = loss_of(task, labels[rows], None if weights is None else weights[rows])
        return _lowest(lambda temperature: loss(predict(temperature, rows)))

    rows = np.arange(len(labels))
    loss = loss_of(task, labels, weights)
    of_others = np.zeros_like(predict(1, rows))
    for part in range(PARTS):
        own = rows % PARTS == part
        of_others[own] = predict(best(rows[~own]), rows[own])
    before, after = loss(predict(1, rows)), loss(of_others)
    temperature = best(rows) if after < before else 1.0
    return Calibration(temperature=temperature, rows=len(rows), before=before, after=after)


def require_classes(task: Task, labels: np.ndarray) -> None:
    """Raises MillraceError where nothing can be calibrated: for a regression, or for one class."""
    if task.kind == "regression":
        raise MillraceError(
            "training.calibration: expected none for a regression, found auto.",
            note="remove training.calibration: only a classification has probabilities.",
        )
    if len(found := np.unique(labels)) < 2:
        named = ", ".join(str(task.classes[int(label)]) for label in found) or "none"
        raise MillraceError(
            "training.calibration: expected validation examples of at least two classes, found "
            f"{named} in all {len(labels):,}.",
            note="give data.split more rows for validation, or remove training.calibration.",
        )


def _with(head: Head, temperature: float) -> Head:
    task = replace(head.task, temperature=head.task.temperature * temperature)
    return head._replace(task=task)


def _lowest(loss: Callable[[float], float]) -> float:
    """Returns the temperature with the lowest loss, with four significant digits."""
    found = optimize.minimize_scalar(
        lambda log: loss(float(np.exp(log))),
        bounds=np.log([LEAST, MOST]),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(f"{np.exp(found.x):.4g}")
