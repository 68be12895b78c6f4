"""Trained Keras models with their feature columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Training
from millrace.config.models import ModelConfig
from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.permuted_rows import PermutedRows
from millrace.features.preprocessing import Preprocessing
from millrace.features.tasks import Task
from millrace.models.predictor import PredictPermuted
from millrace.results import TrainingFolder

ROWS_PER_CALL = 8192


class KerasPredictor(tf.Module):
    """A Keras model with its feature columns: a `Predictor`.

    Attributes:
        preprocessing: the feature columns.
        model: the Keras model, from encoded examples to logits.
        task: the task, which converts logits to predictions.
    """

    def __init__(self, preprocessing: Preprocessing, model: keras.Model, task: Task) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.model = model
        self.task = task
        self._call = tf.function(self.predict_tensors, reduce_retracing=True)
        self._call_encoded = tf.function(self.predict_encoded, reduce_retracing=True)

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for tensors of raw columns [n, …]."""
        return self.predict_encoded(self.preprocessing.encode(raw))

    def predict_encoded(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for encoded examples."""
        return self.task.predictions(self.model(inputs, training=False))

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of raw columns [n]."""
        columns = {
            column.name: tf.constant(raw[column.name], column.dtype)
            for column in self.preprocessing.raw
        }
        return _in_batches(self._call, columns)

    @property
    def reference(self) -> str:
        """The name of the reference in parity.json."""
        return "keras"

    @property
    def tracked(self) -> list[Any]:
        """The variables and look-up tables that an export must track, in a fixed order."""
        tables = [table for column in self.preprocessing.columns for table in column.tables]
        return [*(weight.value for weight in self.model.weights), *tables]

    def predict_split(self, encoded_examples: Path, examples: Path, split: str) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of a split's examples in their order.

        Reads them from `encoded_examples`, so that the feature columns need not run again.
        """
        path = encoded_examples / f"{split}.tfrecord"
        inputs = encoded.read(path, self.preprocessing.spec).inputs
        return _in_batches(
            self._call_encoded, {name: tf.constant(part) for name, part in inputs.items()}
        )

    def permuter(self, raw: Mapping[str, np.ndarray]) -> PredictPermuted:
        """Returns a function that predicts raw rows [n] with one column permuted."""
        rows = PermutedRows(self.preprocessing, raw)
        return lambda column, order: _in_batches(self._call_encoded, rows.encode(column, order))


def _in_batches(call: Any, columns: dict[str, tf.Tensor]) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    parts = []
    for start in range(0, max(rows, 1), ROWS_PER_CALL):
        batch = {name: x[start : start + ROWS_PER_CALL] for name, x in columns.items()}
        parts.append(call(batch).numpy())
    return np.concatenate(parts)


def untrained(name: str, settings: ModelConfig, learned: Preprocessing) -> KerasPredictor:
    """Builds an untrained model; see `millrace.models.untrained`."""
    model = models.build(models.pinned(settings), learned.spec, learned.task)
    if not models.start(model, settings, learned):
        # Kernels initialized with zeros, as in `linear`, would predict the same for every row.
        rng = np.random.default_rng(0)
        for weight in model.trainable_weights:
            weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return KerasPredictor(learned, model, learned.task.of_model(settings))


def load(description: Training, training: Path, learned: Preprocessing) -> KerasPredictor:
    """Loads a trained model with its feature columns.

    Args:
        description: training.json.
        training: the directory that train wrote.
        learned: the feature columns.

    Raises:
        MillraceError: the weights are missing, damaged, or of another model.
    """
    weights = TrainingFolder(training).weights
    try:
        model = models.build(description.settings, learned.spec, learned.task)
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise MillraceError(
            f"{weights}: expected the weights of model {description.model!r}, found something "
            f"else ({str(error).splitlines()[0]}).",
            note="train the model again.",
        ) from None
    return KerasPredictor(learned, model, learned.task.of_model(description.settings))
