"""Loads exported models to predict many rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from millrace.artifacts.conversion import Conversion
from millrace.artifacts.parity import Parity
from millrace.errors import MillraceError
from millrace.files import checksums, visible
from millrace.results import ConvertedFolder, Results

# The only form that is not a TF Lite model.
SAVED_MODEL = "saved_model"

Tensors = Mapping[str, np.ndarray]
Predict = Callable[[Tensors], np.ndarray]


class Exported(NamedTuple):
    """A certified form of the champion.

    Attributes:
        form: saved_model, or the precision of a TF Lite model.
        path: the SavedModel's directory, or the TF Lite file.
        files: the SHA-256 of each of its files, as in parity.json.
    """

    form: str
    path: Path
    files: dict[str, str]


def find(results: Results, form: str) -> Exported:
    """Returns an exported form of the champion of a job.

    Raises:
        MillraceError: the form was not exported, or its files are not those in parity.json.
    """
    if form == SAVED_MODEL:
        folder, kind = results.saved_model, SAVED_MODEL
        paths = visible(folder)
        exported = folder
    else:
        folder, kind = results.tflite, "tflite"
        exported = folder / f"{form}.tflite"
        paths = [exported] if exported.is_file() else []
    if not paths:
        raise _not_exported(results, form)
    found = checksums(kind, folder, paths)
    certified = Parity.load(results.parity).files
    for name, digest in found.items():
        if certified.get(name) != digest:
            raise MillraceError(
                f"{folder / name.partition('/')[2]}: expected the file that {results.parity} "
                "certifies, found another.",
                note="the model was exported again, or is damaged: run `snakemake --cores 2`.",
            )
    return Exported(form, exported, found)


def _not_exported(results: Results, form: str) -> MillraceError:
    folder = results.saved_model if form == SAVED_MODEL else results.tflite
    description = ConvertedFolder(results.tflite).description
    if form == SAVED_MODEL or not description.is_file():
        return MillraceError(
            f"{folder}: expected an exported model, found none.",
            note="run the job first, with its config: `make run CONFIG=…`.",
        )
    reason = Conversion.load(description).left_out or "it was not shipped"
    there = [path.stem for path in sorted(folder.glob("*.tflite"))] + [SAVED_MODEL]
    return MillraceError(
        f"{folder / form}.tflite: expected a TF Lite model, found none: {reason}.",
        note=f"set score.model to {' or '.join(there)}.",
    )


class Pool:
    """Copies of a model, each of which is used by one thread at a time."""

    def __init__(self, exported: Exported, copies: int) -> None:
        self._free: SimpleQueue[Predict] = SimpleQueue()
        if exported.form == SAVED_MODEL:
            copies = 1  # TensorFlow uses all cores by itself
        for _ in range(copies):
            self._free.put(_load(exported))

    def predict(self, tensors: Tensors) -> np.ndarray:
        """Returns the predictions, float32 [n] or [n, classes]; thread-safe."""
        predict = self._free.get()
        try:
            return predict(tensors)
        finally:
            self._free.put(predict)


def _load(exported: Exported) -> Predict:
    if exported.form == SAVED_MODEL:
        import tensorflow as tf  # only this form needs it

        loaded = tf.saved_model.load(str(exported.path))
        serve = loaded.signatures["serving_default"]

        def run(tensors: Tensors) -> np.ndarray:
            found = serve(**{key: tf.constant(x) for key, x in tensors.items()})
            # The signature's function does not keep the loaded model alive.
            assert loaded is not None
            predictions: np.ndarray = found["predictions"].numpy()
            return predictions

        return run
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(exported.path)).get_signature_runner("serving_default")

    def ask(tensors: Tensors) -> np.ndarray:
        predictions: np.ndarray = runner(**tensors)["predictions"]
        return predictions

    return ask
