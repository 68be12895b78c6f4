"""Old models whose variables initialize a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import keras
import numpy as np

from millrace.config.features import IndicatorConfig
from millrace.config.models import ModelConfig, adopted, warm_start
from millrace.config.tf1 import AdoptConfig, WarmStartConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns import Bucketized, Categorical, FeatureColumn
from millrace.features.preprocessing import Preprocessing
from millrace.tf1 import readers
from millrace.tf1.variables import Variables, name_of
from millrace.tf1.vocabulary_rows import OldRows


@dataclass(frozen=True)
class Part:
    """A column of the network's input.

    Attributes:
        name: its name in tf.feature_column; TensorFlow 1 concatenates the columns by name.
        width: its width in the old network.
        place: its first row in the new kernel.
        rows: the old row of each of its new rows, -1 for none.
        column: the feature column of an indicator, whose ids are the rows.
    """

    name: str
    width: int
    place: int
    rows: np.ndarray
    column: Categorical | None = None


@dataclass(frozen=True)
class OldModel:
    """An old model, and how its variables map to a new one.

    Attributes:
        variables: its variables.
        rows: the mapping of their rows to ids.
        source: the settings of the old model.
        learned: the new model's preprocessing.
        strict: whether all variables must fit.
    """

    variables: Variables
    rows: OldRows
    source: AdoptConfig | WarmStartConfig
    learned: Preprocessing
    strict: bool

    @classmethod
    def open(cls, settings: ModelConfig, learned: Preprocessing) -> Self:
        """Opens the old model under `adopt` or `warm_start`.

        Raises MillraceError when it cannot be read, or its vocabularies do not fit the features.
        """
        source = adopted(settings) or warm_start(settings)
        assert source, "the settings name an old model"
        vocabularies = (source.vocabularies or {}) if isinstance(source, WarmStartConfig) else None
        variables = readers.read(source)
        rows = OldRows(variables, learned, vocabularies)
        return cls(variables, rows, source, learned, isinstance(source, AdoptConfig))

    @property
    def columns(self) -> Mapping[str, FeatureColumn]:
        """The new model's feature columns, by name."""
        return self.rows.columns

    def categorical(self, feature: str) -> Categorical:
        """Returns the column of a feature that has ids."""
        column = self.columns[feature]
        assert isinstance(column, Categorical)
        return column

    def named(self, key: Literal["columns", "deep"]) -> set[str]:
        """Returns the features in a list of an old Estimator, or all without such a list.

        An indicator adds the feature that it wraps. Raises MillraceError when one does not exist.
        """
        features = self.learned.features
        given: Sequence[str] | None = getattr(self.source, key)
        names = list(features) if given is None else given
        if unknown := sorted(set(names) - set(features)):
            raise MillraceError(
                f"{key} of {self.variables.path}: expected features of the config, found "
                f"{unknown}.",
                note="name the features as the config does.",
            )
        indicators = (features[name] for name in names)
        return {*names, *(x.of for x in indicators if isinstance(x, IndicatorConfig))}

    def head(self, weights: np.ndarray) -> np.ndarray:
        """Converts weights of the old outputs, [..., outputs], to the new ones.

        Raises MillraceError when `classes` are not the label's values.
        """
        task = self.learned.task
        if task.kind == "regression":
            # New models predict (y - mean) / std.
            return weights / np.float32(task.std)
        order = self._order_of_classes()
        if task.kind == "binary":
            return -weights if order == [1, 0] else weights
        return weights[..., order]

    @property
    def shift(self) -> np.float32:
        """The offset of the old outputs from the new ones, in units of the latter."""
        task = self.learned.task
        return np.float32(task.mean / task.std if task.kind == "regression" else 0.0)

    def _order_of_classes(self) -> list[int]:
        classes = [*map(str, self.learned.task.classes)]
        given = self.source.classes
        old = classes if given is None else [*map(str, given)]
        if sorted(old) != sorted(classes):
            raise MillraceError(
                f"classes of {self.variables.path}: expected the label's values "
                f"{list(self.learned.task.classes)}, found {list(given or ())}.",
                note="list the classes as the old model numbered them.",
            )
        return [old.index(value) for value in classes]

    def take_rows(self, name: str, columns: Sequence[Categorical], width: int) -> np.ndarray | None:
        """Returns a variable's row [width] for each id of the columns; zeros if it has none.

        Raises MillraceError when columns that share the variable have different ids.
        """
        size, rows = self.rows.of(columns[0])
        for column in columns[1:]:
            if not np.array_equal(self.rows.of(column)[1], rows):
                raise MillraceError(
                    f"{name} of {self.variables.path}: expected features with the same rows, which "
                    f"share it; found {columns[0].name!r} and {column.name!r} with others.",
                    note="give both the same warm_start.vocabularies.",
                )
        value = self.variables.take(name, (size, width))
        if value is None:
            return None
        for column in columns:
            self.rows.confirm(column)
        return spread(value, rows)


def spread(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns values[rows], [n, width], with zeros for rows of -1."""
    return np.where(rows[:, None] >= 0, values[rows], np.float32(0))


def initial(variable: Any, strict: bool) -> np.ndarray:
    """Returns the values of a weight that the old model lacks: its own, or zeros if strict."""
    values: np.ndarray = keras.ops.convert_to_numpy(variable)
    return np.zeros_like(values) if strict else values


def indicator(column: Categorical, place: int, old: OldModel) -> Part:
    """Returns a column's indicator, with its name in tf.feature_column.

    A bucketized column is its own indicator.
    """
    name = name_of(column, old.columns)
    size, rows = old.rows.of(column)
    name = name if isinstance(column, Bucketized) else f"{name}_indicator"
    return Part(name, size, place, rows, column)


def first_kernel(kernel: Any, name: str, parts: list[Part], old: OldModel) -> np.ndarray | None:
    """Returns the first layer's kernel with rows in the new model's order of the columns.

    Args:
        kernel: the kernel of the new layer.
        name: the old variable.
        parts: the columns in the old order.
        old: the old model.
    """
    rows = sum(part.width for part in parts)
    found = old.variables.take(name, (rows, kernel.shape[1]))
    if found is None:
        if name in old.variables.misfits:
            listed = ", ".join(f"{part.name} {part.width}" for part in parts)
            old.variables.misfits[name] += f"; the columns and their widths: {listed}"
        return None
    ours, begin = initial(kernel, old.strict), 0
    for part in parts:
        if part.column is not None:
            old.rows.confirm(part.column)
        rows_of_part = found[begin : begin + part.width]
        ours[part.place : part.place + len(part.rows)] = spread(rows_of_part, part.rows)
        begin += part.width
    return ours
