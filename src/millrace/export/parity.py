"""Parity: compares the predictions of each runtime for the same raw rows.

A difference is |a - b| of probabilities. For a regression it is in standard deviations of the
label, or relative to the prediction if that is larger, because of the precision of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from millrace.artifacts.parity import RuntimeParity, WorstRow
from millrace.errors import MillraceError
from millrace.export.raw_cells import as_cells
from millrace.features.raw_row import RawColumn
from millrace.features.tasks import Task
from millrace.ingestion import formats

Columns = dict[str, np.ndarray]

# The largest float32, a subnormal number, and other edge cases.
EXTREME_FLOATS = (3.4028235e38, -3.4028235e38, 1e-40, -1.0, 0.0, 1e9)
# Powers of two: the same number as int64 and as float32.
EXTREME_INTEGERS = (2.0**62, -(2.0**62), -1.0, 0.0, 2.0**24)
# The epoch, a leap day, and the first and last supported dates.
ODD_DATES = ("1970-01-01", "2000-02-29", "0001-01-01", "9999-12-31")
ODD_TIMES = ("T00:00:00Z", "T23:59:59", " 12:00:00.5Z", "T00:00:01.000000")
ODD_STRINGS = (
    None,
    "",
    "null ",
    "  ",
    "never seen before",
    "Zürich ✈ 東京 🛫",
    " ",
    "NULL",
    "x" * 1000,
)


@dataclass(frozen=True)
class Target:
    """One artifact in one runtime.

    Attributes:
        runtime: saved_model, tflite, tfjs or onnx.
        variant: the signature, precision, backend or language.
        artifact: the path of the model.
        bound: the largest difference that passes.
        reduced: whether the artifact trades accuracy for size. Only its differences on real rows
            count, on which it was accepted, and decisions may flip within the bound.
    """

    runtime: str
    variant: str
    artifact: str
    bound: float
    reduced: bool


@dataclass(frozen=True)
class Comparison:
    """The differences of a runtime's predictions from the reference's.

    Attributes:
        differences: [n], the largest over the classes.
        flips: [n], whether the decision differs outside the band around the threshold.
        finite: whether every prediction is a finite number.
    """

    differences: np.ndarray
    flips: np.ndarray
    finite: bool


def compare(
    reference: np.ndarray,
    predictions: np.ndarray,
    task: Task,
    threshold: float | None,
    band: float,
) -> Comparison:
    """Compares predictions [n] or [n, classes] with the reference's.

    Args:
        reference: the predictions of Keras.
        predictions: the predictions of the runtime.
        task: the task.
        threshold: the lowest probability that counts as positive in a binary task.
        band: decisions closer to the threshold than this may differ.
    """
    a, b = reference.astype(np.float64), predictions.astype(np.float64)
    found = differences(reference, predictions, task)
    with np.errstate(invalid="ignore"):
        if task.kind == "regression":
            flips = np.zeros(len(a), bool)
        elif task.kind == "binary":
            assert threshold is not None, "a binary task has a threshold"
            flips = ((a >= threshold) != (b >= threshold)) & (np.abs(a - threshold) > band)
        else:
            found = found.max(axis=1)
            first, second = np.sort(a, axis=1)[:, [-1, -2]].T
            flips = (a.argmax(axis=1) != b.argmax(axis=1)) & (first - second > band)
    return Comparison(found, flips, bool(np.isfinite(b).all()))


def differences(reference: np.ndarray, predictions: np.ndarray, task: Task) -> np.ndarray:
    """Returns the differences of predictions from the reference's, float64 of their shape.

    A difference is infinite if one of the two is NaN.
    """
    # float64, so that the comparison does not round.
    a, b = reference.astype(np.float64), predictions.astype(np.float64)
    with np.errstate(invalid="ignore"):
        found = np.abs(a - b)
        if task.kind == "regression":
            found = found / np.maximum(task.std, np.abs(a))
    return np.where(np.isnan(found), np.inf, found)


def judge(
    target: Target,
    predictions: np.ndarray,
    reference: np.ndarray,
    raw: Columns,
    real_rows: int,
    task: Task,
    threshold: float | None,
) -> RuntimeParity:
    """Returns a target's entry in parity.json: differences, the worst row, whether it passed.

    Args:
        target: the artifact and runtime.
        predictions: its predictions, [n] or [n, classes].
        reference: the predictions of Keras for the same rows.
        raw: the rows; the first `real_rows` of them are from the test split.
        real_rows: the number of real rows.
        task: the task.
        threshold: see `compare`.
    """
    compared = compare(reference, predictions, task, threshold, target.bound)
    counted = slice(real_rows) if target.reduced else slice(None)
    differences, flips = compared.differences[counted], compared.flips[counted]
    worst = int(differences.argmax())
    return RuntimeParity(
        runtime=target.runtime,
        variant=target.variant,
        artifact=target.artifact,
        reduced=target.reduced,
        rows=len(reference),
        max_difference=_json(differences.max()),
        mean_difference=_json(differences.mean()),
        class_flips=int(flips.sum()),
        finite=compared.finite,
        bound=target.bound,
        passed=bool(compared.finite and differences.max() <= target.bound and not flips.any()),
        worst_row=WorstRow(
            index=worst,
            raw={name: _json(column[worst]) for name, column in raw.items()},
            reference=_json(reference[worst]),
            prediction=_json(predictions[worst]),
        ),
    )


def _json(value: Any) -> Any:
    """Converts a NumPy value to JSON: NaN (a missing number) to null, infinity to text."""
    if isinstance(value, np.ndarray):
        return [_json(x) for x in value]
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else str(number)


def synthetic_rows(real: Columns, columns: tuple[RawColumn, ...]) -> Columns:
    """Returns synthetic edge cases: real rows with one cell, or every cell, replaced.

    Every column is missing in turn; every string column is empty, unseen, non-ASCII, very long and
    a marker in turn; every number is extreme, tiny, negative and zero in turn; then all at once.

    Args:
        real: cells [n] by column, of at least one real row.
        columns: the raw columns that the model takes.
    """
    odd = {column.name: _odd_cells(column) for column in columns}
    base = {column.name: real[column.name][0] for column in columns}
    rows = [{**base, name: cell} for name, cells in odd.items() for cell in cells]
    # The first odd cell of each column is missing, so in the first of these rows all are.
    rows += [
        {name: cells[i % len(cells)] for name, cells in odd.items()}
        for i in range(max(len(cells) for cells in odd.values()))
    ]
    return {name: as_cells([row[name] for row in rows]) for name in base}


def _odd_cells(column: RawColumn) -> list[Any]:
    """Returns edge cases for a cell, with the missing one first."""
    way = formats.of_column(column)
    if column.type in ("date", "timestamp"):
        times = list(ODD_DATES)
        if column.type == "timestamp":
            times = [f"{a}{b}" for a, b in zip(times, ODD_TIMES, strict=True)]
        if isinstance(way, formats.TimeFormat):
            times = [way.write(datetime.fromisoformat(x).replace(tzinfo=None)) for x in times]
        return [None, *times]
    numbers: list[Any] = list(column.missing_numbers)
    if isinstance(way, formats.NumberFormat):
        numbers += [f"$1{way.thousands}234", "(300)", "12 %", " 300- "]
    if column.type in ("int64", "bool"):
        return [None, *EXTREME_INTEGERS, *numbers]
    if column.is_number:
        return [None, *EXTREME_FLOATS, *numbers]
    return [*ODD_STRINGS, *(f" {marker}" for marker in column.markers)]


def answered(rows: Columns, predict: Callable[[Columns], np.ndarray]) -> Columns:
    """Returns the rows that a model accepts.

    An old model may refuse some, such as an id that its embedding lacks.
    """
    try:
        predict(rows)
        return rows
    except MillraceError:
        count = len(next(iter(rows.values())))
        kept = [
            _answers({name: x[i : i + 1] for name, x in rows.items()}, predict)
            for i in range(count)
        ]
        return {name: x[kept] for name, x in rows.items()}


def _answers(row: Columns, predict: Callable[[Columns], np.ndarray]) -> bool:
    try:
        predict(row)
    except MillraceError:
        return False
    return True


def join(*parts: Columns) -> Columns:
    """Returns the rows of several tables as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
