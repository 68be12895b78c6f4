"""Categories whose ids are computed: identities, buckets and crosses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.features import BucketizedConfig, CrossedConfig, IdentityConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import Categorical, CategoricalOfColumn, Context, Raw


@dataclass(frozen=True)
class Identity(CategoricalOfColumn):
    """A whole number that already is an id, as in `categorical_column_with_identity`.

    Ids below `buckets` are the numbers; the last id means missing. Numbers that are out of range or
    have a fraction get the id in between, or `default_value`.
    """

    buckets: int
    default_value: int | None = None

    kind: ClassVar[str] = "identity"

    @classmethod
    def learn(cls, name: str, settings: IdentityConfig, context: Context) -> Self:
        column, statistics = context.ids(name, settings.column)
        buckets, default = settings.buckets, settings.default_value
        _require_ids(name, column, statistics)
        low, high = statistics.figures.min, statistics.figures.max
        if default is None and (low < 0 or high >= buckets):
            raise MillraceError(
                f"features.{name}: expected whole numbers from 0 to {buckets - 1}, found {low:.0f} "
                f"to {high:.0f} in column {column!r}.",
                note="use kind: vocabulary, or say with default_value which id the others have."
                if low < 0
                else f"raise buckets to {high + 1:.0f}, or say with default_value which id the "
                "others have.",
            )
        if default is not None and default >= buckets:
            raise MillraceError(
                f"features.{name}.default_value: expected an id from 0 to {buckets - 1}, found "
                f"{default}.",
                note="change default_value or num_buckets.",
            )
        return cls(name, column, buckets, default)

    @property
    def cardinality(self) -> int:
        return self.buckets + (2 if self.default_value is None else 1)

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1, 1])
        in_range = tf.logical_and(tf.greater_equal(x, 0.0), tf.less(x, float(self.buckets)))
        # Selected before the cast, which is undefined for NaN and beyond int32.
        safe = tf.where(in_range, x, 0.0)
        found = tf.cast(safe, tf.int32)
        # A fraction is not an id.
        is_id = tf.logical_and(in_range, tf.equal(tf.cast(found, tf.float32), safe))
        other = self.buckets if self.default_value is None else self.default_value
        found = tf.where(is_id, found, other)
        return tf.where(tf.not_equal(x, x), self.cardinality - 1, found)


def _require_ids(feature: str, column: str, statistics: NumberStatistics) -> None:
    """Raises MillraceError when a column of floats has fractions, or too many distinct values.

    Floats are accepted because pandas turns integers into floats when one is missing.
    """
    if statistics.type in ("int64", "bool"):
        return
    if statistics.distinct > len(statistics.values):
        raise MillraceError(
            f"features.{feature}: expected whole numbers, found {statistics.distinct} different "
            f"values of type {statistics.type} in column {column!r}.",
            note=f"declare data.types: {{{column}: int64}} if they are ids, or use kind: "
            "bucketized for a quantity.",
        )
    broken = [value for value, _ in statistics.values if value != int(value)]
    if broken:
        raise MillraceError(
            f"features.{feature}: expected whole numbers, found {broken[0]:g} in column "
            f"{column!r}.",
            note="use kind: vocabulary for a few values, kind: bucketized for a quantity.",
        )


@dataclass(frozen=True)
class Bucketized(CategoricalOfColumn):
    """The bucket of a number: [-inf, b0), [b0, b1), … [bn, inf), and a last one for missing.

    With a `default`, missing values fall into its bucket.
    """

    boundaries: tuple[float, ...]
    default: float | None = None

    kind: ClassVar[str] = "bucketized"

    @classmethod
    def learn(cls, name: str, settings: BucketizedConfig, context: Context) -> Self:
        """Uses the given boundaries, or learns them as quantiles of the training examples."""
        column, statistics = context.number(name, settings.column)
        boundaries: Sequence[float] | None = settings.boundaries
        if boundaries is None:
            levels = np.linspace(0, 1, len(statistics.quantiles))
            assert settings.quantiles, "boundaries are given or learned"
            inner = np.arange(1, settings.quantiles) / settings.quantiles
            learned = np.unique(np.interp(inner, levels, statistics.quantiles))
            boundaries = learned[learned > statistics.figures.min].tolist() or [
                statistics.figures.max
            ]
        elif not _rise_in_float32(boundaries):
            raise MillraceError(
                f"features.{name}.boundaries: expected finite numbers in rising order, which "
                f"float32 can tell apart, found {list(boundaries)}.",
                note="sort the boundaries, and merge those that are too close.",
            )
        floats = tuple(float(b) for b in boundaries or ())
        return cls(name, column, floats, default=settings.default)

    @property
    def cardinality(self) -> int:
        return len(self.boundaries) + 2

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1, 1])
        if self.default is not None:
            x = tf.where(tf.not_equal(x, x), tf.constant(self.default, tf.float32), x)
        # Bucketize has no kernel in TF.js.
        above = tf.cast(tf.greater_equal(x, tf.constant([self.boundaries], tf.float32)), tf.int32)
        bucket = tf.reduce_sum(above, axis=1, keepdims=True)
        return tf.where(tf.not_equal(x, x), len(self.boundaries) + 1, bucket)


def _rise_in_float32(boundaries: Sequence[float]) -> bool:
    with np.errstate(over="ignore"):
        rounded = np.array(boundaries, np.float32)
    return bool(np.isfinite(rounded).all() and (np.diff(rounded) > 0).all())


@dataclass(frozen=True)
class Crossed(Categorical):
    """The combination of other categorical features' ids, folded into `buckets` ids if given.

    The combinations are numbered in the mixed radix of the keys' cardinalities. So unlike in
    `tf.feature_column.crossed_column`, combinations share an id only if `buckets` is smaller than
    their number, and every runtime can compute it. Missing is one of a key's values.
    """

    keys: tuple[str, ...]
    key_cardinalities: tuple[int, ...]
    buckets: int | None

    kind: ClassVar[str] = "crossed"
    reads: ClassVar[str] = "keys"

    @classmethod
    def learn(cls, name: str, settings: CrossedConfig, context: Context) -> Self:
        keys = [context.key(f"features.{name}.keys", key) for key in settings.keys]
        cardinalities = tuple(key.cardinality for key in keys)
        if math.prod(cardinalities) >= 2**31:
            raise MillraceError(
                f"features.{name}.keys: expected fewer than 2^31 combinations, found "
                f"{' x '.join(map(str, cardinalities))}.",
                note="cap the keys' vocabularies with max_size or min_count.",
            )
        return cls(
            name=name,
            keys=tuple(key.name for key in keys),
            key_cardinalities=cardinalities,
            buckets=settings.buckets,
        )

    @property
    def cardinality(self) -> int:
        combinations = math.prod(self.key_cardinalities)
        return min(self.buckets, combinations) if self.buckets else combinations

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        crossed = ids[self.keys[0]]
        for key, cardinality in zip(self.keys[1:], self.key_cardinalities[1:], strict=True):
            crossed = crossed * cardinality + ids[key]
        if self.cardinality < math.prod(self.key_cardinalities):
            # FloorMod has no kernel in TF.js' wasm backend.
            crossed = crossed - crossed // self.cardinality * self.cardinality
        return crossed
