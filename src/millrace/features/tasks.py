"""The three tasks: what a model's logits mean, how they are scored, what is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics, Statistics


@dataclass(frozen=True)
class Task:
    """What is predicted.

    Attributes:
        kind: binary, multiclass or regression.
        classes: the label's values, for binary [negative, positive]; empty for a regression.
        mean, std: of the training labels of a regression, whose models predict (y - mean) / std.
    """

    kind: str
    classes: tuple[str | int | float, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def from_statistics(cls, statistics: Statistics) -> Task:
        """Takes the task that analyze decided on."""
        label = statistics.label
        if label.classes is not None:
            return cls(label.task, tuple(label.classes))
        column = statistics.train.columns[label.name]
        assert isinstance(column, NumberStatistics), "analyze asks for numbers of a regression"
        return cls("regression", mean=column.figures.mean, std=column.figures.std)

    @property
    def outputs(self) -> int:
        """The number of logits."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def loss(self) -> keras.losses.Loss:
        """Returns the loss of logits against encoded labels [n]; see `Loss`."""
        return Loss(self)

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns what a model predicts, float32: probabilities [n] or [n, classes], values [n].

        Args:
            logits: [n, outputs], or [n, members, outputs], whose predictions are averaged.
        """
        if self.kind == "multiclass":
            return _mean_of_members(tf.nn.softmax(logits))
        values = tf.sigmoid(logits) if self.kind == "binary" else logits * self.std + self.mean
        return tf.reshape(_mean_of_members(values), [-1])

    def encode_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns float32 [n]: 1 for the positive class, the class' index, or (y - mean) / std.

        A label that is none of the classes becomes -1.

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
        """Undoes `encode_labels` for a regression; class indices stay what they are."""
        return encoded * self.std + self.mean if self.kind == "regression" else encoded


def _mean_of_members(predictions: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(predictions, axis=1) if len(predictions.shape) == 3 else predictions


class Loss(keras.losses.Loss):
    """Cross-entropy of a classification, squared error of a regression.

    Takes encoded labels [n] and logits [n, outputs]; or [n, members, outputs], and then it is the
    mean of the members' losses, so that each of them learns the task by itself.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(name="loss")
        self.task = task

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, float32 [n]."""
        logits = y_pred if len(y_pred.shape) == 3 else y_pred[:, None, :]
        labels = tf.broadcast_to(tf.reshape(y_true, [-1, 1]), tf.shape(logits)[:2])
        if self.task.kind == "multiclass":
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.cast(labels, tf.int32), logits
            )
        elif self.task.kind == "binary":
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits[:, :, 0])
        else:
            losses = tf.square(logits[:, :, 0] - labels)
        return tf.reduce_mean(losses, axis=1)
