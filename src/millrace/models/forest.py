"""Evaluates a forest of decision trees, stored as arrays of nodes, with plain gathers.

All conditions have one form: a column of the row is at least a threshold. For that, a row becomes

    numbers | numbers, lowest if missing | numbers, highest if missing | a bit per set of ids

Only numbers that may be missing have the two copies, for conditions that are false or true for
missing values; a condition on a set of ids uses the set's bit, which is 0 or 1. Each step moves one
level down in all trees, and a leaf is its own child.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from millrace.config.built import ForestShape
from millrace.errors import MillraceError
from millrace.features.preprocessing import EncodedSpec

HIGHEST = float(np.finfo(np.float32).max)

# TF Lite and protocol buffers are limited to twice this size.
MOST_BYTES = 2**30

# Groups of a row's columns; group SETS + i has the sets of the i-th categorical feature.
NUMBERS, LOWEST, SETS = 0, 1, 3


@dataclass(frozen=True)
class Nodes:
    """The nodes of all trees.

    Attributes:
        columns: the column of the row that a node compares, int32 [nodes].
        thresholds: values of at least this go to the second child, float32 [nodes].
        children: two per node, flat, int32 [2 · nodes]; those of a leaf are the leaf itself.
        values: the value that a leaf adds to its logit, float32 [nodes].
        roots: int32 [trees]; consecutive trees belong to the logits in turn.
        initial: the logits before any tree, float32 [outputs].
        sets: for each categorical feature, whether an id is in each set of the conditions,
            float32 [cardinality, sets].
        depth: the longest path from a root to a leaf.
    """

    columns: np.ndarray
    thresholds: np.ndarray
    children: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    initial: np.ndarray
    sets: tuple[np.ndarray, ...]
    depth: int

    @property
    def shape(self) -> ForestShape:
        """The sizes that `Forest` needs to be built."""
        return ForestShape(
            nodes=len(self.values),
            trees=len(self.roots),
            depth=self.depth,
            sets=tuple(table.shape[1] for table in self.sets),
        )

    @property
    def arrays(self) -> list[np.ndarray]:
        """The weights of a `Forest`, in the order of its layer.

        Raises MillraceError when they are too large for an exported model.
        """
        sets = [table for table in self.sets if table.size]
        nodes = [self.columns, self.thresholds, self.children, self.values]
        arrays = [*nodes, self.roots, self.initial, *sets]
        size = sum(array.nbytes for array in arrays)
        if size > MOST_BYTES:
            raise MillraceError(
                f"boosted_trees: expected a forest of at most {MOST_BYTES >> 20} MiB, which a TF "
                f"Lite model can hold, found {size >> 20} MiB, "
                f"{sum(table.nbytes for table in sets) >> 20} MiB of it sets of categories.",
                note="cap vocabularies with max_size or min_count, or lower trees or max_depth.",
            )
        return arrays


def missing_places(spec: EncodedSpec) -> dict[int, int]:
    """Returns the place of the missing indicator for the place of each number that has one."""
    values = {
        entry.feature: place
        for place, entry in enumerate(spec.numbers)
        if entry.representation != "missing"
    }
    return {
        values[entry.feature]: place
        for place, entry in enumerate(spec.numbers)
        if entry.representation == "missing"
    }


def first_columns(spec: EncodedSpec, sets: list[int]) -> list[int]:
    """Returns the first column of each group in a row; `sets` counts each feature's sets."""
    copies = len(missing_places(spec))
    return list(accumulate([0, len(spec.numbers), copies, copies, *sets[:-1]]))


@keras.saving.register_keras_serializable("millrace")
class Forest(layers.Layer):
    """Evaluates all trees: encoded examples to logits [n, outputs].

    Its weights are the arrays of `Nodes`, and are not trainable.
    """

    def __init__(self, spec: EncodedSpec, outputs: int, shape: ForestShape, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.spec, self.outputs, self.shape = spec, outputs, shape
        self.missing = missing_places(spec)
        self.width = first_columns(spec, [*shape.sets, 0])[-1]

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        nodes, trees = self.shape.nodes, self.shape.trees
        self.columns = self._add("columns", (nodes,), "int32")
        self.thresholds = self._add("thresholds", (nodes,), "float32")
        self.children = self._add("children", (2 * nodes,), "int32")
        self.values = self._add("values", (nodes,), "float32")
        self.roots = self._add("roots", (trees,), "int32")
        self.initial = self._add("initial", (self.outputs,), "float32")
        self.sets = {
            place: self._add(f"sets_{place}", (entry.cardinality, count), "float32")
            for place, (entry, count) in enumerate(zip(self.spec.ids, self.shape.sets, strict=True))
            if count
        }
        self.built = True

    def _add(self, name: str, shape: tuple[int, ...], dtype: str) -> keras.Variable:
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the logits."""
        rows = tf.range(tf.shape(next(iter(inputs.values())))[0])[:, None]
        node = tf.zeros_like(rows) + tf.convert_to_tensor(self.roots)[None, :]
        if self.shape.depth:
            node = self._walk(node, rows, inputs)
        leaves = tf.gather(tf.convert_to_tensor(self.values), node)
        leaves = tf.reshape(leaves, [-1, self.shape.trees // self.outputs, self.outputs])
        return tf.reduce_sum(leaves, axis=1) + tf.convert_to_tensor(self.initial)

    def _walk(self, node: tf.Tensor, rows: tf.Tensor, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the leaf of each row in each tree, int32 [n, trees]."""
        row = tf.concat([*self._numbers(inputs), *self._bits(inputs)], axis=1)
        columns, thresholds, children = (
            tf.convert_to_tensor(x) for x in (self.columns, self.thresholds, self.children)
        )
        # Flat, because gathering within rows (batch_dims) crashes TF.js' wasm backend.
        values, starts = tf.reshape(row, [-1]), rows * self.width
        for _ in range(self.shape.depth):
            value = tf.gather(values, starts + tf.gather(columns, node))
            second = tf.greater_equal(value, tf.gather(thresholds, node))
            node = tf.gather(children, node * 2 + tf.cast(second, tf.int32))
        return node

    def _numbers(self, inputs: dict[str, tf.Tensor]) -> Iterator[tf.Tensor]:
        if self.spec.numbers:
            yield inputs["numbers"]
        if self.missing:
            values = tf.gather(inputs["numbers"], list(self.missing), axis=1)
            missing = tf.gather(inputs["numbers"], list(self.missing.values()), axis=1) > 0.5
            yield tf.where(missing, -HIGHEST, values)
            yield tf.where(missing, HIGHEST, values)

    def _bits(self, inputs: dict[str, tf.Tensor]) -> Iterator[tf.Tensor]:
        start = 0
        for place, entry in enumerate(self.spec.ids):
            if place in self.sets:
                ids = tf.reshape(inputs["ids"][:, start : start + entry.length], [-1])
                bits = tf.gather(tf.convert_to_tensor(self.sets[place]), ids)
                bits = tf.reshape(bits, [-1, entry.length, bits.shape[1]])
                yield tf.reduce_max(bits, axis=1)
            start += entry.length

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n, outputs]."""
        return None, self.outputs
