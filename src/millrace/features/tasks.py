"""The three tasks: the meaning of a model's logits, its loss, and its predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics, Statistics
from millrace.config.models import ModelConfig, TrainedConfig
from millrace.errors import MillraceError

# The limit of predicted logarithms, in standard deviations from the mean: beyond, the exponential
# is meaningless and soon overflows float32.
MOST_DEVIATIONS = 8.0


@dataclass(frozen=True)
class Task:
    """The task: the kind and scale of the label.

    Attributes:
        kind: binary, multiclass or regression.
        classes: the label's values, for binary [negative, positive]; empty for a regression.
        mean, std: for a regression, those of the training labels; models predict (y - mean) / std.
        log_mean, log_std: the same for sign(y) log(1 + |y|), for models whose target is `log`.
        target: what a regression model learns: `none` for the label, `log` for that logarithm.
        temperature: for a classification, the number that logits are divided by to calibrate the
            probabilities.
    """

    kind: str
    classes: tuple[str | int | float, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    log_mean: float = 0.0
    log_std: float = 1.0
    target: str = "none"
    temperature: float = 1.0

    @classmethod
    def from_statistics(cls, statistics: Statistics) -> Task:
        """Returns the task that analyze determined."""
        label = statistics.label
        if label.classes is not None:
            return cls(label.task, tuple(label.classes))
        column = statistics.train.columns[label.name]
        assert isinstance(column, NumberStatistics), "analyze requires numbers for a regression"
        figures = column.figures
        return cls(
            "regression",
            mean=figures.mean,
            std=figures.std,
            log_mean=figures.log_mean,
            log_std=figures.log_std,
        )

    def of_model(self, settings: ModelConfig) -> Task:
        """Returns the task with the target from a model's settings.

        Args:
            settings: the settings of the model.

        Raises:
            MillraceError: the settings have a target, but the labels are classes.
        """
        target = settings.target if isinstance(settings, TrainedConfig) else "none"
        if target != "none" and self.kind != "regression":
            raise MillraceError(
                f"models: target: expected none for a {self.kind} task, found {target}.",
                note="remove target: only a regression has one.",
            )
        return replace(self, target=target)

    @property
    def outputs(self) -> int:
        """The number of logits."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def loss(self) -> keras.losses.Loss:
        """Returns the loss of logits against encoded labels [n]; see `Loss`."""
        return Loss(self)

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Converts logits to predictions, float32: probabilities [n] or [n, classes], values [n].

        Args:
            logits: [n, outputs], or [n, members, outputs], whose predictions are averaged.
        """
        if self.temperature != 1:
            logits = logits / self.temperature
        if self.kind == "multiclass":
            return _mean_of_members(tf.nn.softmax(logits))
        values = tf.sigmoid(logits) if self.kind == "binary" else self._values(logits)
        return tf.reshape(_mean_of_members(values), [-1])

    def _values(self, logits: tf.Tensor) -> tf.Tensor:
        if self.target == "none":
            return logits * self.std + self.mean
        logs = tf.clip_by_value(logits, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        logs = logs * self.log_std + self.log_mean
        # Not expm1, which TF Lite lacks.
        return tf.sign(logs) * (tf.exp(tf.abs(logs)) - 1.0)

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns the target logits, float32, for labels from `encode_labels`."""
        if self.target == "none":
            return labels
        values = labels * self.std + self.mean
        return (tf.sign(values) * tf.math.log1p(tf.abs(values)) - self.log_mean) / self.log_std

    def encode_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns float32 [n]: 1 for the positive class, the class' index, or (y - mean) / std.

        A label that is not one of the classes becomes -1.

        Args:
            labels: the label column as parsed: string [n], or float32 [n].
        """
        if self.kind == "regression":
            return (labels - self.mean) / self.std
        classes = [str(c) for c in self.classes] if labels.dtype == tf.string else self.classes
        matches = tf.cast(tf.equal(labels[:, None], tf.constant([classes], labels.dtype)), tf.int32)
        place = tf.reduce_sum(matches * tf.range(1, len(classes) + 1), axis=1)
        return tf.cast(place - 1, tf.float32)

    def decode_labels(self, encoded: np.ndarray) -> np.ndarray:
        """Inverts `encode_labels` for a regression; class indices are unchanged."""
        return encoded * self.std + self.mean if self.kind == "regression" else encoded


def _mean_of_members(predictions: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(predictions, axis=1) if len(predictions.shape) == 3 else predictions


class Loss(keras.losses.Loss):
    """Cross-entropy for classification, squared error for regression.

    Takes encoded labels [n] and logits [n, outputs]. For logits [n, members, outputs] it is the
    mean of the members' losses, so that each member learns the task by itself.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(name="loss")
        self.task = task

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, float32 [n]."""
        logits = y_pred if len(y_pred.shape) == 3 else y_pred[:, None, :]
        targets = tf.reshape(self.task.targets(y_true), [-1, 1])
        labels = tf.broadcast_to(targets, tf.shape(logits)[:2])
        if self.task.kind == "multiclass":
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.cast(labels, tf.int32), logits
            )
        elif self.task.kind == "binary":
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits[:, :, 0])
        else:
            losses = tf.square(logits[:, :, 0] - labels)
        return tf.reduce_mean(losses, axis=1)
