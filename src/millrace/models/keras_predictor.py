"""Trained Keras models with their feature columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Training
from millrace.config.built import Ensemble
from millrace.config.models import ModelConfig
from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.permuted_rows import PermutedRows
from millrace.features.preprocessing import Preprocessing
from millrace.features.tasks import Task
from millrace.models.predictor import PredictPermuted
from millrace.results import TrainingFolder

ROWS_PER_CALL = 8192


class Head(NamedTuple):
    """What logits mean.

    Attributes:
        task: how they become predictions.
        weight: how much these predictions count in the mean.
    """

    task: Task
    weight: float = 1.0


def heads_of(settings: ModelConfig, task: Task, temperature: float = 1.0) -> list[Head]:
    """Returns the head of a model, or of an ensemble those of its members.

    Args:
        settings: those from which the model is built.
        task: the job's.
        temperature: see `Task`; of an ensemble, beside those of its members.
    """
    if not isinstance(settings, Ensemble):
        return [Head(replace(task.of_model(settings), temperature=temperature))]
    members = zip(settings.members, settings.weights, settings.temperatures, strict=True)
    return [
        head._replace(weight=weight)
        for member, weight, own in members
        for head in heads_of(member, task, own * temperature)
    ]


class KerasPredictor(tf.Module):
    """A Keras model with its feature columns: a `Predictor`.

    Attributes:
        preprocessing: the feature columns.
        model: the Keras model, from encoded examples to logits; for an ensemble, to a list of them.
        heads: how the logits become predictions, one head for each.
    """

    def __init__(
        self, preprocessing: Preprocessing, model: keras.Model, heads: Sequence[Head]
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.model = model
        self.heads = heads
        self._call = tf.function(self.predict_tensors, reduce_retracing=True)
        self._call_encoded = tf.function(self.predict_encoded, reduce_retracing=True)

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for tensors of raw columns [n, …]."""
        return self.predict_encoded(self.preprocessing.encode(raw))

    def predict_encoded(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for encoded examples."""
        return mean_prediction(self.heads, self.logits(inputs))

    def logits(self, inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """Returns the logits for each head, for encoded examples."""
        found = self.model(inputs, training=False)
        return list(found) if isinstance(found, list | tuple) else [found]

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of raw columns [n]."""
        columns = {
            column.name: tf.constant(raw[column.name], column.dtype)
            for column in self.preprocessing.raw
        }
        predictions: np.ndarray = _in_batches(self._call, columns)
        return predictions

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
        return self.predict_examples(encoded.read(path, self.preprocessing.spec).inputs)

    def predict_examples(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of the inputs of encoded examples."""
        columns = {name: tf.constant(part) for name, part in inputs.items()}
        predictions: np.ndarray = _in_batches(self._call_encoded, columns)
        return predictions

    def logits_of_examples(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Returns the logits for each head, float32 [n, …], of the inputs of encoded examples."""
        columns = {name: tf.constant(part) for name, part in inputs.items()}
        logits: list[np.ndarray] = _in_batches(
            tf.function(self.logits, reduce_retracing=True), columns
        )
        return logits

    def permuter(self, raw: Mapping[str, np.ndarray]) -> PredictPermuted:
        """Returns a function that predicts raw rows [n] with one column permuted."""
        rows = PermutedRows(self.preprocessing, raw)
        return lambda column, order: _in_batches(self._call_encoded, rows.encode(column, order))


def mean_prediction(heads: Sequence[Head], logits: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the weighted mean of the heads' predictions, float32 [n] or [n, classes]."""
    found = [head.task.predictions(x) for head, x in zip(heads, logits, strict=True)]
    if len(found) == 1:
        return found[0]
    return tf.add_n([head.weight * x for head, x in zip(heads, found, strict=True)])


def _in_batches(call: Any, columns: dict[str, tf.Tensor]) -> Any:
    """Returns what a call says of columns [n], joined from batches: arrays for its tensors."""
    rows = len(next(iter(columns.values())))
    parts = []
    for start in range(0, max(rows, 1), ROWS_PER_CALL):
        batch = {name: x[start : start + ROWS_PER_CALL] for name, x in columns.items()}
        parts.append(tf.nest.map_structure(lambda x: x.numpy(), call(batch)))
    return tf.nest.map_structure(lambda *x: np.concatenate(x), *parts)


def untrained(name: str, settings: ModelConfig, learned: Preprocessing) -> KerasPredictor:
    """Builds an untrained model; see `millrace.models.untrained`."""
    model = models.build(models.pinned(settings), learned.spec, learned.task)
    if not models.start(model, settings, learned):
        # Kernels initialized with zeros, as in `linear`, would predict the same for every row.
        rng = np.random.default_rng(0)
        for weight in model.trainable_weights:
            weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return KerasPredictor(learned, model, heads_of(settings, learned.task))


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
    temperature = description.calibration.temperature if description.calibration else 1.0
    heads = heads_of(description.settings, learned.task, temperature)
    return KerasPredictor(learned, model, heads)
