"""TabM-mini: members that share one network, on piecewise-linear encodings of the numbers.

Each member scales the network's inputs by its own factors and has its own last layer; the rest is
shared. Every member is trained to predict by itself, and the predictions are averaged: an ensemble
at little more than the cost of one network. Source: Gorishniy et al., 2024, "TabM".
"""

from dataclasses import replace
from itertools import groupby
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.config.models import TabmConfig
from millrace.config.training import TrainingConfig
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.activations import activated
from millrace.models.input_layers import DenseFeatures, encoded_inputs
from millrace.models.numeric_encodings import uniform

# With this model's learning rate a narrower corner of SmeLU is too sharp.
HALF_WIDTH = 0.5
SMALL_TABLE = 20_000
WORTH_COMPILING = 25_000


def training_defaults(settings: TabmConfig, rows: int) -> TrainingConfig:
    """Returns the model's defaults for `training` with `rows` training examples.

    The learning rate is high and constant, and the weights are averaged: the average reaches within
    a few epochs what a decaying rate reaches at its end, so a short patience suffices. The patience
    is longer for small tables, whose epochs are short and whose validation loss is noisy. On a CPU,
    XLA makes steps without dropout a third faster but takes seconds to compile, which does not pay
    off for small tables.
    """
    patience = 12 if rows < SMALL_TABLE else 3
    gpus = tf.config.list_physical_devices("GPU")
    jit = rows >= WORTH_COMPILING and not settings.dropout and not gpus
    return TrainingConfig(learning_rate=0.005, moving_average=0.998, patience=patience, jit=jit)


def build(settings: TabmConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`. Its logits are [n, members, outputs]."""
    inputs = encoded_inputs(spec)
    features = DenseFeatures(with_bins(spec, settings.dimension), name="dense_features")
    members, (first, *others) = settings.members, settings.hidden_units
    x = MemberDense(members, features.widths, first, name="hidden_0")(features(inputs))
    x = activated(x, settings, 0, HALF_WIDTH, members)
    for layer, units in enumerate(others, start=1):
        x = layers.Dense(units, kernel_initializer=kernel(), name=f"hidden_{layer}")(x)
        x = activated(x, settings, layer, HALF_WIDTH, members)
    logits = MemberLogits(members, task.outputs, name="logits")(x)
    return keras.Model(inputs, logits, name="tabm")


def with_bins(spec: EncodedSpec, dimension: int) -> EncodedSpec:
    """Returns the spec with plain numbers in a piecewise-linear encoding."""
    numbers = (
        replace(entry, representation="piecewise_linear", dimension=dimension)
        if entry.representation == "value"
        else entry
        for entry in spec.numbers
    )
    return replace(spec, numbers=tuple(numbers))


def kernel() -> keras.initializers.Initializer:
    """Returns PyTorch's default initializer, which the published settings assume."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


@keras.saving.register_keras_serializable("millrace")
class MemberDense(layers.Layer):
    """A dense layer shared by all members, each of which scales the features by its own factors.

    A member has one factor per feature, which may span several columns. So a feature's product with
    its part of the kernel is computed once and scaled for each member, instead of scaling first and
    multiplying for each. The members become rows: [n, d] to [k · n, units], member by member.
    """

    def __init__(self, members: int, widths: list[int], units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.widths, self.units = members, widths, units

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        normal = keras.initializers.RandomNormal(stddev=1.0)
        shape = (self.members, len(self.widths))
        self.scales = self.add_weight(shape=shape, initializer=normal, name="scales")
        self.kernel = self.add_weight(
            shape=(sum(self.widths), self.units), initializer=kernel(), name="kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the rows of all members."""
        groups = [(width, 1) for width in self.widths]
        if training:
            # Batched, because a wide table has hundreds of features. Exports keep separate products
            # because quantizers only reduce the kernel of a plain product.
            groups = [(width, len(list(same))) for width, same in groupby(self.widths)]
        sizes = [width * count for width, count in groups]
        parts = tf.split(x, sizes, axis=1)
        kernels = tf.split(tf.convert_to_tensor(self.kernel), sizes)
        products = []
        for (width, count), part, kernel in zip(groups, parts, kernels, strict=True):
            if count == 1:
                products.append(tf.matmul(part, kernel))
            else:
                features = tf.transpose(tf.reshape(part, [-1, count, width]), [1, 0, 2])
                weights = tf.reshape(kernel, [count, width, self.units])
                products.append(tf.reshape(tf.matmul(features, weights), [-1, self.units]))
        flat = tf.reshape(tf.concat(products, axis=0), [len(self.widths), -1])
        rows = tf.reshape(tf.matmul(tf.convert_to_tensor(self.scales), flat), [-1, self.units])
        return rows + tf.convert_to_tensor(self.bias)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [k · n, units]."""
        return None, self.units


@keras.saving.register_keras_serializable("millrace")
class MemberLogits(layers.Layer):
    """A last layer for each member: [k · n, d] to [n, k, outputs]."""

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
        members = tf.reshape(x, [self.members, -1, self.width])
        logits = tf.matmul(members, tf.convert_to_tensor(self.kernel))
        return tf.transpose(logits, [1, 0, 2]) + tf.convert_to_tensor(self.bias)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Returns [n, k, outputs]."""
        return None, self.members, self.outputs
