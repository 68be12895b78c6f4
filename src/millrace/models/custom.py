"""A model of your own: a function in a Python file.

    def build(spec: EncodedSpec, task: Task) -> keras.Model

It returns any Keras model, with a `train_step` of its own or not, that maps encoded
examples to logits [n, task.outputs], or [n, members, task.outputs]. `millrace.models.inputs` has
the layers with which ours begin. A Sequential model takes one tensor, so it gets dense features.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.files import sha256
from millrace.models.inputs import DenseFeatures, encoded_inputs
from millrace.preprocessing import EncodedSpec
from millrace.tasks import Task


def pinned(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings with the checksum of the file, which `build` checks from then on."""
    return {**settings, "sha256": sha256(_source(settings["path"])[0])}


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`.

    Raises:
        MillraceError: there is no such file or function, the file is another one than that of the
            training, the function fails, or what it returns is no model that fits the task.
    """
    path, name = _source(settings["path"])
    if "sha256" in settings and sha256(path) != settings["sha256"]:
        raise MillraceError(
            f"{path}: expected the file with which the model was trained, found a changed one.",
            note="train the model again.",
        )
    model = _call(_function(path, name), settings["path"], spec, task)
    if isinstance(model, keras.Sequential):
        inputs = encoded_inputs(spec)
        model = keras.Model(inputs, model(DenseFeatures(spec, name="dense_features")(inputs)))
    _check(model, settings["path"], spec, task)
    return model


def _source(path: str) -> tuple[Path, str]:
    file, _, name = path.rpartition(":")
    if not Path(file).is_file():
        raise MillraceError(f"models: expected a Python file at {file!r}, found none.")
    return Path(file), name


def _function(path: Path, name: str) -> Callable[[EncodedSpec, Task], Any]:
    spec = importlib.util.spec_from_file_location(f"millrace_custom_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # The file may import its neighbours.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise MillraceError(_failure(f"{path}: expected a module", error)) from error
    finally:
        sys.path.remove(str(path.parent))
    function = getattr(module, name, None)
    if not callable(function):
        found = [key for key, value in vars(module).items() if callable(value)]
        raise MillraceError(f"{path}: expected a function {name!r}, found {found}.")
    return function  # type: ignore[no-any-return]


def _call(function: Callable[..., Any], path: str, spec: EncodedSpec, task: Task) -> keras.Model:
    try:
        model = function(spec, task)
    except Exception as error:
        raise MillraceError(_failure(f"{path}: expected a model", error)) from error
    if not isinstance(model, keras.Model):
        raise MillraceError(
            f"{path}: expected a function (spec, task) that returns a keras.Model, found one that "
            f"returns a {type(model).__name__}."
        )
    return model


def _check(model: keras.Model, path: str, spec: EncodedSpec, task: Task) -> None:
    """Calls the model with two examples, which also gives a subclassed model its weights."""
    examples = {
        "numbers": tf.zeros((2, len(spec.numbers))),
        "ids": tf.zeros((2, spec.ids_width), tf.int32),
    }
    try:
        logits = model({name: part for name, part in examples.items() if part.shape[1]})
    except Exception as error:
        raise MillraceError(
            _failure(f"{path}: expected a model of encoded examples", error)
        ) from error
    shape = tuple(getattr(logits, "shape", ()))
    if len(shape) not in (2, 3) or (shape[0], shape[-1]) != (2, task.outputs):
        raise MillraceError(
            f"{path}: expected logits of shape [n, {task.outputs}] or [n, members, {task.outputs}] "
            f"for a {task.kind} task, found {list(shape)} for 2 examples."
        )


def _failure(expected: str, error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{expected}, found an error: {type(error).__name__}: {line}"
