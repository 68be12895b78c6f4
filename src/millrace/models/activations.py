"""Activations of hidden layers."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.config.models import HiddenLayers, adopted, warm_start
from millrace.models.dropout import Dropout

HALF_WIDTH = 0.05


def activated(
    x: keras.KerasTensor,
    settings: HiddenLayers,
    layer: int,
    half_width: float = HALF_WIDTH,
    members: int = 1,
) -> keras.KerasTensor:
    """Applies the activation, and dropout if any, to a hidden layer.

    `auto` is ReLU for models that start from TensorFlow 1, whose networks used it.

    Args:
        x: float32 [members · n, units].
        settings: the settings of the model.
        layer: the number of the layer, from 0.
        half_width: half the width of SmeLU's corner.
        members: the number of ensemble members that share the layer.
    """
    kind: str = settings.activation
    if kind == "auto":
        kind = "relu" if adopted(settings) or warm_start(settings) else "smelu"
    name = f"activation_{layer}"
    bend = SmeLU(half_width, name=name) if kind == "smelu" else layers.Activation(kind, name=name)
    x = bend(x)
    if settings.dropout > 0:
        x = Dropout(settings.dropout, members, name=f"dropout_{layer}")(x)
    return x


@keras.saving.register_keras_serializable("millrace")
class SmeLU(layers.Layer):
    """A ReLU whose slope rises linearly from -half_width to half_width; see `smelu`."""

    def __init__(self, half_width: float = HALF_WIDTH, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.half_width = half_width

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the layer's outputs, of the shape of x."""
        return smelu(x, training, self.half_width)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the layer."""
        return {**super().get_config(), "half_width": self.half_width}


def smelu(x: tf.Tensor, training: bool, half_width: float = HALF_WIDTH) -> tf.Tensor:
    """Returns 0 below -w, x above w, and (x + w)² / 4w between them, with w the half width.

    ReLU's slope jumps at zero. If two trainings differ in the last digit, as they do with another
    number of replicas, some unit's input is on different sides of the jump, and soon they differ in
    the third digit. In training the slope is kept for the gradient, which halves the cost of the
    activation. Source: Shamir et al., 2020, "Smooth activations and reproducibility in deep
    networks".
    """

    def value_and_gradient(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        x = tf.maximum(x, -half_width)
        slope = tf.minimum(x / (2 * half_width) + 0.5, 1.0)
        # This form is exactly 0 or x outside the corner, in half precision too.
        value = slope * (x + (half_width - half_width * slope))
        return value, lambda upstream: upstream * slope

    if training:
        return tf.custom_gradient(value_and_gradient)(x)
    return value_and_gradient(x)[0]
