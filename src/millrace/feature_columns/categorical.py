"""Categories: vocabularies, hashes, identities and buckets, each as ids."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.feature_columns.base import NUMBER_TYPES, Categorical, Context, Raw

# So many different numbers can be looked up: the graph compares with each of them.
MOST_NUMBERS = 1024


@dataclass(frozen=True)
class Lookup(Categorical):
    """A category whose training values have ids in a table; the others are out-of-vocabulary.

    Ids below `buckets` belong to values, the next is out-of-vocabulary, the last means missing.
    Strings are found in a string -> int64 table, because TF Lite has builtin ops for that one
    alone; numbers by comparison with each value.
    """

    column: str
    values: tuple[str, ...] | tuple[float, ...]

    @property
    def value_ids(self) -> np.ndarray:
        """The ids of `values`, int64."""
        raise NotImplementedError

    @property
    def buckets(self) -> int:
        """The number of ids that belong to values."""
        raise NotImplementedError

    @property
    def cardinality(self) -> int:
        return self.buckets + 2

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @cached_property
    def table(self) -> tf.lookup.StaticHashTable | None:
        """The look-up table from string to id, which an export must hold; None for numbers."""
        if not isinstance(self.values[0], str):
            return None
        # Outside of whatever graph asks for it first, so that every graph shares one table.
        with tf.init_scope():
            # The missing value is one more key, so that one look-up serves all.
            keys = tf.constant([*self.values, ""], tf.string)
            ids = tf.constant([*self.value_ids, self.buckets + 1], tf.int64)
            initializer = tf.lookup.KeyValueTensorInitializer(keys, ids)
            return tf.lookup.StaticHashTable(initializer, default_value=self.buckets)

    @property
    def tables(self) -> list[Any]:
        return [] if self.table is None else [self.table]

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        if self.table is not None:
            found = self.table.lookup(raw[self.column])
            # TF.js' look-up returns rank 1 whatever it is given.
            return tf.cast(tf.reshape(found, [-1, 1]), tf.int32)
        return self._find(tf.reshape(raw[self.column], [-1, 1]))

    def _find(self, x: tf.Tensor) -> tf.Tensor:
        is_value = tf.cast(tf.equal(x, tf.constant([self.values], tf.float32)), tf.int32)
        # At most one comparison holds: the sum is its id, counted from 1, or 0.
        ids = tf.constant(self.value_ids[None, :] + 1, tf.int32)
        found = tf.reduce_sum(is_value * ids, axis=1, keepdims=True)
        found = tf.where(tf.equal(found, 0), self.buckets, found - 1)
        return tf.where(tf.not_equal(x, x), self.buckets + 1, found)


def _counted_values(
    feature: str, settings: Mapping[str, Any], context: Context
) -> tuple[str, list[tuple[Any, int]], bool]:
    """Returns a column, its values with their counts, most frequent first, and if they are numbers.

    Raises MillraceError when the values cannot be looked up one by one.
    """
    column, statistics = context.column(feature, settings)
    if statistics["type"] not in NUMBER_TYPES:
        return column, [(value, count) for value, count in statistics["values"]], False
    context.number(feature, settings)
    if statistics["distinct"] > MOST_NUMBERS:
        raise MillraceError(
            f"features.{feature}: expected at most {MOST_NUMBERS} different values in column "
            f"{column!r} of type {statistics['type']}, found {statistics['distinct']}.",
            note=f"declare data.types: {{{column}: string}}, or use kind: bucketized.",
        )
    return column, [(float(value), count) for value, count in statistics["values"]], True


@dataclass(frozen=True)
class Vocabulary(Lookup):
    """A value's place in a vocabulary, as `categorical_column_with_vocabulary_list` gives it."""

    kind: ClassVar[str] = "vocabulary"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], context: Context) -> Self:
        """Takes the values given, those in a file, or those seen at least `min_count` times."""
        column, counted, numbers = _counted_values(name, settings, context)
        if "values" in settings or "file" in settings:
            kept = given_values(name, settings, numbers)
        else:
            kept = [value for value, count in counted if count >= settings.get("min_count", 1)]
        kept = kept[: settings.get("max_size", len(kept))]
        if not kept:
            raise MillraceError(
                f"features.{name}: expected values in column {column!r} seen at least "
                f"{settings.get('min_count', 1)} times in the training examples, found none.",
                note="lower min_count, or leave the feature out.",
            )
        return cls(name=name, column=column, values=tuple(kept))

    @property
    def value_ids(self) -> np.ndarray:
        return np.arange(len(self.values))

    @property
    def buckets(self) -> int:
        return len(self.values)


def given_values(feature: str, settings: Mapping[str, Any], numbers: bool) -> list[Any]:
    """Returns the vocabulary that the config lists, or that stands in a file, one value a line."""
    where = f"features.{feature}.values"
    values = settings.get("values")
    if values is None:
        path = Path(settings["file"])
        where = f"features.{feature}.file: {path}"
        try:
            values = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        except OSError as error:
            raise MillraceError(f"{where}: expected a vocabulary, found none ({error}).") from None
    duplicates = sorted({str(value) for value in values if values.count(value) > 1})
    if duplicates or not values:
        found = f"{duplicates} more than once" if duplicates else "none"
        raise MillraceError(f"{where}: expected different values, found {found}.")
    try:
        return [float(value) if numbers else str(value) for value in values]
    except ValueError as error:
        raise MillraceError(
            f"{where}: expected numbers like the column's, found {error}."
        ) from None


