"""TabM-mini: members that share one network, on piecewise-linear encodings of the numbers.

Each member scales the network's inputs by its own factors and has its own last layer; the rest is
shared. Every member is trained to predict by itself, and their predictions are averaged: an
ensemble at little more than the price of one network (Gorishniy et al., 2024, "TabM").
"""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from millrace.models.inputs import DenseFeatures, encoded_inputs
from millrace.models.numbers import multiply_each, uniform
from millrace.preprocessing import EncodedSpec
from millrace.tasks import Task

SMALL_TABLE = 20_000


def training_defaults(rows: int) -> dict[str, Any]:
    """Returns the settings of `training` that suit the model, for so many training examples.

    A high rate that stays, with the weights averaged: in the first epochs the average already
    predicts what a falling rate reaches at its end, so that few epochs without progress suffice.
    A small table's epochs are short and its validation loss is noisy.
    """
    patience = 12 if rows < SMALL_TABLE else 4
    return {"learning_rate": 0.005, "moving_average": 0.998, "patience": patience}


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`. Its logits are [n, members, outputs]."""
    inputs = encoded_inputs(spec)
    features = DenseFeatures(with_bins(spec, settings["dimension"]), name="dense_features")
    members = settings["members"]
    x = MemberInputs(members, features.widths, name="member_inputs")(features(inputs))
    for layer, units in enumerate(settings["hidden_units"]):
        # PyTorch's default, with which the published recipe was found.
        initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        x = layers.Dense(units, "relu", kernel_initializer=initializer, name=f"hidden_{layer}")(x)
        if settings["dropout"] > 0:
            x = layers.Dropout(settings["dropout"], name=f"dropout_{layer}")(x)
    logits = MemberLogits(members, task.outputs, name="logits")(x)
    return keras.Model(inputs, logits, name="tabm")


def with_bins(spec: EncodedSpec, dimension: int) -> EncodedSpec:
    """Returns the spec with plain numbers read by their piecewise-linear encoding instead."""
    numbers = (
        replace(entry, representation="piecewise_linear", dimension=dimension)
        if entry.representation == "value"
        else entry
        for entry in spec.numbers
    )
    return replace(spec, numbers=tuple(numbers))


@keras.saving.register_keras_serializable("millrace")
class MemberInputs(layers.Layer):
    """Scales a row by each member's own factors; the members become rows: [n, d] to [n · k, d]."""

    def __init__(self, members: int, widths: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.widths = members, widths

    def build(self, input_shape: Any) -> None:
        """Draws the factors, one for all places of a feature, which are parts of one thing."""
        drawn = keras.random.normal((self.members, len(self.widths)))
        scales = np.repeat(keras.ops.convert_to_numpy(drawn), self.widths, axis=1)
        self.scales = self.add_weight(
            shape=scales.shape,
            initializer=lambda shape, dtype: tf.constant(scales, dtype),
            name="scales",
        )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the scaled rows, a row's members side by side."""
        scaled = x[:, None, :] * tf.convert_to_tensor(self.scales)
        return tf.reshape(scaled, [-1, sum(self.widths)])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n · k, d]."""
        return None, sum(self.widths)


@keras.saving.register_keras_serializable("millrace")
class MemberLogits(layers.Layer):
    """A last layer for each member: [n · k, d] to [n, k, outputs]."""

    def __init__(self, members: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.outputs = members, outputs

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.width = input_shape[-1]
        limit = self.width**-0.5
        self.kernel = self.add_weight(
            shape=(self.members, self.width, self.outputs),
            initializer=uniform(limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.members, self.outputs), initializer=uniform(limit), name="bias"
        )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the members' logits."""
        members = tf.reshape(x, [-1, self.members, self.width])
        logits = multiply_each(members, tf.convert_to_tensor(self.kernel))
        return logits + tf.convert_to_tensor(self.bias)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Returns [n, k, outputs]."""
        return None, self.members, self.outputs
