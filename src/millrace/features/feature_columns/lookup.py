"""Categories whose values are looked up: vocabularies and hashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.feature_bases import LookupConfig
from millrace.config.features import HashedConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import CategoricalOfColumn, Context, Raw

# The most distinct numbers to look up, because the graph compares with each of them.
MOST_NUMBERS = 1024

# The characters that ingestion strips from cells.
SPACES = " \t"


@dataclass(frozen=True)
class Lookup(CategoricalOfColumn):
    """A category whose known values have ids in a table; other values are out-of-vocabulary.

    The last id means missing. Strings use a string -> int64 table, the only kind for which TF Lite
    has builtin ops; numbers are compared with each value.

    Attributes:
        values: the values that the feature learned or was given.
        unseen: how to treat a value that is not in the table. `bucket`: as out-of-vocabulary, the
            same in every runtime. `hash`: TensorFlow hashes it, so the model cannot be converted to
            TF Lite.
        missing: the texts that mean missing in the column's file; None if texts do not come from a
            file, so that none of them is special.
    """

    values: tuple[str, ...] | tuple[float, ...]
    unseen: str = field(default="bucket", kw_only=True)
    missing: tuple[str, ...] | None = field(default=None, kw_only=True)

    @property
    def takes_cells(self) -> bool:
        # Hashing would include the spaces around a text.
        return self.missing is not None and self.unseen == "bucket"

    @property
    def portable(self) -> bool:
        return self.unseen == "bucket"

    @property
    def known(self) -> tuple[str, ...] | tuple[float, ...]:
        """The values in the table."""
        return self.values

    @property
    def known_ids(self) -> np.ndarray:
        """The ids of `known`, int64."""
        raise NotImplementedError

    @property
    def oov_id(self) -> int:
        """The id of a value that is not in the table."""
        raise NotImplementedError

    def hash(self, texts: Any) -> tf.Tensor:
        """Returns the ids of values by their hash, int64."""
        raise NotImplementedError

    def _hash_known(self, values: Sequence[str] | Sequence[float]) -> np.ndarray:
        # tf.feature_column hashes an integer's decimal digits.
        texts = [value if isinstance(value, str) else f"{value:.0f}" for value in values]
        with tf.init_scope():
            hashed: np.ndarray = self.hash(tf.constant(texts, tf.string)).numpy()
        return hashed

    @cached_property
    def table(self) -> tf.lookup.StaticHashTable | None:
        """The look-up table from string to id, which an export must track; None for numbers."""
        if not isinstance(self.values[0], str):
            return None
        # Outside the current graph, so that all graphs share one table.
        with tf.init_scope():
            entries = self._entries()
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant([*entries], tf.string), tf.constant([*entries.values()], tf.int64)
            )
            return tf.lookup.StaticHashTable(initializer, default_value=self.oov_id)

    def _entries(self) -> dict[str, int]:
        """Returns the keys of the table and their ids, including the texts that mean missing.

        Only TensorFlow can strip text, so the table contains each text also with a space before it,
        after it, and both.
        """
        missing_id = self.cardinality - 1
        known: dict[Any, int] = dict(zip(self.known, self.known_ids.tolist(), strict=True))
        if not self.takes_cells:
            return {**known, **dict.fromkeys((self.missing or ()), missing_id), "": missing_id}
        # Texts with surrounding spaces, or that mean missing, cannot come from a file.
        entries = {text: id_ for text, id_ in known.items() if text == text.strip(SPACES)}
        markers = {text.strip(SPACES) for text in self.missing or ()}
        entries |= dict.fromkeys(("", *sorted(markers)), missing_id)
        return {
            spelled: id_
            for text, id_ in entries.items()
            for spelled in (text, f" {text}", f"{text} ", f" {text} ")
        }

    @property
    def tables(self) -> list[Any]:
        return [] if self.table is None else [self.table]

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        x = tf.reshape(raw[self.column], [-1])
        # The look-up of TF.js always returns rank 1.
        found = self._find(x) if self.table is None else self.table.lookup(x)
        if self.unseen == "hash":
            # A value with this id is either not in the table, or hashes to it anyway.
            found = tf.where(tf.equal(found, self.oov_id), self.hash(x), found)
        return tf.cast(tf.reshape(found, [-1, self.length]), tf.int32)

    def _find(self, x: tf.Tensor) -> tf.Tensor:
        known = tf.constant([self.known], tf.float32)
        is_value = tf.cast(tf.equal(tf.reshape(x, [-1, 1]), known), tf.int32)
        # At most one comparison is true: the sum is its id + 1, or 0.
        ids = tf.constant(self.known_ids[None, :] + 1, tf.int32)
        found = tf.reduce_sum(is_value * ids, axis=1)
        found = tf.where(tf.equal(found, 0), self.oov_id, found - 1)
        return tf.where(tf.not_equal(x, x), self.cardinality - 1, found)


def counted_values(
    feature: str, settings: LookupConfig | HashedConfig, context: Context
) -> tuple[str, list[tuple[Any, int]]]:
    """Returns the column of a feature and its values, float or str, with counts, by falling count.

    Raises MillraceError when there are too many values to look up, or the settings require hashing
    of values that cannot be hashed.
    """
    column, statistics = context.column(feature, settings.column)
    if not isinstance(statistics, NumberStatistics):
        return column, [*statistics.values]
    context.ids(feature, settings.column)
    if statistics.distinct > MOST_NUMBERS:
        raise MillraceError(
            f"features.{feature}: expected at most {MOST_NUMBERS} different values in column "
            f"{column!r} of type {statistics.type}, found {statistics.distinct}.",
            note=f"declare data.types: {{{column}: string}}, or use kind: bucketized.",
        )
    if settings.unseen == "hash":
        raise MillraceError(
            f"features.{feature}.unseen: expected bucket for a column of numbers, found hash.",
            note=f"declare data.types: {{{column}: string}} to hash its text.",
        )
    return column, [(float(value), count) for value, count in statistics.values]


def require_whole(feature: str, column: str, values: Iterable[Any]) -> None:
    """Raises MillraceError when a number has a fraction, because only integers can be hashed."""
    broken = [x for x in values if isinstance(x, float) and not x.is_integer()]
    if broken:
        raise MillraceError(
            f"features.{feature}: expected whole numbers to hash, found {broken[0]:g} in column "
            f"{column!r}.",
            note=f"use kind: bucketized for a quantity, or declare data.types: {{{column}: string}}"
            " to hash its text.",
        )


@dataclass(frozen=True)
class Hashed(Lookup):
    """A value's hash, Fingerprint64 mod `buckets`, as in `categorical_column_with_hash_bucket`.

    TF Lite cannot hash, so the hashes of the training values are stored in a table. Other values
    are out-of-vocabulary in every runtime, unless `unseen` is hash.
    """

    buckets: int

    kind: ClassVar[str] = "hashed"

    @classmethod
    def learn(cls, name: str, settings: HashedConfig, context: Context) -> Self:
        column, counted = counted_values(name, settings, context)
        values = tuple(value for value, _ in counted)
        require_whole(name, column, values)
        unseen = settings.unseen
        return cls(
            name,
            column,
            values,
            settings.buckets,
            unseen=unseen,
            missing=context.missing.get(column),
        )

    @property
    def cardinality(self) -> int:
        return self.buckets + 2

    @property
    def known_ids(self) -> np.ndarray:
        return self._hash_known(self.values)

    @property
    def oov_id(self) -> int:
        return self.buckets

    def hash(self, texts: Any) -> tf.Tensor:
        return tf.strings.to_hash_bucket_fast(texts, self.buckets)
