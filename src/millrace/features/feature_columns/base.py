"""The base classes of feature columns, and their description for models."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

import tensorflow as tf

from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.errors import MillraceError

# Raw columns as tensors of shape [n]: numbers are float32 with NaN for missing, others are strings
# with "" for missing.
Raw = Mapping[str, tf.Tensor]

NUMBER_TYPES = ("int64", "float32", "float64", "bool")

# float32 represents all whole numbers below this; 2^24 + 1 becomes 2^24.
END_OF_EXACT_INTEGERS = 2**24


@dataclass(frozen=True)
class NumberInput:
    """One number of an encoded example, and how models represent it.

    Attributes:
        feature: the feature's name.
        representation: `value`; `output`, of a trained model; `missing`, 1 if the feature's value
            is missing; `weight`, used only by a weighted categorical feature; or
            `piecewise_linear` or `periodic`, an encoding whose weights are part of the model.
        edges: the rising bin edges of a value's piecewise-linear encoding.
        dimension: the width of the encoding.
        frequencies: the number of frequencies of a periodic encoding.
        sigma: the standard deviation of their initial values.
    """

    feature: str
    representation: str = "value"
    edges: tuple[float, ...] = ()
    dimension: int = 1
    frequencies: int = 0
    sigma: float = 0.0


@dataclass(frozen=True)
class CategoricalInput:
    """The ids of one categorical feature, and how models represent them.

    Attributes:
        feature: the feature's name.
        cardinality: the number of ids; the last one means missing.
        representation: `indicator` (one-hot, or the number of times in a sequence), or
            `embedding`.
        dimension: the width of the representation.
        length: the number of ids per example; more than one for a sequence, padded with the missing
            id.
        combiner: how the embeddings of several ids are combined: mean, sum or sqrtn, as in
            `tf.feature_column.embedding_column`.
        table: the name of the embedding table, the same for features that share it.
        weight: the feature whose number weighs the ids; "" if there is none.
    """

    feature: str
    cardinality: int
    representation: str
    dimension: int
    length: int = 1
    combiner: str = "mean"
    table: str = ""
    weight: str = ""


@dataclass(frozen=True)
class Context:
    """The data that a feature column learns from.

    Attributes:
        statistics: the statistics of the training examples by raw column, without label and weight.
        label: the label's column.
        learned: the feature columns that are already fitted, by name.
        weight: the column with the weights of examples, if there is one.
        missing: by raw column, the texts that mean missing in its file; no entry for columns that
            do not come from a file.
    """

    statistics: Mapping[str, ColumnStatistics]
    label: str
    learned: dict[str, FeatureColumn] = field(default_factory=dict)
    weight: str | None = None
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, feature: str, given: str | None) -> tuple[str, ColumnStatistics]:
        """Returns the raw column that a feature reads, and its statistics.

        Raises MillraceError when the column does not exist, is the label or the weight, or has
        fewer than two distinct values.
        """
        column = given or feature
        if column == self.label:
            raise MillraceError(
                f"features.{feature}: expected a feature, found the label.",
                note="remove it from features: a model must not see what it predicts.",
            )
        if column == self.weight:
            raise MillraceError(
                f"features.{feature}: expected a feature, found data.weight.",
                note="remove it from features, or remove data.weight.",
            )
        if column not in self.statistics:
            raise MillraceError(
                f"features.{feature}: expected one of the table's columns, found {column!r}.",
                note=nearest(column, self.statistics),
            )
        statistics = self.statistics[column]
        if statistics.distinct == 0:
            raise MillraceError(
                f"features.{feature}: expected values in column {column!r}, found none in the "
                "training examples.",
                note="leave the feature out.",
            )
        if statistics.distinct == 1 and statistics.missing == 0:
            raise MillraceError(
                f"features.{feature}: expected values that differ in column {column!r}, found "
                f"{statistics.values[0][0]!r} in every training example.",
                note="nothing can be learned from it: leave the feature out.",
            )
        return column, statistics

    def number(self, feature: str, given: str | None) -> tuple[str, NumberStatistics]:
        """Returns the column of numbers that a feature reads, and its statistics.

        Raises MillraceError as `column` does, or when the column has distinct integers that float32
        cannot represent, which are more often ids than quantities.
        """
        column, statistics = self.column(feature, given)
        if not isinstance(statistics, NumberStatistics):
            raise MillraceError(
                f"features.{feature}: expected a column of numbers, found {column!r} of type "
                f"{statistics.type}.",
                note="use vocabulary or hashed for text; date_part, cyclic or elapsed for dates.",
            )
        largest = largest_magnitude(statistics)
        unique = statistics.distinct == statistics.rows - statistics.missing
        if statistics.type == "int64" and largest >= END_OF_EXACT_INTEGERS and unique:
            raise MillraceError(
                f"features.{feature}: expected whole numbers below {END_OF_EXACT_INTEGERS} (2^24), "
                f"which float32 tells apart; found {largest:.0f} in column {column!r}.",
                note=f"an id? Declare data.types: {{{column}: string}} and use kind: vocabulary. "
                f"A quantity? Declare data.types: {{{column}: float32}} and accept rounding.",
            )
        return column, statistics

    def ids(self, feature: str, given: str | None) -> tuple[str, NumberStatistics]:
        """Returns the column of numbers that a feature uses as ids, and its statistics.

        Raises MillraceError as `number` does, or when the ids are too large for float32.
        """
        column, statistics = self.number(feature, given)
        largest = largest_magnitude(statistics)
        if largest >= END_OF_EXACT_INTEGERS:
            raise MillraceError(
                f"features.{feature}: expected ids below {END_OF_EXACT_INTEGERS} (2^24), from "
                f"where on float32 takes different numbers for the same; found {largest:.0f} in "
                f"column {column!r} of type {statistics.type}.",
                note=f"declare data.types: {{{column}: string}}.",
            )
        return column, statistics

    def categorical(self, where: str, name: str) -> Categorical:
        """Returns a fitted categorical feature; `where` is the config key for the message."""
        column = self.learned.get(name)
        if isinstance(column, Categorical):
            return column
        kind = f"a {column.kind} feature" if column else "which is not a feature"
        found = f"{name!r}, {kind}"
        fitting = [key for key, value in self.learned.items() if isinstance(value, Categorical)]
        raise MillraceError(
            f"{where}: expected a categorical, bucketized or crossed feature, found {found}.",
            note=f"the features that fit are {fitting}."
            if fitting
            else "declare one with kind: vocabulary or kind: bucketized.",
        )

    def key(self, where: str, name: str) -> Categorical:
        """Returns a categorical feature to cross: as `categorical`, with one id per example."""
        column = self.categorical(where, name)
        if column.length > 1:
            raise MillraceError(
                f"{where}: expected features with one id, found {name!r}, a {column.kind} feature "
                f"with {column.length}.",
                note="cross features that have one id per row.",
            )
        return column


@dataclass(frozen=True)
class FeatureColumn:
    """The base class of all kinds. Subclasses add the state that they learn.

    Attributes:
        name: the feature's name.
        kind: the name of the kind in the config.
        reads: the setting with the features that must be fitted before this one; "" for none.
        portable: whether its graph runs in TF Lite.
    """

    name: str

    kind: ClassVar[str]
    reads: ClassVar[str] = ""

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        """Fits the column to the training examples with its settings in the config."""
        raise NotImplementedError

    @property
    def portable(self) -> bool:
        return True

    @property
    def takes_cells(self) -> bool:
        """Whether text is passed verbatim, including texts that mean missing."""
        return False

    @property
    def tables(self) -> list[Any]:
        """The look-up tables and loaded models that an export must track."""
        return []

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """The raw columns that the feature reads directly."""
        return ()

    @property
    def inputs(self) -> tuple[NumberInput, ...]:
        """The columns of the result of `encode_numbers`; empty if the feature has no numbers."""
        return ()

    def encode_numbers(self, raw: Raw) -> tf.Tensor:
        """Returns float32 [n, len(inputs)]; implemented only by features with numbers."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Returns the learned state, from which `from_json` rebuilds the column."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Categorical(FeatureColumn):
    """A feature whose values become ids 0..cardinality - 1; the last id means missing."""

    @property
    def cardinality(self) -> int:
        """The number of ids."""
        raise NotImplementedError

    @property
    def length(self) -> int:
        """The number of ids per example."""
        return 1

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns int32 [n, length].

        Args:
            raw: the raw columns.
            ids: the ids of the features before this one, by name.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CategoricalOfColumn(Categorical):
    """A categorical feature of one raw column."""

    column: str

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)


def largest_magnitude(statistics: NumberStatistics) -> float:
    """Returns the largest absolute value of a column of numbers."""
    return float(max(abs(statistics.figures.min), abs(statistics.figures.max)))


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns a note with the most similar name, or all names."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the columns are {list(names)}."
