"""Several values in one cell, and weighted values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Cells
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import tensorflow as tf

from millrace.config.features import WeightedConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import Categorical, Context, NumberInput, Raw
from millrace.features.feature_columns.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sequence(Vocabulary):
    """A cell of delimited values, looked up in one vocabulary; values beyond max_length are cut.

    The raw column is a string tensor [n, max_length], padded with "", because only TensorFlow can
    split strings. Padding gets the missing id.
    """

    delimiter: str
    max_length: int

    kind: ClassVar[str] = "sequence"

    @classmethod
    def _counted(
        cls, name: str, settings: Any, context: Context
    ) -> tuple[str, list[tuple[Any, int]]]:
        column, statistics = context.column(name, settings.column)
        if statistics.type != "string":
            raise MillraceError(
                f"features.{name}: expected a column of text, found {column!r} of type "
                f"{statistics.type}.",
                note="set its type to string under data.types.",
            )
        cells, times = zip(*statistics.values, strict=True)
        counts = Counter[str]()
        for values, count in zip(cls._values(cells, settings), times, strict=True):
            for value in values:
                counts[value] += count
        # By falling count and then by value, like vocabularies.
        return column, sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    @classmethod
    def _values(cls, cells: Cells[str], settings: Any) -> Iterable[list[str]]:
        """Yields the values of each cell."""
        for row in split(tf.constant(cells, tf.string), settings.delimiter).to_list():
            yield [value.decode() for value in row]

    @classmethod
    def _missing(cls, column: str, context: Context) -> None:
        # A missing-value text is a whole cell, never one of its values.
        return None

    @classmethod
    def _maker(cls, settings: Any) -> Callable[..., Self]:
        return partial(cls, delimiter=settings.delimiter, max_length=settings.max_length)

    @property
    def length(self) -> int:
        return self.max_length


def split(text: tf.Tensor, delimiter: str) -> tf.RaggedTensor:
    """Splits cells, string [n], into values, [n, values]: stripped, without empty ones."""
    parts = tf.strings.strip(tf.strings.split(text, delimiter))
    return tf.ragged.boolean_mask(parts, tf.not_equal(parts, ""))


@dataclass(frozen=True)
class Weighted(Categorical):
    """A categorical feature whose ids are weighted by a column.

    As `weighted_categorical_column`; a missing weight is 1.
    """

    of: str
    of_cardinality: int
    of_length: int
    weight: str

    kind: ClassVar[str] = "weighted"
    reads: ClassVar[str] = "of"

    @classmethod
    def learn(cls, name: str, settings: WeightedConfig, context: Context) -> Self:
        of = context.categorical(f"features.{name}.of", settings.of)
        weight, _ = context.number(f"{name}.weight", settings.weight)
        return cls(name, of.name, of.cardinality, of.length, weight)

    @property
    def cardinality(self) -> int:
        return self.of_cardinality

    @property
    def length(self) -> int:
        return self.of_length

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.weight,)

    @property
    def inputs(self) -> tuple[NumberInput, ...]:
        return (NumberInput(self.name, "weight"),)

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return ids[self.of]

    def encode_numbers(self, raw: Raw) -> tf.Tensor:
        """Returns the weights, float32 [n, 1]."""
        x = tf.reshape(raw[self.weight], [-1, 1])
        return tf.where(tf.not_equal(x, x), 1.0, x)
