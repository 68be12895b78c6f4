"""The input layers of all models: convert encoded examples to a dense tensor."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.models.numeric_encodings import Periodic, PiecewiseLinear

ENCODINGS: dict[str, type[Any]] = {"piecewise_linear": PiecewiseLinear, "periodic": Periodic}


def encoded_inputs(spec: EncodedSpec) -> dict[str, keras.KerasTensor]:
    """Returns the Keras inputs of an encoded example, without parts of width 0."""
    inputs = {}
    if spec.numbers:
        inputs["numbers"] = keras.Input((len(spec.numbers),), name="numbers", dtype="float32")
    if spec.ids:
        inputs["ids"] = keras.Input((spec.ids_width,), name="ids", dtype="int32")
    return inputs


def weighted_ids(
    inputs: dict[str, tf.Tensor], spec: EncodedSpec
) -> Iterator[tuple[CategoricalInput, tf.Tensor, tf.Tensor | None]]:
    """Yields each categorical feature with its ids and their weights, both [n, length].

    The weights, float32, are None if all are 1. Padding of sequences has weight 0.
    """
    places = {x.feature: i for i, x in enumerate(spec.numbers) if x.representation == "weight"}
    start = 0
    for entry in spec.ids:
        ids = inputs["ids"][:, start : start + entry.length]
        start += entry.length
        weights = None
        if entry.length > 1:
            weights = tf.cast(tf.not_equal(ids, entry.cardinality - 1), tf.float32)
        if entry.weight:
            place = places[entry.weight]
            weight = inputs["numbers"][:, place : place + 1]
            weights = weight if weights is None else weights * weight
        yield entry, ids, weights


def _one_hot(ids: tf.Tensor, weights: tf.Tensor | None, cardinality: int) -> tf.Tensor:
    """Returns float32 [n, cardinality]: the sum of the weights, or the count, of each id."""
    # A comparison, not OneHot: TF.js' wasm backend computes OneHot wrongly.
    hot = tf.cast(tf.equal(ids[:, :, None], tf.range(cardinality)), tf.float32)
    return tf.reduce_sum(hot if weights is None else hot * weights[:, :, None], axis=1)


def _embed(
    table: tf.Tensor, ids: tf.Tensor, weights: tf.Tensor | None, entry: CategoricalInput
) -> tf.Tensor:
    """Returns float32 [n, dimension]: the ids' embeddings, combined as in TensorFlow."""
    flat = tf.gather(table, tf.reshape(ids, [-1]))
    if weights is None:
        return flat
    embedded = tf.reshape(flat, [-1, entry.length, entry.dimension])
    total = tf.reduce_sum(embedded * weights[:, :, None], axis=1)
    if entry.combiner == "sum":
        return total
    if entry.combiner == "mean":
        norm = tf.reduce_sum(weights, axis=1, keepdims=True)
    else:
        norm = tf.sqrt(tf.reduce_sum(weights * weights, axis=1, keepdims=True))
    return tf.where(tf.equal(norm, 0.0), 0.0, total / tf.where(tf.equal(norm, 0.0), 1.0, norm))


@keras.saving.register_keras_serializable("millrace")
class DenseFeatures(layers.Layer):
    """Concatenates an encoded example's numbers, indicators and embeddings.

    Input: {`numbers`: float32 [n, …], `ids`: int32 [n, …]}. Output: float32 [n, width], also in
    mixed precision, because numbers of a table may not fit into half precision.
    """

    def __init__(self, spec: EncodedSpec, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.spec = spec
        self.plain = [
            place
            for place, entry in enumerate(spec.numbers)
            if entry.representation in ("value", "output", "missing")
        ]
        # Numbers with the same encoding share a layer, and so one matrix product.
        self.encoded: dict[tuple[Any, ...], list[int]] = {}
        for place, entry in enumerate(spec.numbers):
            if entry.representation in ENCODINGS:
                self.encoded.setdefault(_settings_of(entry), []).append(place)
        self.encodings = [
            ENCODINGS[representation](
                tuple(spec.numbers[place] for place in places), dtype="float32"
            )
            for (representation, *_), places in self.encoded.items()
        ]

    def build(self, input_shape: Any) -> None:
        """Creates the embedding tables; features may share one."""
        self.tables = {
            entry.table or entry.feature: self.add_weight(
                shape=(entry.cardinality, entry.dimension),
                # The scale of tf.feature_column.embedding_column.
                initializer=keras.initializers.TruncatedNormal(stddev=entry.dimension**-0.5),
                name=f"embedding_{place}",
            )
            for place, entry in _first_of_each_table(self.spec)
        }
        for encoding, places in zip(self.encodings, self.encoded.values(), strict=True):
            encoding.build((None, len(places)))
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the dense tensor."""
        parts = []
        if self.plain:
            parts.append(self._numbers(inputs, self.plain))
        for encoding, places in zip(self.encodings, self.encoded.values(), strict=True):
            parts.append(encoding(self._numbers(inputs, places)))
        for entry, ids, weights in weighted_ids(inputs, self.spec):
            if entry.representation == "embedding":
                table = tf.convert_to_tensor(self.tables[entry.table or entry.feature])
                parts.append(_embed(table, ids, weights, entry))
            else:
                parts.append(_one_hot(ids, weights, entry.cardinality))
        return tf.concat(parts, axis=1)

    def _numbers(self, inputs: dict[str, tf.Tensor], places: list[int]) -> tf.Tensor:
        numbers = inputs["numbers"]
        every = len(places) == len(self.spec.numbers)
        return numbers if every else tf.gather(numbers, places, axis=1)

    @property
    def widths(self) -> list[int]:
        """The width of each number and categorical feature in the output, in order."""
        encoded = [self.spec.numbers[i].dimension for x in self.encoded.values() for i in x]
        return [1] * len(self.plain) + encoded + [entry.dimension for entry in self.spec.ids]

    @property
    def places_of_values(self) -> dict[str, int]:
        """The column of the output with each number that is not encoded, by feature."""
        entries = (self.spec.numbers[place] for place in self.plain)
        return {x.feature: i for i, x in enumerate(entries) if x.representation == "value"}

    @property
    def places_of_ids(self) -> list[tuple[CategoricalInput, int]]:
        """The categorical features, each with its first column in the output."""
        ends = list(accumulate(self.widths, initial=0))
        return list(zip(self.spec.ids, ends[-len(self.spec.ids) - 1 :], strict=False))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n, width]."""
        return None, sum(self.widths)


def _settings_of(entry: NumberInput) -> tuple[Any, ...]:
    return entry.representation, entry.dimension, entry.frequencies, entry.sigma


def _first_of_each_table(spec: EncodedSpec) -> Iterator[tuple[int, CategoricalInput]]:
    seen = set()
    for place, entry in enumerate(spec.ids):
        table = entry.table or entry.feature
        if entry.representation == "embedding" and table not in seen:
            seen.add(table)
            yield place, entry
