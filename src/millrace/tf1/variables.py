"""The variables of an old model, and the names that canned Estimators use.

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

# Variables of optimizers and of the training loop.
LEFT_BY_TRAINING = re.compile(
    r"(^global_step|_stamp|/(are_boundaries_ready|center_bias_needed)|beta[12]_power|/part_\d+/.*|/t_\d+/.*"
    r"|/(Ftrl|Adagrad|Adam|Momentum|RMSProp|ExponentialMovingAverage)(_\d+)?)$"
)


class Variables:
    """An old model's variables, with a record of which were used.

    Attributes:
        path: the path of the old model.
        all: the variables by name, without those of optimizers and the training loop.
        graph: its GraphDef; None if not available.
        tables: the keys of its look-up tables, each in the order of the ids.
        taken: the names of the variables that `take` returned.
        missing: the names that it did not find.
        misfits: the expected and found shapes of variables that did not fit, by name.
    """

    def __init__(
        self,
        path: Path,
        values: Mapping[str, Any],
        graph: Any = None,
        tables: list[tuple[str, ...]] | None = None,
    ) -> None:
        self.path, self.graph, self.tables = path, graph, tables or []
        # bytes as objects, because NumPy would strip trailing zeros.
        self.all = {
            name: np.asarray(value, object if isinstance(value, bytes) else None)
            for name, value in sorted(values.items())
        }
        self.taken: list[str] = []
        self.missing: list[str] = []
        self.misfits: dict[str, str] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """Returns a variable, or None if there is none of this name and shape."""
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
        """The names of unused variables."""
        return [name for name in self.all if name not in self.taken]


def name_of(column: FeatureColumn, columns: Mapping[str, FeatureColumn]) -> str:
    """Returns the name of a feature's column in tf.feature_column, used in variable names."""
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
