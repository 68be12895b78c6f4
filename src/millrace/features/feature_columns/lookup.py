"""Categories whose values are looked up: vocabularies and hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.features import HashedConfig, LookupConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import CategoricalOfColumn, Context, Raw
from millrace.files import lines

# So many different numbers can be looked up: the graph compares with each of them.
MOST_NUMBERS = 1024

# What ingestion strips from the cells of a table.
SPACES = " \t"

FLOAT32_MAX = float(np.finfo(np.float32).max)


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
        missing: the texts that stand for a missing value in the column's file; None where texts do
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


def _counted_values(
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


def _require_whole(feature: str, column: str, values: Iterable[Any]) -> None:
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
class Vocabulary(Lookup):
    """A value's place in a vocabulary, as `categorical_column_with_vocabulary_list` gives it.

    A value out of the vocabulary has the next id, or `default_value`, or with `num_oov_buckets`
    one of so many next ids, by its hash. No other runtime can hash as TensorFlow does, so the
    hashes of the training values are in the table; one never seen has the first of these ids.

    Attributes:
        rare: with several buckets, the training values out of the vocabulary.
        num_oov_buckets: the number of buckets; 0 where the config names none.
        default_value: the id of a value out of the vocabulary, where the config names it.
    """

    rare: tuple[str, ...] | tuple[float, ...] = field(default=(), kw_only=True)
    num_oov_buckets: int = field(default=0, kw_only=True)
    default_value: int | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "vocabulary"

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        """Takes the values given, those in a file, or those seen at least `min_count` times."""
        column, counted = cls._counted(name, settings, context)
        # The words of a text are looked up as they are learned.
        given = settings if isinstance(settings, LookupConfig) else LookupConfig(kind=cls.kind)
        if given.values is not None or given.file is not None:
            numbers = isinstance(context.statistics[column], NumberStatistics)
            kept = given_values(name, given, numbers)
        else:
            kept = [value for value, count in counted if count >= settings.min_count]
            kept = kept[: settings.max_size]
        if not kept:
            raise MillraceError(
                f"features.{name}: expected values in column {column!r} seen at least "
                f"{settings.min_count} times in the training examples, found none.",
                note="lower min_count, or leave the feature out.",
            )
        default, buckets = given.default_value, given.num_oov_buckets or 0
        unseen = given.unseen
        if default is not None and default >= len(kept):
            raise MillraceError(
                f"features.{name}.default_value: expected the id of one of the {len(kept)} values, "
                f"0 to {len(kept) - 1}, found {default}.",
                note="change default_value, or remove it.",
            )
        if unseen == "hash" and buckets < 2:
            raise MillraceError(
                f"features.{name}.unseen: expected bucket without several num_oov_buckets, found "
                "hash.",
                note="one bucket needs no hash.",
            )
        rare: tuple[Any, ...] = ()
        if buckets > 1:
            listed = set(kept)
            rare = tuple(value for value, _ in counted if value not in listed)
            _require_whole(name, column, rare)
        return cls(
            name=name,
            column=column,
            values=tuple(kept),
            rare=rare,
            num_oov_buckets=buckets,
            default_value=default,
            unseen=unseen,
            missing=cls._missing(column, context),
            **cls._own(settings),
        )

    @classmethod
    def _counted(
        cls, name: str, settings: Any, context: Context
    ) -> tuple[str, list[tuple[Any, int]]]:
        """Returns the column and its values with their counts, most frequent first."""
        return _counted_values(name, settings, context)

    @classmethod
    def _missing(cls, column: str, context: Context) -> tuple[str, ...] | None:
        """Returns the texts that mean missing; see `Lookup`."""
        return context.missing.get(column)

    @classmethod
    def _own(cls, settings: Any) -> dict[str, Any]:
        """Returns the fields that only a subclass has."""
        return {}

    @property
    def oov_buckets(self) -> int:
        """The number of ids for values out of the vocabulary."""
        return 0 if self.default_value is not None else max(self.num_oov_buckets, 1)

    @property
    def cardinality(self) -> int:
        return len(self.values) + self.oov_buckets + 1

    @property
    def known(self) -> tuple[Any, ...]:
        return *self.values, *self.rare

    @property
    def known_ids(self) -> np.ndarray:
        ids = np.arange(len(self.values))
        return np.append(ids, self._hash_known(self.rare)) if self.rare else ids

    @property
    def oov_id(self) -> int:
        return len(self.values) if self.default_value is None else self.default_value

    def hash(self, texts: Any) -> tf.Tensor:
        return len(self.values) + tf.strings.to_hash_bucket_fast(texts, max(self.oov_buckets, 1))


def given_values(feature: str, settings: LookupConfig, numbers: bool) -> list[Any]:
    """Returns the vocabulary that the config lists, or that stands in a file, one value a line."""
    where = f"features.{feature}.values"
    given: Sequence[Any] | None = settings.values
    if given is None:
        assert settings.file, "the caller has looked"
        path = Path(settings.file)
        where = f"features.{feature}.file: {path}"
        try:
            given = [line for line in lines(path.read_bytes().decode("utf-8")) if line]
        except (OSError, UnicodeDecodeError) as error:
            raise MillraceError(
                f"{where}: expected a vocabulary in UTF-8, found none ({error}).",
                note="save the file as UTF-8, one value per line.",
            ) from None
    values = _as_float32(where, given) if numbers else [str(value) for value in given]
    if not values or "" in values:
        found = "an empty one" if values else "none"
        raise MillraceError(
            f"{where}: expected values, found {found}.",
            note="an empty text is a missing value, which has an id of its own.",
        )
    count = Counter(values)
    duplicates = [str(x) for x, value in zip(given, values, strict=True) if count[value] > 1]
    if duplicates:
        raise MillraceError(
            f"{where}: expected different values, found {duplicates[:5]}, which are the same"
            f"{' in float32' if numbers else ''}.",
            note="remove the repetitions from the vocabulary.",
        )
    return values


def _as_float32(where: str, given: Iterable[Any]) -> list[float]:
    """Returns numbers as the models take them; raises MillraceError for what they cannot take."""
    values: list[float] = []
    for text in given:
        try:
            number = float(text)
        except ValueError:
            raise MillraceError(
                f"{where}: expected numbers like the column's, found {text!r}.",
                note="correct the vocabulary, or read the column as text under data.types.",
            ) from None
        fits = abs(number) <= FLOAT32_MAX
        # A fraction is rounded, as it is in the table; a whole number may be an id.
        if not fits or (number.is_integer() and number != float(np.float32(number))):
            raise MillraceError(
                f"{where}: expected numbers that float32 can hold, found {text}.",
                note="declare the column a string in data.types to look up its text.",
            )
        values.append(float(np.float32(number)))
    return values


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
        column, counted = _counted_values(name, settings, context)
        values = tuple(value for value, _ in counted)
        _require_whole(name, column, values)
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
