"""A pretrained layer as a feature: a SavedModel on disk, such as a module of TF Hub.

Its weights are not trained, and its graph becomes part of the exported model. Which formats that
allows depends on its operations: those on text usually exist only in TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.features import SavedModelConfig
from millrace.errors import MillraceError
from millrace.features import graph_ops
from millrace.features.feature_columns.base import (
    Context,
    FeatureColumn,
    NumberInput,
    Raw,
)
from millrace.features.feature_columns.numeric import LARGEST_NORMALIZED
from millrace.files import sha256
from millrace.user_code import failure

CELLS_AT_A_TIME = 1024


@dataclass(frozen=True)
class SavedModel(FeatureColumn):
    """The outputs of a SavedModel for a text or a number, divided by their root mean square.

    A missing cell gives zeros. Numbers are clipped to the range of the training examples, and
    scaled outputs to ±10.

    Attributes:
        column: the raw column.
        path: the folder with saved_model.pb.
        checksum: the checksum of all its files.
        limits: the smallest and the largest training value of a number; empty for text.
        axes: the rank of the SavedModel's input: 1 for [n], 2 for [n, 1].
        scale: the root mean square of the outputs for the training cells.
        outputs: the number of outputs.
    """

    column: str
    path: str
    checksum: str
    limits: tuple[float, ...]
    axes: int
    scale: float
    outputs: int

    kind: ClassVar[str] = "saved_model"

    @classmethod
    def learn(cls, name: str, settings: SavedModelConfig, context: Context) -> Self:
        column, statistics = context.column(name, settings.column)
        limits: tuple[float, ...] = ()
        if isinstance(statistics, NumberStatistics):
            context.number(name, settings.column)
            limits = float(statistics.figures.min), float(statistics.figures.max)
            cells = np.unique(np.array(statistics.quantiles, np.float32))
        elif statistics.type == "string":
            cells = np.array([cell for cell, _ in statistics.values], object)
        else:
            raise MillraceError(
                f"features.{name}: expected a column of text or numbers, found {column!r} of type "
                f"{statistics.type}.",
                note="choose another column, or set its type under data.types.",
            )
        path, where = settings.path, f"features.{name}.path"
        checksum = checksum_of(path, where)
        graph_ops.refuse_unsafe(_graphs(path), where, settings.trust)
        axes, outputs = _try(_load(path, checksum), cells, where)
        scale = float(np.sqrt(np.mean(np.square(outputs, dtype=np.float64)))) or 1.0
        return cls(name, column, path, checksum, limits, axes, scale, outputs.shape[1])

    @property
    def tables(self) -> list[Any]:
        return [self._loaded]

    @property
    def _loaded(self) -> Any:
        where = f"features.{self.name}.path"
        if checksum_of(self.path, where) != self.checksum:
            raise MillraceError(
                f"{where}: expected the SavedModel from which the features learned, found a "
                f"changed one at {self.path}.",
                note="run preprocess again.",
            )
        return _load(self.path, self.checksum)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def inputs(self) -> tuple[NumberInput, ...]:
        return (NumberInput(self.name, "output"),) * self.outputs

    def encode_numbers(self, raw: Raw) -> tf.Tensor:
        """Returns float32 [n, outputs]."""
        x = tf.reshape(raw[self.column], [-1, 1][: self.axes])
        if self.limits:
            missing = tf.not_equal(x, x)
            x = tf.minimum(tf.maximum(x, self.limits[0]), self.limits[1])
            x = tf.where(missing, tf.constant(self.limits[0], tf.float32), x)
        else:
            missing = tf.equal(x, "")
        outputs = _caller(self._loaded)(x) * (1 / self.scale)
        outputs = tf.minimum(tf.maximum(outputs, -LARGEST_NORMALIZED), LARGEST_NORMALIZED)
        # The SavedModel may not declare the width of its outputs.
        outputs = tf.reshape(outputs, [-1, self.outputs])
        return tf.where(tf.reshape(missing, [-1, 1]), 0.0, outputs)


def checksum_of(path: str, where: str) -> str:
    """Returns the SHA-256 of a SavedModel's files and their names; `where` names the config's key.

    Raises MillraceError when there is no SavedModel.
    """
    folder = Path(path)
    if not (folder / "saved_model.pb").is_file():
        raise MillraceError(
            f"{where}: expected the folder of a SavedModel, found no {folder / 'saved_model.pb'}.",
            note="download the module, and unpack it there.",
        )
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(folder).as_posix()} {sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _graphs(path: str) -> list[Any]:
    try:
        content = (Path(path) / "saved_model.pb").read_bytes()
        return [x.graph_def for x in saved_model_pb2.SavedModel.FromString(content).meta_graphs]
    except DecodeError as error:
        raise MillraceError(
            failure(f"{path}: expected a SavedModel", error),
            note="give the directory that holds saved_model.pb.",
        ) from None


@cache
def _load(path: str, checksum: str) -> Any:
    try:
        return tf.saved_model.load(path)
    except Exception as error:
        raise MillraceError(
            failure(f"{path}: expected a SavedModel", error),
            note="give the directory that holds saved_model.pb.",
        ) from error


def _caller(loaded: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that computes the outputs: the object itself, or its serving signature."""
    if callable(loaded):
        return lambda x: tf.cast(loaded(x), tf.float32)
    for name in ("serving_default", "default"):
        if name in loaded.signatures:
            signature = loaded.signatures[name]
            (taken,) = signature.structured_input_signature[1]
            (given,) = signature.structured_outputs
            return lambda x: tf.cast(signature(**{taken: x})[given], tf.float32)
    raise ValueError(f"it can be called neither itself nor by {sorted(loaded.signatures)}")


def _try(loaded: Any, cells: np.ndarray, where: str) -> tuple[int, np.ndarray]:
    """Returns the rank of the SavedModel's input, and its outputs [n, outputs] for the cells."""
    failures: list[Exception] = []
    for axes in (1, 2):
        shape = [-1, 1][:axes]
        try:
            call = _caller(loaded)
            parts = [
                call(tf.reshape(tf.constant(cells[start : start + CELLS_AT_A_TIME]), shape)).numpy()
                for start in range(0, len(cells), CELLS_AT_A_TIME)
            ]
            outputs = np.concatenate(parts)
            if outputs.ndim != 2 or len(outputs) != len(cells) or not np.isfinite(outputs).all():
                raise ValueError(
                    f"of {len(cells)} cells it made {list(outputs.shape)}, all finite: "
                    f"{np.isfinite(outputs).all()}"
                )
        except Exception as error:
            failures.append(error)
        else:
            return axes, outputs
    expected = "expected a SavedModel that takes cells, [n] or [n, 1], and returns finite numbers"
    raise MillraceError(
        failure(f"{where}: {expected} [n, outputs]", failures[0]),
        note="the model must take a batch of values and return one row for each.",
    )
