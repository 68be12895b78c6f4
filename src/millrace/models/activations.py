"""What bends a hidden layer's outputs."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

HALF_WIDTH = 0.05


def activation(settings: dict[str, Any], layer: int) -> layers.Layer:
    """Returns what follows the hidden layer of that number, as the model's settings say.

    The networks of TensorFlow 1 had ReLU: so `auto` is that where their weights are taken.
    """
    kind = settings["activation"]
    if kind == "auto":
        kind = "relu" if {"adopt", "warm_start"} & set(settings) else "smelu"
    name = f"activation_{layer}"
    return SmeLU(name=name) if kind == "smelu" else layers.Activation(kind, name=name)


@keras.saving.register_keras_serializable("millrace")
class SmeLU(layers.Layer):
    """A ReLU whose slope rises steadily between -0.05 and 0.05; see `smelu`."""

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the layer's outputs, of the shape of x."""
        return smelu(x, training)


def smelu(x: tf.Tensor, training: bool) -> tf.Tensor:
    """Returns 0 below -w, x above w, and (x + w)² / 4w between them, with w = 0.05.

    ReLU's slope jumps at zero. Where two trainings differ in the last digit, as they do on another
    number of replicas, some unit's input is on one side of the jump in one of them and on the other
    side in the other, and soon they differ in the third digit (Shamir et al., 2020, "Smooth
    activations and reproducibility in deep networks"). In training the slope is kept for the
    gradient, which halves what the activation costs.
    """
    with_gradient = tf.custom_gradient(_value_and_gradient)
    return with_gradient(x) if training else _value_and_gradient(x)[0]


def _value_and_gradient(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
    slope = tf.minimum(tf.maximum(x / (2 * HALF_WIDTH) + 0.5, 0.0), 1.0)
    # So that what lies outside the corner is exactly 0 or x, in half precision too.
    value = slope * (x + (HALF_WIDTH - HALF_WIDTH * slope))
    return value, lambda upstream: upstream * slope
