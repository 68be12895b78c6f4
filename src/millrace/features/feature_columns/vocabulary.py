"""Vocabularies, learned from the training examples or given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.feature_bases import LookupConfig
from millrace.config.values import FLOAT32_MAX
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import Context
from millrace.features.feature_columns.lookup import Lookup, counted_values, require_whole
from millrace.files import lines


@dataclass(frozen=True)
class Vocabulary(Lookup):
    """A value's index in a vocabulary, as in `categorical_column_with_vocabulary_list`.

    An out-of-vocabulary value has the next id, or `default_value`, or with `num_oov_buckets` one of
    that many next ids, by its hash. Only TensorFlow can compute the hash, so the table contains the
    hashes of the training values; values not seen in training get the first of these ids.

    Attributes:
        rare: with several buckets, the out-of-vocabulary training values.
        num_oov_buckets: the number of buckets; 0 if not given in the config.
        default_value: the id of out-of-vocabulary values; None if not given in the config.
    """

    rare: tuple[str, ...] | tuple[float, ...] = field(default=(), kw_only=True)
    num_oov_buckets: int = field(default=0, kw_only=True)
    default_value: int | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "vocabulary"

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        """Uses the given values, those in a file, or those seen at least `min_count` times."""
        column, counted = cls._counted(name, settings, context)
        # A text has no settings for a given vocabulary.
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
            require_whole(name, column, rare)
        return cls._maker(settings)(
            name=name,
            column=column,
            values=tuple(kept),
            rare=rare,
            num_oov_buckets=buckets,
            default_value=default,
            unseen=unseen,
            missing=cls._missing(column, context),
        )

    @classmethod
    def _counted(
        cls, name: str, settings: Any, context: Context
    ) -> tuple[str, list[tuple[Any, int]]]:
        """Returns the column and its values with their counts, most frequent first."""
        return counted_values(name, settings, context)

    @classmethod
    def _missing(cls, column: str, context: Context) -> tuple[str, ...] | None:
        """Returns the texts that mean missing; see `Lookup`."""
        return context.missing.get(column)

    @classmethod
    def _maker(cls, settings: Any) -> Callable[..., Self]:
        """Returns the constructor, with the fields of a subclass bound."""
        return cls

    @property
    def oov_buckets(self) -> int:
        """The number of ids for out-of-vocabulary values."""
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
    """Returns the vocabulary listed in the config, or in a file with one value per line."""
    where = f"features.{feature}.values"
    given: Sequence[Any] | None = settings.values
    if given is None:
        assert settings.file, "the caller has checked"
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
    """Returns values as float32 numbers; raises MillraceError for those it cannot represent."""
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
        # Fractions are rounded, as they are in examples; a whole number may be an id.
        if not fits or (number.is_integer() and number != float(np.float32(number))):
            raise MillraceError(
                f"{where}: expected numbers that float32 can hold, found {text}.",
                note="declare the column a string in data.types to look up its text.",
            )
        values.append(float(np.float32(number)))
    return values
