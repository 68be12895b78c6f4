"""Feature columns: how a raw column becomes what a model reads, in ops that every runtime has.

Each kind is one class: `learn` takes what it needs from the statistics of the training examples,
`encode` is the graph, and the dataclass fields are the learned state that preprocessing.json keeps.
The kinds and their meaning are those of `tf.feature_column`; to add one, write a class here and
give it an entry in config/schema.json.

The graph keeps to rules that hold in TensorFlow, TF Lite (builtin ops only) and TF.js:
strings become ids by a string -> int64 table followed by a reshape (TF.js returns rank 1); a
missing number is found by `x != x`; buckets are sums of comparisons and crosses are arithmetic,
because Bucketize and SparseCross exist in TensorFlow alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import tensorflow as tf

from millrace.errors import MillraceError

# Raw columns as tensors of shape [n]: numbers float32 with NaN for missing, the others string
# with "" for missing.
Raw = Mapping[str, tf.Tensor]

# float32 counts whole numbers one by one up to here; beyond, neighbours become the same number.
LARGEST_EXACT_INTEGER = 2**24

# Normalized values are cut here, so that an absurd input cannot push a model to infinity.
LARGEST_NORMALIZED = 10.0


@dataclass(frozen=True)
class FeatureColumn:
    """What every kind has: the feature's name. Subclasses add the state that they learn."""

    name: str

    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Returns the learned state, enough for `from_json` to build the column again."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Numeric(FeatureColumn):
    """A number, normalized; a missing value becomes `default`.

    normalized = transform((x - center) * scale), cut to ±10, where transform is x / sqrt(1 + x²/9)
    for the robust normalizer (after RTDL's robust scaling with a smooth clip) and the identity
    otherwise; the log normalizer first takes sign(x) log(1 + |x|).
    """

    column: str
    normalizer: str
    default: float
    center: float
    scale: float
    missing_indicator: bool

    kind: ClassVar[str] = "numeric"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], statistics: dict[str, Any]) -> Numeric:
        """Learns center and scale from one raw column's statistics (see statistics.json)."""
        column = settings.get("column", name)
        if statistics["type"] not in ("int64", "float32", "float64", "bool"):
            raise MillraceError(
                f"features.{name}: expected a column of numbers, found {column!r} of type "
                f"{statistics['type']}.",
                note="use kind: vocabulary for text.",
            )
        if statistics["distinct"] == 0:
            raise MillraceError(
                f"features.{name}: expected values in column {column!r}, found none in the training"
                " examples.",
                note="leave the feature out.",
            )
        largest = max(abs(statistics["min"]), abs(statistics["max"]))
        if statistics["type"] == "int64" and largest > LARGEST_EXACT_INTEGER:
            raise MillraceError(
                f"features.{name}: expected whole numbers up to {LARGEST_EXACT_INTEGER} (2^24), "
                f"which float32 holds exactly; found {largest} in column {column!r}.",
                note=f"an id? Declare data.types: {{{column}: string}} and use kind: vocabulary. "
                f"A quantity? Declare data.types: {{{column}: float32}} and accept rounding.",
            )
        normalizer = settings.get("normalizer", "robust")
        center, scale = _center_and_scale(normalizer, statistics)
        return cls(
            name=name,
            column=column,
            normalizer=normalizer,
            default=float(settings.get("default", statistics["median"])),
            center=center,
            scale=scale,
            missing_indicator=statistics["missing"] > 0,
        )

    def encode(self, raw: Raw) -> tf.Tensor:
        """Returns float32 [n, 1], or [n, 2] with the missing indicator in the second place."""
        x = tf.reshape(raw[self.column], [-1, 1])
        missing = tf.not_equal(x, x)
        x = tf.where(missing, tf.constant(self.default, tf.float32), x)
        if self.normalizer == "log":
            x = tf.sign(x) * tf.math.log(1.0 + tf.abs(x))
        if self.normalizer != "none":
            x = (x - self.center) * self.scale
            x = tf.minimum(tf.maximum(x, -LARGEST_NORMALIZED), LARGEST_NORMALIZED)
        if self.normalizer == "robust":
            x = x * tf.math.rsqrt(1.0 + x * x * (1.0 / 9.0))
        if self.missing_indicator:
            x = tf.concat([x, tf.cast(missing, tf.float32)], axis=1)
        return x