@dataclass(frozen=True)
class Hashed(Lookup):
    """A value's hash, Fingerprint64 mod `buckets`, as `categorical_column_with_hash_bucket`.

    TF Lite cannot hash, so the training values' hashes are a table and any other value is
    out-of-vocabulary, the same in every runtime. With `unseen: hash` TensorFlow hashes every
    value, and the model cannot become TF Lite.
    """

    hash_buckets: int
    unseen: str

    kind: ClassVar[str] = "hashed"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], context: Context) -> Self:
        column, counted, numbers = _counted_values(name, settings, context)
        unseen = settings.get("unseen", "bucket")
        if unseen == "hash" and numbers:
            raise MillraceError(
                f"features.{name}.unseen: expected bucket for a column of numbers, found hash.",
                note=f"declare data.types: {{{column}: string}} to hash its text.",
            )
        values = tuple(value for value, _ in counted)
        return cls(name, column, values, hash_buckets=settings["buckets"], unseen=unseen)

    @property
    def portable(self) -> bool:
        return self.unseen == "bucket"

    @property
    def value_ids(self) -> np.ndarray:
        # tf.feature_column hashes an integer's decimal digits.
        texts = [value if isinstance(value, str) else f"{value:.0f}" for value in self.values]
        with tf.init_scope():
            hashed: np.ndarray = tf.strings.to_hash_bucket_fast(texts, self.hash_buckets).numpy()
        return hashed

    @property
    def buckets(self) -> int:
        return self.hash_buckets

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        known = super().encode(raw, ids)
        if self.unseen == "bucket":
            return known
        hashed = tf.strings.to_hash_bucket_fast(raw[self.column], self.hash_buckets)
        hashed = tf.cast(tf.reshape(hashed, [-1, 1]), tf.int32)
        return tf.where(tf.equal(known, self.buckets), hashed, known)


@dataclass(frozen=True)
class Identity(Categorical):
    """A whole number that is an id already, as `categorical_column_with_identity`.

    Ids below `buckets` are the numbers, the next is out of range, the last means missing.
    """

    column: str
    buckets: int

    kind: ClassVar[str] = "identity"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], context: Context) -> Self:
        column, statistics = context.number(name, settings)
        low, high = statistics["min"], statistics["max"]
        whole = statistics["type"] in ("int64", "bool")
        if not whole or low < 0 or high >= settings["buckets"]:
            raise MillraceError(
                f"features.{name}: expected whole numbers from 0 to {settings['buckets'] - 1}, "
                f"found {low:g} to {high:g} of type {statistics['type']} in column {column!r}.",
                note="raise buckets, or use kind: vocabulary.",
            )
        return cls(name=name, column=column, buckets=settings["buckets"])

    @property
    def cardinality(self) -> int:
        return self.buckets + 2

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1, 1])
        in_range = tf.logical_and(tf.greater_equal(x, 0.0), tf.less(x, float(self.buckets)))
        # Chosen before the cast, which is undefined for NaN and beyond int32.
        safe = tf.where(in_range, x, float(self.buckets))
        found = tf.cast(safe, tf.int32)
        # A fraction is no id.
        found = tf.where(tf.equal(tf.cast(found, tf.float32), safe), found, self.buckets)
        return tf.where(tf.not_equal(x, x), self.buckets + 1, found)


@dataclass(frozen=True)
class Bucketized(Categorical):
    """The bucket of a number: [-inf, b0), [b0, b1), … [bn, inf), and a last one for missing.

    With a `default`, that number's bucket is the missing values' too.
    """

    column: str
    boundaries: tuple[float, ...]
    default: float | None = None

    kind: ClassVar[str] = "bucketized"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], context: Context) -> Self:
        """Takes the boundaries given, or learns them as quantiles of the training examples."""
        column, statistics = context.number(name, settings)
        boundaries = settings.get("boundaries")
        if boundaries is None:
            levels = np.linspace(0, 1, len(statistics["quantiles"]))
            inner = np.arange(1, settings["quantiles"]) / settings["quantiles"]
            learned = np.unique(np.interp(inner, levels, statistics["quantiles"]))
            boundaries = learned[learned > statistics["min"]].tolist() or [statistics["max"]]
        elif any(not a < b for a, b in pairwise(boundaries)) or not all(
            math.isfinite(b) for b in boundaries
        ):
            raise MillraceError(
                f"features.{name}.boundaries: expected finite numbers in rising order, found "
                f"{boundaries}."
            )
        boundaries = tuple(float(b) for b in boundaries)
        return cls(name, column, boundaries, default=settings.get("default"))

    @property
    def cardinality(self) -> int:
        return len(self.boundaries) + 2

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1, 1])
        if self.default is not None:
            x = tf.where(tf.not_equal(x, x), tf.constant(self.default, tf.float32), x)
        # Bucketize has no kernel in TF.js.
        above = tf.cast(tf.greater_equal(x, tf.constant([self.boundaries], tf.float32)), tf.int32)
        bucket = tf.reduce_sum(above, axis=1, keepdims=True)
        return tf.where(tf.not_equal(x, x), len(self.boundaries) + 1, bucket)


@dataclass(frozen=True)
class Crossed(Categorical):
    """The combination of other categorical features' ids, folded into `buckets` ids if given.

    The combinations are numbered in the mixed radix of the keys' cardinalities, so unlike
    `tf.feature_column.crossed_column` no two combinations share an id unless `buckets` is smaller
    than their number, and every runtime can compute it. A missing key is one of the key's values.
    """

    keys: tuple[str, ...]
    key_cardinalities: tuple[int, ...]
    buckets: int | None

    kind: ClassVar[str] = "crossed"
    reads_features: ClassVar[bool] = True

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], context: Context) -> Self:
        keys = [context.categorical(f"features.{name}.keys", key) for key in settings["keys"]]
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
            buckets=settings.get("buckets"),
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
