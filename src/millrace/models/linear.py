"""Linear models: a weight for each number and id, like LinearClassifier and LinearRegressor."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.config.models import LinearConfig
from millrace.config.training import TrainingConfig
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.input_layers import DenseFeatures, encoded_inputs, weighted_ids


def training_defaults(settings: LinearConfig, rows: int) -> TrainingConfig:
    """Returns the model's defaults for `training`; a linear model allows a high learning rate."""
    return TrainingConfig(learning_rate=0.01, moving_average=0.99, patience=4)


def build(settings: LinearConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    return keras.Model(inputs, Linear(spec, task.outputs, name="linear")(inputs), name="linear")


@keras.saving.register_keras_serializable("millrace")
class Linear(layers.Layer):
    """logits = bias + numbers · weights + the sum of the ids' weights.

    Numbers with an encoding (piecewise linear, periodic) are encoded first. Computes in float32
    also in mixed precision.
    """

    def __init__(self, spec: EncodedSpec, outputs: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.spec, self.outputs = spec, outputs
        self.numbers = DenseFeatures(EncodedSpec(spec.numbers, ()), name="numbers")

    def build(self, input_shape: Any) -> None:
        """Creates the weights; those of all ids are in one table, feature by feature."""
        self.bias = self.add_weight(shape=(self.outputs,), initializer="zeros", name="bias")
        if self.numbers.widths:
            self.numbers.build(input_shape)
            self.weights_of_numbers = self.add_weight(
                shape=(sum(self.numbers.widths), self.outputs),
                initializer="zeros",
                name="weights_of_numbers",
            )
        if self.spec.ids:
            self.weights_of_ids = self.add_weight(
                shape=(sum(entry.cardinality for entry in self.spec.ids), self.outputs),
                initializer="zeros",
                name="weights_of_ids",
            )
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns logits [n, outputs]."""
        terms = []
        if self.numbers.widths:
            numbers = self.numbers(inputs)
            terms.append(tf.matmul(numbers, tf.convert_to_tensor(self.weights_of_numbers)))
        if self.spec.ids:
            terms.append(self._sum_of_ids(inputs))
        return tf.add_n(terms) + self.bias

    def _sum_of_ids(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        rows, counts, offset = [], [], 0
        for entry, ids, weights in weighted_ids(inputs, self.spec):
            rows.append(ids + offset)
            counts.append(tf.ones_like(ids, tf.float32) if weights is None else weights)
            offset += entry.cardinality
        table = tf.convert_to_tensor(self.weights_of_ids)
        found = tf.gather(table, tf.reshape(tf.concat(rows, axis=1), [-1]))
        found = tf.reshape(found, [-1, self.spec.ids_width, self.outputs])
        return tf.reduce_sum(found * tf.concat(counts, axis=1)[:, :, None], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n, outputs]."""
        return None, self.outputs
