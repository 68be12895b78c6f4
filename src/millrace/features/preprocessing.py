"""Preprocessing: one graph of all feature columns that encodes raw rows.

In a notebook (millrace.features.dataframe.fit makes one without a job):

    preprocessing = Preprocessing.load(Path("results/flights/preprocessing.json"))
    encoded = preprocessing.transform(table)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from millrace.artifacts.records import MAKE_AGAIN, Artifact
from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import ColumnStatistics, Statistics
from millrace.config.features import Feature
from millrace.errors import MillraceError
from millrace.features.auto import propose
from millrace.features.feature_columns import (
    Categorical,
    CategoricalInput,
    Context,
    FeatureColumn,
    NumberInput,
    Raw,
    Sequence,
    categorical_inputs,
    from_json,
    kind_of,
    number_inputs,
)
from millrace.features.feature_columns.base import nearest
from millrace.features.raw_row import RawColumn, name_columns, raw_columns
from millrace.features.tasks import Task

# The smallest normal float32.
SMALLEST_NORMAL = 2.0**-126


@dataclass(frozen=True)
class EncodedSpec:
    """The layout of an encoded example.

    Attributes:
        numbers: the columns of the float32 `numbers`.
        ids: the categorical features; each takes `length` columns of the int32 `ids`.
    """

    numbers: tuple[NumberInput, ...]
    ids: tuple[CategoricalInput, ...]

    @property
    def ids_width(self) -> int:
        """The number of columns of `ids`."""
        return sum(entry.length for entry in self.ids)


@dataclass(frozen=True)
class Preprocessing:
    """The fitted feature columns of a job, which encode raw rows.

    Attributes:
        raw: the raw columns that the feature columns read, in the order of the table.
        columns: the feature columns; a cross comes after its keys.
        spec: the layout of the result of `encode`.
        label_column: the raw column with the label.
        task: the task.
        features: the features' settings, as given in the config or proposed.
        left_out: raw columns that no feature reads, with the reason.
    """

    raw: tuple[RawColumn, ...]
    columns: tuple[FeatureColumn, ...]
    spec: EncodedSpec
    label_column: RawColumn
    task: Task
    features: Mapping[str, Feature]
    left_out: Mapping[str, str]

    def encode(self, raw: Raw) -> dict[str, tf.Tensor]:
        """Runs the feature columns.

        Args:
            raw: for each raw column a tensor or array [n, …] of the column's shape: float32 with
                NaN for missing, or string with "" for missing.

        Returns:
            `numbers`, float32 [n, len(spec.numbers)], and `ids`, int32 [n, spec.ids_width]; a part
            of width 0 is left out, because TF Lite has no empty tensors.
        """
        numbers, ids = self.encode_columns(self.columns, self.tensors(raw), {})
        encoded = {}
        if numbers:
            encoded["numbers"] = tf.concat([*numbers.values()], axis=1)
        if self.spec.ids:
            encoded["ids"] = tf.concat([ids[entry.feature] for entry in self.spec.ids], axis=1)
        return encoded

    def tensors(self, raw: Raw) -> dict[str, tf.Tensor]:
        """Returns the raw columns that the feature columns read, as tensors [n, …] by name."""
        return {column.name: _as_tensor(raw[column.name], column) for column in self.raw}

    def encode_columns(
        self, columns: Iterable[FeatureColumn], raw: Raw, ids: Mapping[str, tf.Tensor]
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Runs some of the feature columns.

        Args:
            columns: the feature columns to run; one that reads others comes after them.
            raw: the result of `tensors`.
            ids: the ids of feature columns that ran before, by name.

        Returns:
            The numbers, float32 [n, …], and the ids, int32 [n, length], by feature; the latter
            include `ids`.
        """
        numbers: dict[str, tf.Tensor] = {}
        ids = dict(ids)
        for column in columns:
            if isinstance(column, Categorical):
                ids[column.name] = column.encode(raw, ids)
            if column.inputs:
                numbers[column.name] = column.encode_numbers(raw)
        return numbers, ids

    def transform(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Encodes the rows of a table; as `encode`, but returns arrays.

        Raises MillraceError when the table lacks a column, or a column has another type.
        """
        for column in self.raw:
            if column.name not in table:
                raise MillraceError(
                    f"table: expected the column {column.name!r}, found none.",
                    note=nearest(column.name, map(str, table.columns)),
                )
        try:
            raw = raw_columns(table, self.raw)
        except (ValueError, TypeError) as error:
            types = {column.name: column.type for column in self.raw}
            raise MillraceError(
                f"table: expected columns of types {types}, found others ({error}).",
                note="give the columns the types that signature.json lists.",
            ) from None
        return {name: part.numpy() for name, part in self.encode(raw).items()}

    def save(self, path: Path) -> None:
        """Writes preprocessing.json, from which `load` restores an equal object."""
        Learned(
            list(self.raw),
            [column.to_json() for column in self.columns],
            self.spec,
            self.label_column,
            self.task,
            dict(self.features),
            dict(self.left_out),
        ).save(path)

    @classmethod
    def load(cls, path: Path) -> Preprocessing:
        """Reads preprocessing.json; raises MillraceError if it is missing or not such a file."""
        learned = Learned.load(path)
        try:
            columns = tuple(from_json(column) for column in learned.columns)
        except (KeyError, TypeError) as error:
            raise MillraceError(
                f"{path}: columns: expected what feature columns learned, found something else "
                f"({error}).",
                note=f"{MAKE_AGAIN}.",
            ) from None
        return cls(
            tuple(learned.raw),
            columns,
            learned.spec,
            learned.label_column,
            learned.task,
            learned.features,
            learned.left_out,
        )


@dataclass(frozen=True)
class Learned(Artifact):
    """preprocessing.json

    The attributes are those of `Preprocessing`; `columns` are results of `FeatureColumn.to_json`.
    """

    raw: list[RawColumn]
    columns: list[Any]
    spec: EncodedSpec
    label_column: RawColumn
    task: Task
    features: dict[str, Feature]
    left_out: dict[str, str]


def _as_tensor(values: Any, column: RawColumn) -> tf.Tensor:
    x = tf.convert_to_tensor(values, column.dtype)
    if column.dtype == tf.string:
        return x
    # TensorFlow flushes subnormal numbers to zero. TF Lite and TF.js do not, and get other ids.
    x = tf.where(tf.less(tf.abs(x), SMALLEST_NORMAL), 0.0, x)
    for number in column.missing_numbers:
        x = tf.where(tf.equal(x, number), float("nan"), x)
    return x


def learn(
    features: Literal["auto"] | Mapping[str, Feature],
    schema: Schema,
    statistics: Statistics,
) -> Preprocessing:
    """Fits all feature columns to the statistics of the training examples.

    Args:
        features: `features` of a config.
        schema: schema.json.
        statistics: statistics.json.

    Raises:
        MillraceError: a feature names a column or feature that does not exist, its kind does not
            fit the column, or `auto` finds no usable column.
    """
    train = statistics.train
    label, weight = schema.label, schema.weight
    available = {
        name: column for name, column in train.columns.items() if name not in (label, weight)
    }
    left_out: dict[str, str] = {}
    if features == "auto":
        features, left_out = _proposed(available, schema, train.rows)
    missing = {
        column.name: tuple(column.missing_values)
        for column in schema.columns
        if column.missing_values is not None
    }
    context = Context(available, label, weight=weight, missing=missing)
    # A cross is fitted after its keys, whatever the order in the config.
    for name in sorted(features, key=partial(_depth, features=features)):
        if kind := kind_of(features[name]):
            context.learned[name] = kind.learn(name, features[name], context)

    described = {x.name: x for x in schema.columns}
    columns = tuple(context.learned.values())
    used = {name for column in columns for name in column.raw_columns}
    types = schema.types
    unnamed = {name: "no feature names it" for name in available if name not in used}
    return Preprocessing(
        raw=tuple(
            _in_format_of(described[column.name], column)
            for column in name_columns(
                {name: type_ for name, type_ in types.items() if name in used},
                _sequences(columns),
                missing,
                used.difference(*(x.raw_columns for x in columns if not x.takes_cells)),
            )
        ),
        columns=columns,
        spec=EncodedSpec(number_inputs(context), categorical_inputs(features, context)),
        label_column=name_columns({label: types[label]})[0],
        task=Task.from_statistics(statistics),
        features=features,
        left_out=unnamed | left_out,
    )


def _in_format_of(described: SchemaColumn, column: RawColumn) -> RawColumn:
    """Returns a raw column whose numbers and times are written as schema.json says."""
    return replace(
        column,
        decimal=described.decimal,
        thousands=described.thousands,
        format=described.format,
    )


def _proposed(
    available: Mapping[str, ColumnStatistics], schema: Schema, rows: int
) -> tuple[dict[str, Feature], dict[str, str]]:
    """Returns the features of `auto`, and the columns that it leaves out with the reasons.

    Raises MillraceError when it finds no usable column.
    """
    roles = {x.name: x.role for x in schema.columns if x.role and x.name in available}
    features, left_out = propose(available, rows, roles)
    if not features:
        reasons = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
        raise MillraceError(
            f"features: expected at least one column that models can use, found none ({reasons}).",
            note="declare features in the config, where you know better.",
        )
    return features, left_out


def _depth(name: str, features: Mapping[str, Feature], above: tuple[str, ...] = ()) -> int:
    """Returns the length of the chain of features below one; 0 if it only reads raw columns."""
    kind = kind_of(features[name]) if name in features and name not in above else None
    if kind is None or not kind.reads:
        return 0
    read = getattr(features[name], kind.reads)
    below = [read] if isinstance(read, str) else read
    return 1 + max(_depth(of, features, (*above, name)) for of in below)


def _sequences(columns: tuple[FeatureColumn, ...]) -> dict[str, tuple[int, str]]:
    """Returns the maximum length and the delimiter of each raw column with a sequence.

    Raises MillraceError when two features read such a column in different ways.
    """
    sequences = {x.column: (x.max_length, x.delimiter) for x in columns if isinstance(x, Sequence)}
    for column in columns:
        for name in set(column.raw_columns) & set(sequences):
            alike = isinstance(column, Sequence) and sequences[name] == (
                column.max_length,
                column.delimiter,
            )
            if not alike:
                raise MillraceError(
                    f"features.{column.name}: expected every feature of column {name!r} to be a "
                    f"sequence of the same max_length and delimiter, found another.",
                    note="a model takes the column either as one cell or as its values.",
                )
    return sequences
