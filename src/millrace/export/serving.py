"""What is served: raw row in, prediction out, as one Keras-side predictor and one SavedModel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from millrace import models
from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import parse_examples
from millrace.files import read_json
from millrace.tf1.predictor import COPY, OldPredictor

ROWS_PER_CALL = 8192


class Predictor(tf.Module):
    """A trained model behind its feature columns.

    Attributes:
        preprocessing: the feature columns.
        model: the Keras model, from encoded examples to logits.
    """

    def __init__(self, preprocessing: Preprocessing, model: keras.Model) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.model = model
        self._call = tf.function(self.predict_tensors, reduce_retracing=True)
        self._call_encoded = tf.function(self._predict_encoded, reduce_retracing=True)

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], of raw columns [n]: the whole graph."""
        return self._predict_encoded(self.preprocessing.encode(raw))

    def _predict_encoded(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return self.preprocessing.task.predictions(self.model(inputs, training=False))

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of raw columns [n].

        Numbers are float32 with NaN for missing, other columns str with "" for missing.
        """
        columns = {
            column.name: tf.constant(raw[column.name], column.dtype)
            for column in self.preprocessing.raw
        }
        return _in_batches(self._call, columns)

    @property
    def reference(self) -> str:
        """What `predict` runs, as parity.json names it."""
        return "keras"

    @property
    def tracked(self) -> list[Any]:
        """What an export must hold, in one order: the variables, and the look-up tables."""
        tables = [table for column in self.preprocessing.columns for table in column.tables]
        return [*(weight.value for weight in self.model.weights), *tables]

    def predict_split(self, encoded_examples: Path, examples: Path, split: str) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of a split's examples in their order.

        Args:
            encoded_examples: the directory that preprocess wrote.
            examples: the directory that ingest wrote, for models that take raw rows.
            split: train, validation or test.
        """
        path = encoded_examples / f"{split}.tfrecord"
        inputs = encoded.read(path, self.preprocessing.spec).inputs
        return _in_batches(
            self._call_encoded, {name: tf.constant(part) for name, part in inputs.items()}
        )


AnyPredictor: TypeAlias = Predictor | OldPredictor


def _in_batches(call: Any, columns: dict[str, tf.Tensor]) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    parts = []
    for start in range(0, max(rows, 1), ROWS_PER_CALL):
        batch = {name: x[start : start + ROWS_PER_CALL] for name, x in columns.items()}
        parts.append(call(batch).numpy())
    return np.concatenate(parts)


def load_predictor(preprocessing: Path, training: Path) -> AnyPredictor:
    """Loads a trained model behind its feature columns.

    Args:
        preprocessing: preprocessing.json.
        training: the directory that train wrote.

    Raises:
        MillraceError: the weights are missing, damaged, or of another model.
    """
    learned = Preprocessing.load(preprocessing)
    description = read_json(training / "training.json")
    if description["settings"]["kind"] == "tf1":
        return OldPredictor(description["model"], description["settings"], training / COPY, learned)
    weights = training / "model.weights.h5"
    try:
        model = models.build(description["settings"], learned.spec, learned.task)
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise MillraceError(
            f"{weights}: expected the weights of model {description['model']!r}, found something "
            f"else ({str(error).splitlines()[0]}).",
            note="train the model again.",
        ) from None
    return Predictor(learned, model)


class _Exported(tf.Module):
    """What the SavedModel holds beside its functions."""

    def __init__(self, predictor: AnyPredictor) -> None:
        super().__init__()
        self.tracked = predictor.tracked


def export_saved_model(predictor: AnyPredictor, path: Path) -> None:
    """Writes a SavedModel with two signatures, the same bytes every time.

    `serving_default` takes the raw columns by key, each [n]: float32 with NaN for missing, or
    string with "" for missing. `serving_examples` takes `examples`, string [n], serialized
    tf.train.Example protos whose missing features are left out. Both return `predictions`.
    """
    raw = predictor.preprocessing.raw

    @tf.function(
        input_signature=[
            {
                column.key: tf.TensorSpec([None, *column.shape], column.dtype, name=column.key)
                for column in raw
            }
        ]
    )
    def serving_default(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        named = {column.name: columns[column.key] for column in raw}
        return {"predictions": predictor.predict_tensors(named)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": predictor.predict_tensors(parse_examples(examples, raw))}

    module = _Exported(predictor)
    module.serving_default, module.serving_examples = serving_default, serving_examples
    tf.saved_model.save(
        module,
        str(path),
        signatures={
            "serving_default": serving_default,
            "serving_examples": serving_examples,
        },
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    # A random id on every export; nothing needs it to load the model.
    os.remove(path / "fingerprint.pb")
