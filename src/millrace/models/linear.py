"""A linear model: a weight for each number and each id, like LinearClassifier and -Regressor."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.models.inputs import encoded_inputs
from millrace.preprocessing import EncodedSpec
from millrace.tasks import Task


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    return keras.Model(inputs, Linear(spec, task.outputs, name="linear")(inputs), name="linear")


@keras.saving.register_keras_serializable("millrace")
class Linear(layers.Layer):
    """logits = bias + numbers · weights + the sum of the ids' weights."""

    def __init__(self, spec: EncodedSpec, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec, self.outputs = spec, outputs

    def build(self, input_shape: Any) -> None:
        """Makes the weights; those of all ids lie in one table, one column's behind the other's."""
        offsets, size = [], 0
        for entry in self.spec.ids:
            offsets.append(size)
            size += entry.cardinality
        self.offsets = offsets
        self.bias = self.add_weight(shape=(self.outputs,), initializer="zeros", name="bias")
        if self.spec.numbers:
            shape = (len(self.spec.numbers), self.outputs)
            self.weights_of_numbers = self.add_weight(
                shape=shape, initializer="zeros", name="weights_of_numbers"
            )
        if self.spec.ids:
            self.weights_of_ids = self.add_weight(
                shape=(size, self.outputs), initializer="zeros", name="weights_of_ids"
            )
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns logits [n, outputs]."""
        terms = []
        if self.spec.numbers:
            terms.append(
                tf.matmul(inputs["numbers"], tf.convert_to_tensor(self.weights_of_numbers))
            )
        if self.spec.ids:
            rows = inputs["ids"] + tf.constant([self.offsets], tf.int32)
            weights = tf.gather(tf.convert_to_tensor(self.weights_of_ids), tf.reshape(rows, [-1]))
            shape = [-1, len(self.spec.ids), self.outputs]
            terms.append(tf.reduce_sum(tf.reshape(weights, shape), axis=1))
        return tf.add_n(terms) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n, outputs]."""
        return None, self.outputs
