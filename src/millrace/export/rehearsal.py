"""The rehearsal: untrained models through every exported form, before hours are spent on training.

Names and types that a signature, an op or a converter cannot take are found here. All models of
Millrace's own kinds are exported as one, which takes about as long as one model; only if that fails
is each of them tried by itself, to say which one it is.
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
from millrace.export.runtimes import saved_model, tflite
from millrace.export.runtimes.cells import tensors
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import raw_columns
from millrace.models.keras_predictor import KerasPredictor
from millrace.models.predictor import Predictor
from millrace.results import BUILT_IN
from millrace.user_code import failure

ROWS = 10

# Returns the predictions of a form, [rows, outputs of all models], for rows that lie in a file.
Form = Callable[[runtimes.Request], np.ndarray]


class UntrainedModels:
    """Untrained models as one: their predictions side by side.

    Attributes:
        models: each by its name in the config.
        preprocessing: the job's.
    """

    def __init__(self, predictors: Mapping[str, Predictor], preprocessing: Preprocessing) -> None:
        self.models, self.preprocessing = predictors, preprocessing

    @property
    def tracked(self) -> list[Any]:
        """The variables and look-up tables of all, each once."""
        tracked = [x for predictor in self.models.values() for x in predictor.tracked]
        return list({id(x): x for x in tracked}.values())

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n, outputs of all models], of raw columns [n]."""
        # Only where a model reads them: look-up tables that none tracks cannot be exported.
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
        MillraceError: a model cannot be built, exported or converted as the config wants it, or a
            form says something else than Keras.
    """
    rows = certificate.read_rows(examples, job, learned.raw, np.arange(ROWS))
    names = [name for name, settings in job.models.items() if not models.is_foreign(settings)]
    if rehearsed != BUILT_IN:
        names = [rehearsed]
    untrained = {name: _untrained(job, name, learned) for name in names}
    if len(untrained) > 1:
        try:
            forms, left_out = _try(UntrainedModels(untrained, learned), rows, job)
            if not any(job.export.child(runtime) for runtime in left_out):
                return Rehearsal([Rehearsed(name, forms, left_out) for name in untrained])
        except Exception as error:  # Whatever it is, it is that of one of them.
            print(f"the models as one: {str(error).splitlines()[0]}")
    return Rehearsal([_try_alone(*model, learned, rows, job) for model in untrained.items()])


def _untrained(job: JobConfig, name: str, learned: Preprocessing) -> Predictor:
    """Returns a model as its first run trains it: of a search, the first trial."""
    first = next(x for x in runs.plan(job).values() if x.model == name and x.after is None)
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
    """Exports models; returns which forms agree with Keras, and by runtime why there is none."""
    _require_stored(untrained, rows, job)
    with tempfile.TemporaryDirectory() as folder:
        request = runtimes.Request(Path(folder) / "rows.json", Path(folder) / "signature.json")
        signature.describe("", untrained.preprocessing, None).save(request.signature)
        forms, left_out = _forms(untrained, Path(folder), job)
        for form, predict in forms.items():
            _compare(form, predict, untrained, rows.cells, request, job)
    return list(forms), left_out


def _require_stored(untrained: UntrainedModels, rows: certificate.Rows, job: JobConfig) -> None:
    """Raises MillraceError where ingest has read a cell as something else than the models do."""
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
    """Makes every exported form; returns how each predicts, and why others are left out."""
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
    """Raises MillraceError where a form's predictions are not those of Keras."""

    def differ(cells: parity.Columns) -> np.ndarray:
        runtimes.write_rows(request.rows, cells)
        expected = untrained.predict(raw_cells.as_columns(cells, untrained.preprocessing.raw))
        return parity.differences(expected, predict(request), untrained.preprocessing.task)

    found = differ(cells)
    bound = job.parity.tolerance
    if (found <= bound).all():
        return
    worst = int(found.max(axis=1).argmax())
    # The row as often as it has columns, without another of them each time.
    rows = {name: np.repeat(x[worst : worst + 1], len(cells)) for name, x in cells.items()}
    for place, name in enumerate(rows):
        rows[name][place] = None
    blamed = [name for name, x in zip(rows, differ(rows), strict=True) if (x <= bound).all()]
    raise MillraceError(
        f"{form}: expected predictions within {bound} of those of Keras, found a difference of "
        f"{found.max():.3g}. It goes where one of these columns is missing: {blamed or 'none'}.",
        note="an op computes differently there, or is fed otherwise than signature.json says.",
    )
