"""Keras 2 models in HDF5, loaded by Keras 3."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.features.feature_columns import Raw
from millrace.features.raw_row import RawColumn
from millrace.tf1.feeds import Feed, check
from millrace.tf1.formats import reason

OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
EXPORT = (
    "HDF5 holds no code: in Keras 2, where the classes are, export the model as a SavedModel and "
    "adopt that (kind: tf1, saved_model: …)."
)


class OldKeras:
    """A Keras 2 model, which Keras 3 runs, so `run` and `call` are the same network.

    The attributes are those of `graphs.OldGraph`.
    """

    def __init__(
        self, model: str, path: Path, settings: Tf1Source, raw: Mapping[str, RawColumn]
    ) -> None:
        self.network = load(path)
        self._path = path
        self.parameters = self.network.count_params()
        self.tracked = [weight.value for weight in self.network.weights]
        mapped, missing = settings.inputs or {}, settings.missing
        self._feeds = tuple(_feed(tensor, mapped, missing) for tensor in self.network.inputs)
        check(model, self._feeds, raw)
        self.columns = tuple(dict.fromkeys(c for feed in self._feeds for c in feed.columns))
        self._compiled = tf.function(self.call, reduce_retracing=True)

    def run(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the network's output for raw columns [n].

        Raises MillraceError if it refuses a row, such as an id that its embedding lacks.
        """
        columns = {name: tf.constant(raw[name], tf.float32) for name in self.columns}
        try:
            value: np.ndarray = self._compiled(columns).numpy()
        except tf.errors.OpError as error:
            raise MillraceError(
                f"{self._path}: expected predictions, found an error in the old network: "
                f"{reason(error)}",
                note="check the names and the order under inputs.",
            ) from None
        return value

    def call(self, raw: Raw) -> tf.Tensor:
        """Returns the network's output for raw columns [n]."""
        return self.network([feed.tensor(raw) for feed in self._feeds], training=False)


def _feed(tensor: Any, mapped: Mapping[str, Any], missing: Mapping[str, Any]) -> Feed:
    columns = mapped.get(tensor.name, tensor.name)
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    fitting = {column: missing[column] for column in names if column in missing}
    return Feed(tensor.name, tf.as_dtype(tensor.dtype), names, len(tensor.shape), fitting)


def load(path: Path) -> keras.Model:
    """Loads a Keras 2 HDF5 file.

    Raises MillraceError when it is not such a file, has custom layers or functions, or Keras 3
    cannot load it.
    """
    try:
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError) as error:
        raise MillraceError(
            f"{path}: expected a Keras model in HDF5, found something else ({error}).",
            note="weights alone are not enough: in Keras 2, save with model.save('….h5').",
        ) from None
    layers = [node for node in _nodes(config) if "config" in node and "name" in node["config"]]
    custom = {
        f"{layer['class_name']} (layer {layer['config']['name']})"
        for layer in layers
        if not hasattr(keras.layers, layer["class_name"]) or layer["class_name"] == "Lambda"
        if layer["class_name"] not in ("Model", "Functional", "Sequential")
    }
    if custom:
        raise MillraceError(
            f"{path}: expected layers of Keras alone, found {', '.join(sorted(custom))}.",
            note=EXPORT,
        )
    for node in _nodes(config):
        _modernize(node)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "model.h5"
        shutil.copy(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        try:
            return keras.models.load_model(copy, compile=False)
        except (TypeError, ValueError, LookupError, RuntimeError) as error:
            cause = (str(error).splitlines() or [type(error).__name__])[-1]
            cause = cause.removeprefix("Exception encountered: ")
            raise MillraceError(
                f"{path}: expected a network that Keras 3 can load, found an error: {cause}",
                note=EXPORT,
            ) from None


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yields every object of a Keras config that has a class."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for part in value.values():
            yield from _nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from _nodes(part)


def _modernize(node: dict[str, Any]) -> None:
    """Converts a node to Keras 3: the axis of a normalization is an int, settings of training go.

    The latter are initializers, regularizers and constraints, which may be custom.
    """
    config: dict[str, Any] = node.get("config") or {}
    for key in [key for key in config if key.endswith(OF_TRAINING)]:
        del config[key]
    if node["class_name"] == "BatchNormalization" and isinstance(config["axis"], list):
        (config["axis"],) = config["axis"]
