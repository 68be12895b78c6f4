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

# So many different numbers can be looked up: the graph compares with each of them.
MOST_NUMBERS = 1024

# What ingestion strips from the cells of a table.
SPACES = " \t"


@dataclass(frozen=True)
class Lookup(CategoricalOfColumn):
    """A category whose known values have ids in a table; the others are out-of-vocabulary.

    The last id means missing. Strings are found in a string -> int64 table, because TF Lite has
    builtin ops for that one alone; numbers by comparison with each value.

    Attributes:
        values: what the feature learned, or was given.
        unseen: what becomes of a value that is not in the table: `bucket`, it is
            out-of-vocabulary, the same in every runtime; or `hash`, TensorFlow hashes it, and the
            model cannot become TF Lite.
        missing: the texts that mean missing in the column's file; None where texts do
            not come from a file, and stand for themselves.
    """

    values: tuple[str, ...] | tuple[float, ...]
    unseen: str = field(default="bucket", kw_only=True)
    missing: tuple[str, ...] | None = field(default=None, kw_only=True)

    @property
    def takes_cells(self) -> bool:
        # A text that is hashed is hashed with the spaces around it.
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
        """Returns the ids that values have by their hash alone, int64."""
        raise NotImplementedError

    def _hash_known(self, values: Sequence[str] | Sequence[float]) -> np.ndarray:
        # tf.feature_column hashes an integer's decimal digits.
        texts = [value if isinstance(value, str) else f"{value:.0f}" for value in values]
        with tf.init_scope():
            hashed: np.ndarray = self.hash(tf.constant(texts, tf.string)).numpy()
        return hashed

    @cached_property
    def table(self) -> tf.lookup.StaticHashTable | None:
        """The look-up table from string to id, which an export must hold; None for numbers."""
        if not isinstance(self.values[0], str):
            return None
        # Outside of whatever graph asks for it first, so that every graph shares one table.
        with tf.init_scope():
            entries = self._entries()
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant([*entries], tf.string), tf.constant([*entries.values()], tf.int64)
            )
            return tf.lookup.StaticHashTable(initializer, default_value=self.oov_id)

    def _entries(self) -> dict[str, int]:
        """Returns the keys of the table and their ids; missing is one, so that one look-up serves.

        No runtime but TensorFlow can strip a text, so each text that a file may hold is there with
        a space before it, behind it, and both.
        """
        missing_id = self.cardinality - 1
        known: dict[Any, int] = dict(zip(self.known, self.known_ids.tolist(), strict=True))
        if not self.takes_cells:
            return {**known, **dict.fromkeys((self.missing or ()), missing_id), "": missing_id}
        # What has spaces around it, or means missing, is never found in a file.
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
        # TF.js' look-up returns rank 1 whatever it is given.
        found = self._find(x) if self.table is None else self.table.lookup(x)
        if self.unseen == "hash":
            # What the table holds under this id has it by its hash, or is not there at all.
            found = tf.where(tf.equal(found, self.oov_id), self.hash(x), found)
        return tf.cast(tf.reshape(found, [-1, self.length]), tf.int32)

    def _find(self, x: tf.Tensor) -> tf.Tensor:
        known = tf.constant([self.known], tf.float32)
        is_value = tf.cast(tf.equal(tf.reshape(x, [-1, 1]), known), tf.int32)
        # At most one comparison holds: the sum is its id, counted from 1, or 0.
        ids = tf.constant(self.known_ids[None, :] + 1, tf.int32)
        found = tf.reduce_sum(is_value * ids, axis=1)
        found = tf.where(tf.equal(found, 0), self.oov_id, found - 1)
        return tf.where(tf.not_equal(x, x), self.cardinality - 1, found)


def counted_values(
    feature: str, settings: LookupConfig | HashedConfig, context: Context
) -> tuple[str, list[tuple[Any, int]]]:
    """Returns a column and its values, float or str, with their counts, most frequent first.

    Raises MillraceError when the values cannot be looked up one by one, or not be hashed though
    the settings ask for it.
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
    """Raises MillraceError when a number has a fraction: its digits are not those of an integer."""
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
    """A value's hash, Fingerprint64 mod `buckets`, as `categorical_column_with_hash_bucket`.

    TF Lite cannot hash, so the training values' hashes are a table and any other value is
    out-of-vocabulary, the same in every runtime, unless `unseen` is hash.
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
