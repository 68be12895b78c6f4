"""Trainable encodings of numbers: piecewise linear and periodic.

Source: Gorishniy et al., 2022, "On Embeddings for Numerical Features". The weights are part of the
model and trained with it. The source uses ReLU; see `smelu` for why not here.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from millrace.features.feature_columns import NumberInput
from millrace.models.activations import smelu


def multiply_each(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Multiplies each part of a row by its own matrix.

    Args:
        x: float32 [n, parts, width].
        weights: float32 [parts, width, units].

    Returns:
        float32 [n, parts, units].
    """
    product = tf.matmul(tf.transpose(x, [1, 0, 2]), weights)
    return tf.transpose(product, [1, 0, 2])


def uniform(limit: float) -> keras.initializers.Initializer:
    """Returns a new initializer, because one that is used twice draws the same values twice."""
    return keras.initializers.RandomUniform(-limit, limit)


@keras.saving.register_keras_serializable("millrace")
class PiecewiseLinear(layers.Layer):
    """Encodes each number as a piecewise-linear function of its value, with a knot at each edge.

    encoding = slope · x + bias + Σ over bins of (share of the bin below x) · weight. The weights of
    the bins start at zero, so that training begins with a linear function.

    Input: float32 [n, numbers]. Output: float32 [n, numbers · dimension].
    """

    def __init__(self, entries: tuple[NumberInput, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entries = entries
        self.dimension = entries[0].dimension
        bins = max(1, *(len(entry.edges) - 1 for entry in entries))
        # A bin that a number does not have gets scale zero, so it contributes nothing.
        self.starts = np.zeros((len(entries), bins), np.float32)
        self.scales = np.zeros((len(entries), bins), np.float32)
        for row, entry in enumerate(entries):
            edges = np.array(entry.edges, np.float32)
            self.starts[row, : len(edges) - 1] = edges[:-1]
            self.scales[row, : len(edges) - 1] = 1 / np.diff(edges)

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        numbers, bins = self.starts.shape
        shape = (numbers, self.dimension)
        self.slopes = self.add_weight(shape=shape, initializer=uniform(1.0), name="slopes")
        self.biases = self.add_weight(shape=shape, initializer=uniform(1.0), name="biases")
        self.weights_of_bins = self.add_weight(
            shape=(numbers, bins, self.dimension), initializer="zeros", name="weights_of_bins"
        )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the encodings, number by number."""
        x = x[:, :, None]
        filled = tf.minimum(tf.maximum((x - self.starts) * self.scales, 0.0), 1.0)
        bent = multiply_each(filled, tf.convert_to_tensor(self.weights_of_bins))
        straight = x * tf.convert_to_tensor(self.slopes) + tf.convert_to_tensor(self.biases)
        return tf.reshape(bent + straight, [-1, len(self.entries) * self.dimension])


@keras.saving.register_keras_serializable("millrace")
class Periodic(layers.Layer):
    """Encodes each number by the sines and cosines of trained frequencies, then a SmeLU layer.

    Input: float32 [n, numbers]. Output: float32 [n, numbers · dimension].
    """

    def __init__(self, entries: tuple[NumberInput, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entries = entries
        self.dimension = entries[0].dimension

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        numbers, waves = len(self.entries), self.entries[0].frequencies
        # Truncated, because normalized numbers span a few units, so high frequencies are noise.
        normal = keras.initializers.TruncatedNormal(stddev=self.entries[0].sigma)
        limit = (2 * waves) ** -0.5
        self.frequencies = self.add_weight(
            shape=(numbers, waves), initializer=normal, name="frequencies"
        )
        self.weights_of_waves = self.add_weight(
            shape=(numbers, 2 * waves, self.dimension),
            initializer=uniform(limit),
            name="weights_of_waves",
        )
        self.biases = self.add_weight(
            shape=(numbers, self.dimension), initializer=uniform(limit), name="biases"
        )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the encodings, number by number."""
        angles = 2 * math.pi * x[:, :, None] * tf.convert_to_tensor(self.frequencies)
        waves = tf.concat([tf.sin(angles), tf.cos(angles)], axis=2)
        encoded = multiply_each(waves, tf.convert_to_tensor(self.weights_of_waves))
        encoded = smelu(encoded + tf.convert_to_tensor(self.biases), training)
        return tf.reshape(encoded, [-1, len(self.entries) * self.dimension])