def _center_and_scale(normalizer: str, statistics: dict[str, Any]) -> tuple[float, float]:
    quantiles = statistics["quantiles"]
    low, high = statistics["min"], statistics["max"]
    if normalizer == "log":
        return statistics["log_mean"], _inverse(statistics["log_std"])
    if normalizer == "standard":
        return statistics["mean"], _inverse(statistics["std"])
    if normalizer == "min_max":
        return low, _inverse(high - low)
    if normalizer == "robust":
        last = len(quantiles) - 1
        interquartile_range = quantiles[last * 3 // 4] - quantiles[last // 4]
        # A column that is mostly one value has no interquartile range: its whole range serves.
        return statistics["median"], _inverse(interquartile_range or (high - low) / 2)
    return 0.0, 1.0


def _inverse(spread: float) -> float:
    return 1.0 / spread if spread > 0 else 1.0


@dataclass(frozen=True)
class Categorical(FeatureColumn):
    """A column whose values become ids 0..cardinality - 1."""

    @property
    def cardinality(self) -> int:
        """The number of ids."""
        raise NotImplementedError

    def encode(self, raw: Raw) -> tf.Tensor:
        """Returns int32 [n, 1]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Vocabulary(Categorical):
    """A value's place in a vocabulary, as `categorical_column_with_vocabulary_list` gives it.

    Ids 0..len(values) - 1 are the values, the next is out-of-vocabulary, the last is missing.
    """

    column: str
    values: tuple[str, ...] | tuple[float, ...]

    kind: ClassVar[str] = "vocabulary"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], statistics: dict[str, Any]) -> Vocabulary:
        """Takes the values seen at least `min_count` times, most frequent first.

        Numbers are looked up by equality, so only columns with at most 1,024 different numbers
        can be a vocabulary.
        """
        column = settings.get("column", name)
        counted = statistics["values"]
        if statistics["type"] != "string" and len(counted) < statistics["distinct"]:
            raise MillraceError(
                f"features.{name}: expected at most 1024 different values in column {column!r} of "
                f"type {statistics['type']}, found {statistics['distinct']}.",
                note=f"declare data.types: {{{column}: string}}, or use kind: bucketized.",
            )
        kept = [value for value, count in counted if count >= settings.get("min_count", 1)]
        kept = kept[: settings.get("max_size", len(kept))]
        if not kept:
            raise MillraceError(
                f"features.{name}: expected values in column {column!r} seen at least "
                f"{settings.get('min_count', 1)} times in the training examples, found none.",
                note="lower min_count, or leave the feature out.",
            )
        if statistics["type"] in ("int64", "float32", "float64", "bool"):
            kept = [float(value) for value in kept]
        return cls(name=name, column=column, values=tuple(kept))

    @property
    def cardinality(self) -> int:
        return len(self.values) + 2

    def encode(self, raw: Raw) -> tf.Tensor:
        if self.table is not None:
            ids = self.table.lookup(raw[self.column])
            # TF.js' look-up returns rank 1 whatever it is given.
            return tf.cast(tf.reshape(ids, [-1, 1]), tf.int32)
        return self._find(tf.reshape(raw[self.column], [-1, 1]))

    @cached_property
    def table(self) -> tf.lookup.StaticHashTable | None:
        """The look-up table from string to id, which an export must hold; None for numbers."""
        if not isinstance(self.values[0], str):
            return None
        size = len(self.values)
        # Outside of whatever graph asks for it first, so that every graph shares one table.
        with tf.init_scope():
            # The missing value is one more key, so that one look-up serves all.
            keys = tf.constant([*self.values, ""], tf.string)
            ids = tf.constant([*range(size), size + 1], tf.int64)
            initializer = tf.lookup.KeyValueTensorInitializer(keys, ids)
            return tf.lookup.StaticHashTable(initializer, default_value=size)

    def _find(self, x: tf.Tensor) -> tf.Tensor:
        size = len(self.values)
        values = tf.constant([self.values], tf.float32)
        is_value = tf.cast(tf.equal(x, values), tf.int32)
        # At most one comparison holds: the sum is its place, counted from 1, or 0.
        place = tf.reduce_sum(is_value * tf.range(1, size + 1)[None, :], axis=1, keepdims=True)
        found = tf.where(tf.equal(place, 0), size, place - 1)
        return tf.where(tf.not_equal(x, x), size + 1, found)


@dataclass(frozen=True)
class Bucketized(Categorical):
    """The bucket of a number: [-inf, b0), [b0, b1), … [bn, inf), and a last one for missing."""

    column: str
    boundaries: tuple[float, ...]

    kind: ClassVar[str] = "bucketized"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], statistics: dict[str, Any]) -> Bucketized:
        """Takes the boundaries given, or learns them as quantiles of the training examples."""
        column = settings.get("column", name)
        if "quantiles" not in statistics:
            raise MillraceError(
                f"features.{name}: expected a column of numbers, found {column!r} of type "
                f"{statistics['type']}.",
                note="use kind: vocabulary for text.",
            )
        boundaries = settings.get("boundaries")
        if boundaries is None:
            quantiles, buckets = statistics["quantiles"], settings["quantiles"]
            last = len(quantiles) - 1
            inner = {quantiles[round(last * i / buckets)] for i in range(1, buckets)}
            boundaries = sorted(q for q in inner if q > statistics["min"]) or [statistics["max"]]
        elif any(not a < b for a, b in pairwise(boundaries)) or not all(
            math.isfinite(b) for b in boundaries
        ):
            raise MillraceError(
                f"features.{name}.boundaries: expected finite numbers in rising order, found "
                f"{boundaries}."
            )
        return cls(name=name, column=column, boundaries=tuple(float(b) for b in boundaries))

    @property
    def cardinality(self) -> int:
        return len(self.boundaries) + 2

    def encode(self, raw: Raw) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1, 1])
        boundaries = tf.constant([self.boundaries], tf.float32)
        above = tf.cast(tf.greater_equal(x, boundaries), tf.int32)
        bucket = tf.reduce_sum(above, axis=1, keepdims=True)
        return tf.where(tf.not_equal(x, x), len(self.boundaries) + 1, bucket)


@dataclass(frozen=True)
class Crossed(Categorical):
    """The combination of other categorical features' ids, folded into `buckets` ids if given.

    The combinations are numbered in the mixed radix of the keys' cardinalities, so unlike
    `tf.feature_column.crossed_column` no two combinations share an id unless `buckets` is smaller
    than their number, and every runtime can compute it.
    """

    keys: tuple[str, ...]
    key_cardinalities: tuple[int, ...]
    buckets: int | None

    kind: ClassVar[str] = "crossed"

    @classmethod
    def learn(cls, name: str, settings: dict[str, Any], keys: list[Categorical]) -> Crossed:
        """Takes the keys, which have learned before."""
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

    def cross(self, key_ids: list[tf.Tensor]) -> tf.Tensor:
        """Returns int32 [n, 1] from the keys' ids, each int32 [n, 1]."""
        crossed = key_ids[0]
        for ids, cardinality in zip(key_ids[1:], self.key_cardinalities[1:], strict=True):
            crossed = crossed * cardinality + ids
        if self.cardinality < math.prod(self.key_cardinalities):
            # FloorMod has no kernel in TF.js' wasm backend.
            crossed = crossed - crossed // self.cardinality * self.cardinality
        return crossed


def from_json(state: Mapping[str, Any]) -> FeatureColumn:
    """Builds a column again from what `to_json` returned."""
    kinds: dict[str, Any] = {cls.kind: cls for cls in (Numeric, Vocabulary, Bucketized, Crossed)}
    fields = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in state.items()
        if key != "kind"
    }
    column: FeatureColumn = kinds[state["kind"]](**fields)
    return column
