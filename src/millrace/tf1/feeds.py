"""Converts raw columns to the inputs of an old model: types, shapes, missing values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.features.feature_columns import Raw
from millrace.features.raw_row import RawColumn

# Numbers are clipped here. TF.js has no integers beyond int32; and larger floats overflow inside an
# old graph, where the order of a sum decides whether the result is infinity or NaN.
LARGEST_INTEGER = 2147483520.0
LARGEST_FLOAT = 1e19


@dataclass(frozen=True)
class Feed:
    """The value of an input of an old model.

    Attributes:
        name: the name of the input.
        dtype: its type.
        columns: the raw columns, more than one if the input is a matrix.
        rank: 1 or 2.
        missing: the replacement of a missing value, by column.
        optional: whether a missing value may be left out.
    """

    name: str
    dtype: tf.DType
    columns: tuple[str, ...]
    rank: int
    missing: Mapping[str, Any]
    optional: bool = False

    def tensor(self, raw: Raw) -> tf.Tensor:
        """Returns the input, [n] or [n, columns], for raw columns [n]."""
        parts = [self._column(raw[name], name) for name in self.columns]
        return tf.stack(parts, axis=1) if self.rank == 2 else parts[0]

    def _column(self, x: tf.Tensor, name: str) -> tf.Tensor:
        if name in self.missing:
            x = tf.where(_is_missing(x), tf.constant(self.missing[name], x.dtype), x)
        if x.dtype == tf.string:
            return x
        largest = LARGEST_FLOAT if self.dtype.is_floating else LARGEST_INTEGER
        return tf.cast(tf.minimum(tf.maximum(x, -largest), largest), self.dtype)


def _is_missing(x: tf.Tensor) -> tf.Tensor:
    return tf.equal(x, "") if x.dtype == tf.string else tf.not_equal(x, x)


def check(model: str, feeds: tuple[Feed, ...], raw: Mapping[str, RawColumn]) -> None:
    """Raises MillraceError when a column does not exist, or does not fit the input it is fed to."""
    for feed in feeds:
        for name in feed.columns:
            where = f"models.{model}: input {feed.name!r}"
            if name not in raw:
                raise MillraceError(
                    f"{where}: expected a column that the features read, out of {list(raw)}; found "
                    f"{name!r}.",
                    note=f"map it with models.{model}.inputs: {{{feed.name}: COLUMN}}, or give "
                    "the column a feature.",
                )
            column = raw[name]
            if column.is_number == (feed.dtype == tf.string):
                raise MillraceError(
                    f"{where}: expected a column of type {feed.dtype.name}, found {name!r} of type "
                    f"{column.type}.",
                    note="declare the column's type in data.types.",
                )
            if column.is_number and not feed.optional and name not in feed.missing:
                raise MillraceError(
                    f"{where}: expected what it gets where {name!r} is missing, found nothing.",
                    note=f"write models.{model}.missing: {{{name}: 0}}, or whatever the old "
                    "system put in its place.",
                )


@dataclass(frozen=True)
class ParsedFeature:
    """A feature that an old graph parses from serialized tf.train.Example protos.

    Attributes:
        key: the feature's name in the proto.
        feed: its value, from a raw column.
        outputs: the tensors that parsing returns: values; or indices, values and shape if sparse.
        shape: the shape of a row's value, () or (1,).
    """

    key: str
    feed: Feed
    outputs: tuple[str, ...]
    shape: tuple[int, ...]

    def tensors(self, raw: Raw) -> dict[str, tf.Tensor]:
        """Returns the results of parsing for raw columns [n], by tensor name."""
        column = raw[self.feed.columns[0]]
        if len(self.outputs) == 1:
            x = self.feed.tensor(raw)
            return {self.outputs[0]: tf.reshape(x, [-1, *self.shape])}
        values = self.feed.tensor(raw)
        rows = tf.where(tf.logical_not(_is_missing(column)))
        indices = tf.concat([rows, tf.zeros_like(rows)], axis=1)
        shape = tf.stack([tf.size(column, tf.int64), 1])
        return dict(zip(self.outputs, (indices, tf.gather(values, rows[:, 0]), shape), strict=True))


def serialize(features: tuple[ParsedFeature, ...], raw: Mapping[str, np.ndarray]) -> np.ndarray:
    """Serializes raw columns [n] as tf.train.Example protos [n].

    Missing values without a replacement are left out.
    """
    fields = {tf.float32: "float_list", tf.int64: "int64_list", tf.string: "bytes_list"}
    columns = []
    for feature in features:
        name = feature.feed.columns[0]
        x = tf.constant(raw[name], tf.string if raw[name].dtype == object else tf.float32)
        left_out = _is_missing(x).numpy() & (name not in feature.feed.missing)
        columns.append((feature, feature.feed.tensor({name: x}).numpy(), left_out))
    serialized = []
    for row in range(len(columns[0][1])):
        example = tf.train.Example()
        for feature, values, left_out in columns:
            if not left_out[row]:
                proto = example.features.feature[feature.key]
                getattr(proto, fields[feature.feed.dtype]).value.append(values[row])
        serialized.append(example.SerializeToString())
    return np.array(serialized, object)
