"""Custom models: a function in the user's Python file.

    def build(spec: EncodedSpec, task: Task) -> keras.Model

It returns a Keras model, optionally with its own `train_step`, that maps encoded examples to logits
[n, task.outputs] or [n, members, task.outputs]. `millrace.models.input_layers` has the input layers
of the built-in models. A Sequential model takes a single tensor, so it gets dense features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from millrace.config.built import PinnedCustom
from millrace.config.models import CustomConfig
from millrace.errors import MillraceError
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.input_layers import DenseFeatures, encoded_inputs
from millrace.user_code import checksum, failure, function


def pinned(settings: CustomConfig) -> PinnedCustom:
    """Returns the settings with the checksum of the file, which `build` then verifies."""
    return PinnedCustom.extending(settings, sha256=checksum(settings.path, "models"))


def build(settings: CustomConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`.

    Raises:
        MillraceError: there is no such file or function, the file has changed since training, the
            function fails, or it does not return a model that fits the task.
    """
    path = settings.path
    changed = isinstance(settings, PinnedCustom) and checksum(path, "models") != settings.sha256
    if changed:
        raise MillraceError(
            f"{path}: expected the file with which the model was trained, found a changed one.",
            note="train the model again.",
        )
    model = _call(function(path, "models"), path, spec, task)
    if isinstance(model, keras.Sequential):
        inputs = encoded_inputs(spec)
        model = keras.Model(inputs, model(DenseFeatures(spec, name="dense_features")(inputs)))
    _check(model, path, spec, task)
    return model


def _call(function: Callable[..., Any], path: str, spec: EncodedSpec, task: Task) -> keras.Model:
    try:
        model = function(spec, task)
    except Exception as error:
        raise MillraceError(
            failure(f"{path}: expected a model", error),
            note="call the function by itself to see the whole traceback.",
        ) from error
    if not isinstance(model, keras.Model):
        raise MillraceError(
            f"{path}: expected a function (spec, task) that returns a keras.Model, found one that "
            f"returns a {type(model).__name__}.",
            note="return the model itself.",
        )
    return model


def _check(model: keras.Model, path: str, spec: EncodedSpec, task: Task) -> None:
    """Calls the model with two examples, which also creates the weights of a subclassed model."""
    examples = {
        "numbers": tf.zeros((2, len(spec.numbers))),
        "ids": tf.zeros((2, spec.ids_width), tf.int32),
    }
    try:
        logits = model({name: part for name, part in examples.items() if part.shape[1]})
    except Exception as error:
        raise MillraceError(
            failure(f"{path}: expected a model of encoded examples", error),
            note="docs/models.md shows what a custom model gets and returns.",
        ) from error
    shape = tuple(getattr(logits, "shape", ()))
    if len(shape) not in (2, 3) or (shape[0], shape[-1]) != (2, task.outputs):
        raise MillraceError(
            f"{path}: expected logits of shape [n, {task.outputs}] or [n, members, {task.outputs}] "
            f"for a {task.kind} task, found {list(shape)} for 2 examples.",
            note="give the last layer that many units and no activation.",
        )
