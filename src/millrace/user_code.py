"""User code: functions in Python files, named `path.py:function` in the config."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from millrace.errors import MillraceError
from millrace.files import sha256


def checksum(reference: str, key: str) -> str:
    """Returns the SHA-256 of the file that `reference` names; `key` is its key in the config."""
    return sha256(_file(reference, key))


def function(reference: str, key: str) -> Callable[..., Any]:
    """Returns the function that `reference` names.

    Raises:
        MillraceError: there is no such file or function, or importing the file fails.
    """
    path, name = _file(reference, key), reference.rpartition(":")[2]
    spec = importlib.util.spec_from_file_location(f"millrace_user_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # The file may import modules in its folder.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise MillraceError(
            failure(f"{path}: expected a module", error),
            note="run the file by itself with python to see the whole traceback.",
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    found = getattr(module, name, None)
    if not callable(found):
        names = [name for name, value in vars(module).items() if callable(value)]
        raise MillraceError(
            f"{path}: expected a function {name!r}, found {names}.",
            note="define the function in that file, or change the name in the config.",
        )
    return found  # type: ignore[no-any-return]


def callbacks(reference: str) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that the function named in `training.callbacks` returns.

    Raises:
        MillraceError: the function fails, or returns something other than Keras callbacks.
    """
    make = function(reference, "training.callbacks")
    try:
        made = list(make())
    except Exception as error:
        raise MillraceError(
            failure(f"{reference}: expected callbacks", error),
            note="call the function by itself to see the whole traceback.",
        ) from error
    for callback in made:
        if not isinstance(callback, keras.callbacks.Callback):
            raise MillraceError(
                f"{reference}: expected Keras callbacks, found {callback!r}.",
                note="return a list of keras.callbacks.Callback.",
            )
    return made


def _file(reference: str, key: str) -> Path:
    path = Path(reference.rpartition(":")[0])
    if not path.is_file():
        raise MillraceError(
            f"{key}: expected a Python file at {str(path)!r}, found none.",
            note="check the path: it is relative to where snakemake runs.",
        )
    return path


def failure(expected: str, error: Exception) -> str:
    """Returns a message with the class and first line of an error in the user's code."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{expected}, found an error: {type(error).__name__}: {line}"
