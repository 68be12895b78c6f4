"""Crosses with the ids of `tf.feature_column.crossed_column`, without hashing at inference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import TextStatistics
from millrace.config.features import CrossedConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import Categorical, Context, Raw
from millrace.features.feature_columns.computed import Bucketized, Identity
from millrace.features.feature_columns.lookup import Hashed
from millrace.features.feature_columns.vocabulary import Vocabulary

# The table of all combinations has an int32 for each: at most 8 MB.
MOST_COMBINATIONS = 2**21

# The default hash_key of crossed_column, and the multiplier of FingerprintCat64
# (tensorflow/core/platform/fingerprint.h).
HASH_KEY = 0xDECAFCAFFE
_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)


@dataclass(frozen=True)
class CrossedTf1(Categorical):
    """The hash of a combination, as in TensorFlow 1, read from a table.

    A key that is a column of text is crossed by its text, as in `crossed_column(["city", …])`; any
    other key is a feature and crossed by its id. The hashes of all combinations seen in training
    are computed in advance, so that no runtime has to. A text not seen in training makes the cross
    out-of-vocabulary, whereas TensorFlow 1 hashed it into some bucket.

    Ids below `buckets` are the hashes, the next means out-of-vocabulary, and the last missing.

    Attributes:
        keys: the features and columns crossed.
        values: for each key, the texts of a column; empty for a feature.
        ids: for each key, the numbers that TensorFlow 1 hashes for the ids of a feature, None if
            the id gives no cross; empty for a column.
        buckets: the number of hashes.
        dense: whether the old model was fed dense tensors, in which a missing text is the empty
            text and texts are hashed after ids. In parsed tf.train.Examples a missing text is
            absent.
        missing: for each key, the texts that mean missing; see `Lookup`.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    ids: tuple[tuple[int | None, ...], ...]
    buckets: int
    dense: bool
    missing: tuple[tuple[str, ...] | None, ...]

    kind: ClassVar[str] = "crossed_tf1"
    reads: ClassVar[str] = "keys"

    @classmethod
    def learn(cls, name: str, settings: CrossedConfig, context: Context) -> Self:
        if settings.buckets is None:
            raise MillraceError(
                f"features.{name}: expected buckets with compat: {settings.compat}, found none.",
                note="it is the hash_bucket_size of crossed_column.",
            )
        values: list[tuple[str, ...]] = []
        ids: list[tuple[int | None, ...]] = []
        for key in settings.keys:
            column = context.statistics.get(key)
            if isinstance(column, TextStatistics) and column.type == "string":
                values.append(tuple(value for value, _ in column.values))
                ids.append(())
            else:
                values.append(())
                ids.append(_hashed_ids(context.key(f"features.{name}.keys", key)))
        dense = settings.compat == "tf1_dense"
        crossed = cls(
            name,
            tuple(settings.keys),
            tuple(values),
            tuple(ids),
            settings.buckets,
            dense,
            tuple(context.missing.get(key) for key in settings.keys),
        )
        if math.prod(crossed.cardinalities) > MOST_COMBINATIONS:
            raise MillraceError(
                f"features.{name}.keys: expected at most {MOST_COMBINATIONS} combinations, found "
                f"{' x '.join(map(str, crossed.cardinalities))}.",
                note="a table of them all is what makes the cross portable; cross fewer columns.",
            )
        return crossed

    @property
    def cardinality(self) -> int:
        return self.buckets + 2

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of ids of each key."""
        pairs = zip(self.values, self.ids, strict=True)
        return tuple(len(values) + 2 if values else len(ids) for values, ids in pairs)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return tuple(key for key, values in zip(self.keys, self.values, strict=True) if values)

    @cached_property
    def _texts(self) -> dict[str, Vocabulary]:
        return {
            key: Vocabulary(key, key, values, missing=missing)
            for key, values, missing in zip(self.keys, self.values, self.missing, strict=True)
            if values
        }

    @property
    def takes_cells(self) -> bool:
        return all(text.takes_cells for text in self._texts.values())

    @property
    def tables(self) -> list[Any]:
        return [text.table for text in self._texts.values()]

    @cached_property
    def hashes(self) -> np.ndarray:
        """The id of each combination of the keys' ids, int32 [product of the cardinalities]."""
        shape = self.cardinalities
        order = list(range(len(shape)))
        if self.dense:
            order.sort(key=lambda place: bool(self.values[place]))
        crossed = np.full(shape, HASH_KEY, np.uint64)
        for place in order:
            axis = [-1 if i == place else 1 for i in range(len(shape))]
            crossed = _concatenate(crossed, self._fingerprints(place).reshape(axis))
        ids = (crossed % np.uint64(self.buckets)).astype(np.int32)
        for place, (values, hashed) in enumerate(zip(self.values, self.ids, strict=True)):
            by_key = np.moveaxis(ids, place, 0)
            if values:
                by_key[-2] = self.buckets
            if values and not self.dense:
                by_key[-1] = self.buckets + 1
            for id_, number in enumerate(hashed):
                if number is None:
                    by_key[id_] = self.buckets + 1
        return ids.ravel()

    def _fingerprints(self, place: int) -> np.ndarray:
        """Returns the hash input of each id of a key: the text's fingerprint, or the id, uint64."""
        values = self.values[place]
        if not values:
            # An out-of-vocabulary value has the id -1, whose two's complement is hashed.
            return np.array([x or 0 for x in self.ids[place]], np.int64).astype(np.uint64)
        with tf.init_scope():
            # The last two: a placeholder for unseen texts, and the empty text for missing ones.
            hashed = tf.fingerprint(tf.constant([*values, "", ""])).numpy()
        fingerprints: np.ndarray = hashed.view("<u8").ravel().astype(np.uint64)
        return fingerprints

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        place: tf.Tensor = 0
        for key, cardinality in zip(self.keys, self.cardinalities, strict=True):
            found = self._texts[key].encode(raw, ids) if key in self._texts else ids[key]
            place = place * cardinality + found
        return tf.reshape(tf.gather(self.hashes, tf.reshape(place, [-1])), [-1, 1])


def _hashed_ids(feature: Categorical) -> tuple[int | None, ...]:
    """Returns the number that TensorFlow 1 hashes for each id of a feature; None if it has none."""
    if isinstance(feature, Vocabulary):
        ids = range(len(feature.values) + feature.num_oov_buckets)
        # Without buckets, TensorFlow 1 gives out-of-vocabulary values the id -1.
        other = (-1,) if len(ids) + 1 < feature.cardinality else ()
        return (*ids, *other, None)
    if isinstance(feature, Bucketized):
        return (*range(feature.cardinality - 1), None)
    if isinstance(feature, Hashed | Identity):
        return (*range(feature.buckets), *[None] * (feature.cardinality - feature.buckets))
    return (*range(feature.cardinality - 2), None, None)


def _concatenate(first: np.ndarray, second: np.ndarray) -> Any:
    """Returns TensorFlow's FingerprintCat64 of two arrays of fingerprints: uint64."""
    mixed = first ^ _MULTIPLIER ^ (_mix(second * _MULTIPLIER) * _MULTIPLIER)
    return _mix(_mix(mixed * _MULTIPLIER) * _MULTIPLIER)


def _mix(x: np.ndarray) -> Any:
    return np.bitwise_xor(x, x >> _SHIFT)
