"""The rehearsal: exports untrained models to every form, before hours are spent on training.

It finds names, types and ops that a signature or a converter does not support. All models of
Millrace's own kinds are exported as one, which takes about as long as one model; only if that fails
is each tried by itself, to find the one at fault.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import InferenceSession

from millrace import models
from millrace.artifacts.rehearsal import Rehearsal, Rehearsed
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.export import (
    certificate,
    conversion,
    parity,
    raw_cells,
    runtimes,
    serving,
    signature,
)
from millrace.export.runtimes import onnx_runtime, saved_model, tflite
from millrace.export.runtimes.cells import tensors
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import raw_columns
from millrace.models.keras_predictor import KerasPredictor
from millrace.models.predictor import Predictor
from millrace.results import BUILT_IN
from millrace.user_code import failure

ROWS = 10

# Returns the predictions of a form, [rows, outputs of all models], for the rows of a request.
Form = Callable[[runtimes.Request], np.ndarray]


class UntrainedModels:
    """Untrained models as one model with concatenated predictions.

    Attributes:
        models: the models by their names in the config.
        preprocessing: the feature columns of the job.
    """

    def __init__(self, predictors: Mapping[str, Predictor], preprocessing: Preprocessing) -> None:
        self.models, self.preprocessing = predictors, preprocessing

    @property
    def tracked(self) -> list[Any]:
        """The distinct variables and look-up tables of all models."""
        tracked = [x for predictor in self.models.values() for x in predictor.tracked]
        return list({id(x): x for x in tracked}.values())

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n, outputs of all models], for raw columns [n]."""
        # Only if a model reads them: look-up tables that no model tracks cannot be exported.
        reads_encoded = any(isinstance(x, KerasPredictor) for x in self.models.values())
        encoded = self.preprocessing.encode(raw) if reads_encoded else {}
        outputs = [
            predictor.predict_encoded(encoded)
            if isinstance(predictor, KerasPredictor)
            else predictor.predict_tensors(raw)
            for predictor in self.models.values()
        ]
        return tf.concat([x if x.shape.rank == 2 else x[:, None] for x in outputs], axis=1)

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n, outputs of all models], of raw columns [n, …]."""
        columns = self.preprocessing.raw
        fed = {column.name: tf.constant(raw[column.name], column.dtype) for column in columns}
        predictions: np.ndarray = self.predict_tensors(fed).numpy()
        return predictions


def rehearse(job: JobConfig, rehearsed: str, learned: Preprocessing, examples: Path) -> Rehearsal:
    """Exports untrained models of a job and compares each form with Keras on ten raw rows.

    Args:
        job: the completed config.
        rehearsed: a foreign model, or BUILT_IN for all others.
        learned: the feature columns.
        examples: the directory that gather wrote.

    Raises:
        MillraceError: a model cannot be built, exported or converted as configured, or the
            predictions of a form differ from Keras.
    """
    rows = certificate.read_rows(examples, job, learned.raw, np.arange(ROWS))
    # Those of an ensemble across models are rehearsed as themselves.
    names = [x for x in runs.possible_members(job) if not models.is_foreign(job.models[x])]
    if rehearsed != BUILT_IN:
        names = [rehearsed]
    untrained = {name: _untrained(job, name, learned) for name in names}
    if len(untrained) > 1:
        try:
            forms, left_out = _try(UntrainedModels(untrained, learned), rows, job)
            if not any(job.export.child(runtime) for runtime in left_out):
                return Rehearsal([Rehearsed(name, forms, left_out) for name in untrained])
        except Exception as error:  # trying each model alone finds the one at fault
            print(f"the models as one: {str(error).splitlines()[0]}")
    return Rehearsal([_try_alone(*model, learned, rows, job) for model in untrained.items()])


def _untrained(job: JobConfig, name: str, learned: Preprocessing) -> Predictor:
    """Returns a model with the settings of its first run, which may be a trial of a search."""
    own = (run for run in runs.plan(job).values() if run.model == name)
    first = next(run for run in own if not (run.after or run.members))
    return models.untrained(name, runs.settle(job, first, Path()).settings, learned)


def _try_alone(
    name: str, model: Predictor, learned: Preprocessing, rows: certificate.Rows, job: JobConfig
) -> Rehearsed:
    try:
        forms, left_out = _try(UntrainedModels({name: model}, learned), rows, job)
    except conversion.LackingOps as error:
        raise MillraceError(f"models.{name}: {error.fault}", note=error.note) from None
    except MillraceError as error:
        raise MillraceError(f"models.{name}: {error}") from None
    except Exception as error:
        if job.models[name].kind != "custom":
            raise
        raise MillraceError(
            failure(f"models.{name}: expected a model that can be exported", error),
            note="tf.saved_model.save must be able to trace its call, with any number of rows.",
        ) from error
    return Rehearsed(name, forms, left_out)


def _try(
    untrained: UntrainedModels, rows: certificate.Rows, job: JobConfig
) -> tuple[list[str], dict[str, str]]:
    """Exports models; returns the forms that agree with Keras, and why runtimes have none."""
    _require_stored(untrained, rows, job)
    with tempfile.TemporaryDirectory() as folder:
        request = runtimes.Request(Path(folder) / "rows.json", Path(folder) / "signature.json")
        signature.describe("", untrained.preprocessing, None).save(request.signature)
        forms, left_out = _forms(untrained, Path(folder), job)
        for form, predict in forms.items():
            _compare(form, predict, untrained, rows.cells, request, job)
    return list(forms), left_out


def _require_stored(untrained: UntrainedModels, rows: certificate.Rows, job: JobConfig) -> None:
    """Raises MillraceError if ingest and the models read a cell differently."""
    columns, task = untrained.preprocessing.raw, untrained.preprocessing.task
    found = parity.differences(
        untrained.predict(raw_cells.as_columns(rows.cells, columns)),
        untrained.predict(raw_columns(pd.DataFrame(rows.stored), columns)),
        task,
    ).max(axis=1)
    worst = int(found.argmax())
    if not found[worst] <= job.parity.tolerance:
        certificate.refuse_stored(worst, float(found[worst]), job.parity.tolerance, rows, columns)


def _forms(
    untrained: UntrainedModels, folder: Path, job: JobConfig
) -> tuple[dict[str, Form], dict[str, str]]:
    """Exports every form; returns their prediction functions, and why others are left out."""
    exported, full, tfjs = folder / "saved_model", folder / "float32.tflite", folder / "tfjs"
    serving.export_saved_model(untrained, exported)
    signatures = tf.saved_model.load(str(exported)).signatures
    forms: dict[str, Form] = {
        f"saved_model {function}": partial(_ask, partial(saved_model.predict, signatures, function))
        for function in ("serving_default", "serving_examples")
    }
    left_out: dict[str, str | None] = {}
    convert = partial(conversion.convert_tflite, exported)
    model, left_out["tflite"] = conversion.attempt("tflite", job.export.tflite, convert)
    if model is not None:
        full.write_bytes(model)
        forms["tflite float32"] = partial(_ask, partial(tflite.predict, Interpreter(str(full))))
    tfjs.mkdir()
    to_tfjs = partial(conversion.convert_tfjs, exported, tfjs)
    _, left_out["tfjs"] = conversion.attempt("tfjs", job.export.tfjs, to_tfjs)
    if left_out["tfjs"] is None:
        for backend in ("cpu", "wasm"):
            forms[f"tfjs {backend}"] = partial(runtimes.run_tfjs, tfjs, backend)
    to_onnx = partial(conversion.convert_onnx, exported, {})
    onnx, left_out["onnx"] = conversion.attempt("onnx", job.export.onnx, to_onnx)
    if onnx is not None:
        forms["onnx python"] = partial(_ask, partial(onnx_runtime.predict, InferenceSession(onnx)))
    return forms, {runtime: reason for runtime, reason in left_out.items() if reason}


def _ask(predict: Callable[..., np.ndarray], request: runtimes.Request) -> np.ndarray:
    """Returns the predictions of a client that runs in this process."""
    rows, described = (json.loads(path.read_text(encoding="utf-8")) for path in request)
    inputs = described["inputs"]
    return predict(tensors(rows, inputs), inputs)


def _compare(
    form: str,
    predict: Form,
    untrained: UntrainedModels,
    cells: parity.Columns,
    request: runtimes.Request,
    job: JobConfig,
) -> None:
    """Raises MillraceError if a form's predictions differ from Keras."""

    def differ(cells: parity.Columns) -> np.ndarray:
        runtimes.write_rows(request.rows, cells)
        expected = untrained.predict(raw_cells.as_columns(cells, untrained.preprocessing.raw))
        return parity.differences(expected, predict(request), untrained.preprocessing.task)

    found = differ(cells)
    bound = job.parity.tolerance
    if (found <= bound).all():
        return
    worst = int(found.max(axis=1).argmax())
    # Copies of the row, each with a different column missing.
    rows = {name: np.repeat(x[worst : worst + 1], len(cells)) for name, x in cells.items()}
    for place, name in enumerate(rows):
        rows[name][place] = None
    blamed = [name for name, x in zip(rows, differ(rows), strict=True) if (x <= bound).all()]
    raise MillraceError(
        f"{form}: expected predictions within {bound} of those of Keras, found a difference of "
        f"{found.max():.3g}. It goes where one of these columns is missing: {blamed or 'none'}.",
        note="an op computes differently there, or is fed otherwise than signature.json says.",
    )
