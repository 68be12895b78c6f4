"""The exported SavedModel: raw rows in, predictions out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import parse_examples


class Exportable(Protocol):
    """The part of `millrace.models.predictor.Predictor` that an export needs."""

    preprocessing: Preprocessing

    @property
    def tracked(self) -> list[Any]:
        """See `Predictor.tracked`."""
        ...

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `Predictor.predict_tensors`."""
        ...


class _Exported(tf.Module):
    """The content of the SavedModel besides its functions."""

    def __init__(self, predictor: Exportable) -> None:
        super().__init__()
        self.tracked = predictor.tracked


def export_saved_model(predictor: Exportable, path: Path) -> None:
    """Writes a SavedModel with two signatures, with reproducible bytes.

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
    # A random id, which is not needed to load the model.
    os.remove(path / "fingerprint.pb")
