"""The trained variables of a canned Estimator's checkpoint, by name, and its columns' names.

The names are those of TensorFlow 1's LinearClassifier, DNNClassifier and
DNNLinearCombinedClassifier and of their regressors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.feature_columns import (
    Bucketized,
    Categorical,
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
_LEFT_BY_TRAINING = re.compile(
    r"(^global_step|_stamp|/(are_boundaries_ready|center_bias_needed)|beta[12]_power|/part_\d+/.*|/t_\d+/.*"
    r"|/(Ftrl|Adagrad|Adam|Momentum|RMSProp|ExponentialMovingAverage)(_\d+)?)$"
)


class Variables:
    """A checkpoint's variables, and which of them have been asked for.

    Attributes:
        path: the checkpoint.
        taken: the names of those that `take` returned.
        missing: the names of those that it did not find.
        misfits: of those that have another shape, what was expected and found.
    """

    def __init__(self, path: Path) -> None:
        try:
            reader = tf.train.load_checkpoint(str(path))
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise MillraceError(
                f"{path}: expected a checkpoint of TensorFlow, found something else "
                f"({str(error).splitlines()[0]}).",
                note="name it without its endings: …/model.ckpt-1000.",
            ) from None
        self.path = path
        names = [
            name
            for name in reader.get_variable_to_shape_map()
            if not _LEFT_BY_TRAINING.search(name)
        ]
        # As objects, since NumPy would cut the zeros that a text ends with.
        values = ((name, reader.get_tensor(name)) for name in sorted(names))
        self.all = {
            name: np.asarray(value, object if isinstance(value, bytes) else None)
            for name, value in values
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


def rows_of(column: Categorical) -> np.ndarray:
    """Returns which row of the old variable each of our ids has, int [cardinality], -1 for none."""
    if isinstance(column, Bucketized):
        size = column.cardinality - 1
    elif isinstance(column, Vocabulary):
        size = len(column.values) + column.num_oov_buckets
    else:
        assert isinstance(column, (Hashed, Identity, CrossedTf1))
        size = column.buckets
    rows = np.arange(column.cardinality)
    return np.where(rows < size, rows, -1)
