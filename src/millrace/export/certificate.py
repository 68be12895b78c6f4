"""The parity certificate: compares every exported model with the reference on the same raw rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd

from millrace import models
from millrace.artifacts.conversion import Conversion, Converted
from millrace.artifacts.parity import NotReached, Parity, RuntimeParity
from millrace.artifacts.signature import Signature
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.export import parity, raw_cells, runtimes
from millrace.features.raw_row import RawColumn, draw_rows, raw_columns, read_cells
from millrace.files import checksums, visible
from millrace.models.predictor import Predictor
from millrace.results import ConvertedFolder
from millrace.tfrecord import framing
from millrace.tfrecord.examples import shard_paths


class Exported(NamedTuple):
    """The paths of the exported forms of a model."""

    signature: Path
    saved_model: Path
    tflite: Path
    tfjs: Path
    onnx: Path


class Rows(NamedTuple):
    """Test rows, as cells [n] by column.

    Attributes:
        cells: the cells of the raw files, for rows that were read again.
        stored: the cells as ingest stored them.
        places: the position of each row in the raw files; None if it was not read again.
    """

    cells: parity.Columns
    stored: parity.Columns
    places: list[raw_cells.Place | None]

    @property
    def total(self) -> int:
        """The number of rows."""
        return len(self.places)

    def name(self, row: int) -> str:
        """Describes a row without its cells, which may be personal data."""
        place = self.places[row] if row < self.total else None
        if row >= self.total:
            return "a synthetic row"
        return f"row {place.row} of {place.file}" if place else "a row of the test split"

    def read_otherwise(self, row: int, columns: tuple[RawColumn, ...]) -> list[str]:
        """Returns the columns whose cell in the raw file is not what ingest stored."""
        cells, stored = (
            {name: x[row : row + 1] for name, x in table.items()}
            for table in (self.cells, self.stored)
        )
        one = raw_cells.as_columns(cells, columns)
        other = raw_columns(pd.DataFrame(stored), columns)
        return [
            column.name
            for column in columns
            if not _are_alike(one[column.name], other[column.name], column)
        ]


def _are_alike(one: np.ndarray, other: np.ndarray, column: RawColumn) -> bool:
    if column.is_number:
        return np.array_equal(one, other, equal_nan=True)
    missing = {"", *column.markers}
    pairs = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
    return all(a == b or {a, b} <= missing for a, b in pairs)


def read_rows(
    examples: Path,
    job: JobConfig,
    columns: tuple[RawColumn, ...],
    wanted: np.ndarray | None = None,
) -> Rows:
    """Reads test rows, and their cells again from the raw files.

    Args:
        examples: the directory that gather wrote.
        job: the completed config.
        columns: the raw columns that the model takes.
        wanted: the indices of the examples to read, sorted, int64; those beyond the split are
            ignored. None to draw `parity.rows` examples.
    """
    shards = shard_paths(examples, "test")
    total = framing.count(shards)
    drawn = draw_rows(total, job.parity.rows, job.seed)
    if wanted is not None:
        drawn = wanted[wanted < total]
    stored = read_cells(shards, columns, drawn)
    cells, places = raw_cells.replace_cells(stored, drawn, total, examples, job.data, columns)
    return Rows(_by_column(cells, columns), _by_column(stored, columns), places)


def _by_column(table: pd.DataFrame, columns: tuple[RawColumn, ...]) -> parity.Columns:
    return {column.name: raw_cells.as_cells(table[column.name]) for column in columns}


def certify(
    model: str, predictor: Predictor, rows: Rows, exported: Exported, job: JobConfig
) -> Parity:
    """Returns the content of parity.json.

    Args:
        model: the champion's name.
        predictor: the champion, which is the reference.
        rows: real rows of the test split.
        exported: the exported forms.
        job: the completed config.

    Raises:
        MillraceError: the predictions of a form differ.
    """
    columns, files = predictor.preprocessing.raw, _checksums(exported)
    threshold = Signature.load(exported.signature).threshold

    def predict(cells: parity.Columns) -> np.ndarray:
        return predictor.predict(raw_cells.as_columns(cells, columns))

    made = parity.synthetic_rows(rows.cells, columns)
    cells = parity.join(rows.cells, parity.answered(made, predict))
    reference = predict(cells)
    task = predictor.preprocessing.task
    results = []
    for target, predictions in _predictions(exported, job, cells):
        judged = parity.judge(target, predictions, reference, cells, rows.total, task, threshold)
        _tell(judged)
        results.append(judged)
    unseen, stored, proofs = _judge_stored(model, predictor, rows, reference, threshold, job)
    for judged in (stored, *proofs):
        _tell(judged)
    results += proofs
    _require_passed(results, rows)
    if not stored.passed:
        refuse_stored(stored.worst_row.index, stored.difference, stored.bound, rows, columns)
    synthetic_rows = len(reference) - rows.total
    not_reached, not_shipped = _left_out(exported)
    return Parity(
        passed=True,
        reference=predictor.reference,
        model=model,
        rows=len(reference),
        real_rows=rows.total,
        raw_file_rows=sum(place is not None for place in rows.places),
        helped_cells=_helped(rows.cells, columns),
        synthetic_rows=synthetic_rows,
        refused_rows=len(next(iter(made.values()))) - synthetic_rows,
        rows_with_unseen_text=unseen,
        tolerance=job.parity.tolerance,
        runtimes=results,
        stored_rows=stored,
        not_reached=not_reached,
        not_shipped=not_shipped,
        files=files,
    )


def _judge_stored(
    model: str,
    predictor: Predictor,
    rows: Rows,
    reference: np.ndarray,
    threshold: float | None,
    job: JobConfig,
) -> tuple[int | None, RuntimeParity, list[RuntimeParity]]:
    """Compares predictions for the raw file's rows with those for the rows as ingest stored them.

    A champion that reproduces an old model is also compared with that model.

    Returns:
        The number of rows with a text on which an old model may differ, see `models.prove`; the
        comparison of the stored rows; and the comparisons with an old model.
    """
    real, learned = reference[: rows.total], predictor.preprocessing
    stored = raw_columns(pd.DataFrame(rows.stored), learned.raw)
    judged = parity.judge(
        _stored_target(job),
        predictor.predict(stored),
        real,
        rows.cells,
        rows.total,
        learned.task,
        threshold,
    )
    unseen, proofs = models.prove(job.models[model], learned, stored, real, threshold)
    return unseen, judged, proofs


def _checksums(exported: Exported) -> dict[str, str]:
    """Returns the SHA-256 of each exported file, by `form/path in its folder`."""
    forms = {name: getattr(exported, name) for name in ("saved_model", "tflite", "tfjs", "onnx")}
    return {
        name: checksum
        for form, folder in forms.items()
        for name, checksum in checksums(form, folder, visible(folder)).items()
    }


def _predictions(
    exported: Exported, job: JobConfig, cells: parity.Columns
) -> Iterator[tuple[parity.Target, np.ndarray]]:
    """Yields each exported form with its predictions."""
    with tempfile.TemporaryDirectory() as directory:
        request = runtimes.Request(Path(directory) / "rows.json", exported.signature)
        runtimes.write_rows(request.rows, cells)
        for target, predict in _targets(exported, job):
            yield target, predict(request)


def _helped(cells: parity.Columns, columns: tuple[RawColumn, ...]) -> dict[str, int]:
    """Returns the number of cells of real rows that an application must prepare, by column."""
    counts = {
        column.name: sum(raw_cells.is_helped(cell, column) for cell in cells[column.name])
        for column in columns
    }
    return {name: count for name, count in counts.items() if count}


def _targets(
    exported: Exported, job: JobConfig
) -> Iterator[tuple[parity.Target, Callable[[runtimes.Request], np.ndarray]]]:
    """Yields every exported model in every runtime that runs it, with the call that predicts."""
    exact = job.parity.tolerance
    saved_model, tfjs = exported.saved_model, exported.tfjs
    for function in ("serving_default", "serving_examples"):
        predict = partial(runtimes.run_saved_model, saved_model, function)
        yield parity.Target("saved_model", function, str(saved_model), exact, False), predict
    for model in sorted(exported.tflite.glob("*.tflite")):
        reduced = model.stem != "float32"
        bound = job.export.max_difference if reduced else exact
        predict = partial(runtimes.run_tflite, model)
        yield parity.Target("tflite", model.stem, str(model), bound, reduced), predict
    for backend in ("cpu", "wasm") if (tfjs / "model.json").exists() else ():
        predict = partial(runtimes.run_tfjs, tfjs, backend)
        yield parity.Target("tfjs", backend, str(tfjs), exact, False), predict
    onnx = ConvertedFolder(exported.onnx).onnx
    if onnx.exists():
        predict = partial(runtimes.run_onnx, onnx)
        yield parity.Target("onnx", "python", str(onnx), exact, False), predict


def _stored_target(job: JobConfig) -> parity.Target:
    """Returns the model as evaluation runs it: on the cells that ingest stored."""
    exact = job.parity.tolerance
    return parity.Target("evaluation", "stored rows", "examples", exact, False)


def _tell(result: RuntimeParity) -> None:
    print(
        f"{result.runtime} {result.variant}: largest difference "
        f"{result.max_difference}, {'passed' if result.passed else 'FAILED'}"
    )


def _require_passed(results: list[RuntimeParity], rows: Rows) -> None:
    failed = next((result for result in results if not result.passed), None)
    if failed is None:
        return
    raise MillraceError(
        f"{failed.artifact} ({failed.runtime}, {failed.variant}): expected predictions "
        f"within {failed.bound} of the reference's and no flipped decision, found a difference "
        f"of {failed.max_difference}, {failed.class_flips} flips, all finite: "
        f"{failed.finite}. The largest difference is in {rows.name(failed.worst_row.index)}.",
        note="run convert_tflite, convert_tfjs and convert_onnx again; if it stays, an op computes "
        "differently there.",
    )


def refuse_stored(
    row: int, difference: float, bound: float, rows: Rows, columns: tuple[RawColumn, ...]
) -> NoReturn:
    """Raises MillraceError for a row whose raw and stored cells give different predictions."""
    raise MillraceError(
        f"{rows.name(row)}: expected the same prediction, within {bound}, for its cells and for "
        f"what ingest stored of them, found a difference of {difference:.3g}. The columns that "
        f"were stored as something else: {', '.join(rows.read_otherwise(row, columns)) or 'none'}.",
        note="compare the row with the settings of `data`; if they are right, please report it.",
    )


def _left_out(exported: Exported) -> tuple[list[NotReached], list[Converted]]:
    """Returns the missing forms with the reasons, and the models that are not shipped."""
    conversions = {
        name: Conversion.load(ConvertedFolder(folder).description)
        for name, folder in (
            ("tflite", exported.tflite),
            ("tfjs", exported.tfjs),
            ("onnx", exported.onnx),
        )
    }
    not_reached = [
        NotReached(name, conversion.left_out)
        for name, conversion in conversions.items()
        if conversion.left_out
    ]
    return not_reached, [x for x in conversions["tflite"].artifacts or [] if not x.shipped]
