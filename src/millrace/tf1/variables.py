"""An old model's variables by name, and the names that canned Estimators use.

The names are those of TensorFlow 1's LinearClassifier, DNNClassifier and
DNNLinearCombinedClassifier and of their regressors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from millrace.errors import MillraceError
from millrace.features.feature_columns import (
    Bucketized,
    CrossedTf1,
    FeatureColumn,
    Hashed,
    Identity,
    Numeric,
    Vocabulary,
)

LINEAR = "linear/linear_model"
INPUT_LAYER = "dnn/input_from_feature_columns/input_layer"

# What an optimizer and the training loop leave beside the variables.
LEFT_BY_TRAINING = re.compile(
    r"(^global_step|_stamp|/(are_boundaries_ready|center_bias_needed)|beta[12]_power|/part_\d+/.*|/t_\d+/.*"
    r"|/(Ftrl|Adagrad|Adam|Momentum|RMSProp|ExponentialMovingAverage)(_\d+)?)$"
)


class Variables:
    """An old model's variables, and which of them have been asked for.

    Attributes:
        path: where the old model is.
        all: the variables by name, without what an optimizer and the training loop leave.
        graph: its GraphDef, where it is at hand.
        tables: the keys of its look-up tables, each in the order of the ids.
        taken: the names of those that `take` returned.
        missing: the names of those that it did not find.
        misfits: of those that have another shape, what was expected and found.
    """

    def __init__(
        self,
        path: Path,
        values: Mapping[str, Any],
        graph: Any = None,
        tables: list[tuple[str, ...]] | None = None,
    ) -> None:
        self.path, self.graph, self.tables = path, graph, tables or []
        # As objects, since NumPy would cut the zeros that a text ends with.
        self.all = {
            name: np.asarray(value, object if isinstance(value, bytes) else None)
            for name, value in sorted(values.items())
        }
        self.taken: list[str] = []
        self.missing: list[str] = []
        self.misfits: dict[str, str] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """Returns a variable, or None when there is none of that name and shape."""
        value = self.all.get(name)
        if value is None:
            self.missing.append(name)
            return None
        if value.shape != shape:
            self.misfits[name] = f"expected shape {[*shape]}, found {[*value.shape]}"
            return None
        if name not in self.taken:
            self.taken.append(name)
        return value

    def listed(self) -> str:
        """Returns all names with their shapes, for messages."""
        return ", ".join(f"{name} {[*x.shape]}" for name, x in self.all.items()) or "none"

    @property
    def left(self) -> list[str]:
        """The names of those that nobody took."""
        return [name for name in self.all if name not in self.taken]


def name_of(column: FeatureColumn, columns: Mapping[str, FeatureColumn]) -> str:
    """Returns what tf.feature_column calls a feature's column, by which variables are named."""
    if isinstance(column, Bucketized):
        return f"{column.column}_bucketized"
    if isinstance(column, CrossedTf1):
        texts = column.raw_columns
        keys = [key if key in texts else name_of(columns[key], columns) for key in column.keys]
        return "_X_".join(sorted(keys))
    if isinstance(column, (Numeric, Vocabulary, Hashed, Identity)):
        return column.column
    raise MillraceError(
        f"features.{column.name}: expected a kind that canned Estimators have, found "
        f"{column.kind!r}.",
        note="a crossed feature needs compat: tf1; leave out what the Estimator did not have.",
    )
