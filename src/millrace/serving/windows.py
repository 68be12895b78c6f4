"""New rows, predicted and put into windows: what is counted of each."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.artifacts.records import Value
from millrace.artifacts.schema import SchemaColumn
from millrace.artifacts.signature import Signature
from millrace.config.job import JobConfig
from millrace.config.operation import MonitorConfig
from millrace.errors import MillraceError
from millrace.fetching import sources
from millrace.fetching.sources import RawSource
from millrace.serving.exported_models import Pool
from millrace.serving.labels import slice_value
from millrace.serving.model_inputs import tensors
from millrace.serving.new_rows import Contract, NewFile, Rows
from millrace.statistics.tallies import Tally
from millrace.tfrecord.examples import ARROW_TYPES

# Rows without a time have a window of their own.
NO_TIME = "no time"


class LabelledPart(NamedTuple):
    """Some labelled rows.

    Attributes:
        labels: their labels, [n], as the file has them.
        predictions: [n] or [n, classes].
        weights: [n]; None when all are 1.
        slices: their values in the columns to slice by.
    """

    labels: list[Value]
    predictions: np.ndarray
    weights: np.ndarray | None
    slices: dict[str, list[Value | None]]


@dataclass
class Window:
    """What is counted of the rows of a window.

    Attributes:
        columns: the values of the columns.
        predictions: the values of the prediction, see `as_column`.
        labelled: its labelled rows, in pieces.
    """

    columns: Tally
    predictions: Tally
    labelled: list[LabelledPart] = field(default_factory=list)


@dataclass
class Watched:
    """All windows, by name in the order of time, and the row counts."""

    windows: dict[str, Window]
    rows_read: int = 0
    scored: int = 0
    rejected: int = 0


def predicted_column(signature: Signature) -> SchemaColumn:
    """Returns the prediction as a column: a number, or of several classes the most probable."""
    type_ = "string" if signature.task == "multiclass" else "float32"
    return SchemaColumn("prediction", type_)


def as_column(signature: Signature, predictions: np.ndarray) -> pa.RecordBatch:
    """Returns predictions [n] or [n, classes] as a table with `predicted_column`."""
    if signature.task == "multiclass":
        classes = [str(value) for value in signature.classes]
        values = pa.array(classes).take(pa.array(predictions.argmax(axis=1)))
    else:
        values = pa.array(predictions.astype(np.float32))
    return pa.RecordBatch.from_arrays([values], ["prediction"])


def collect(job: JobConfig, contract: Contract, files: Sequence[str], pool: Pool) -> Watched:
    """Reads new rows, predicts them, and counts them by window.

    Args:
        job: the completed config.
        contract: what the model takes, and which columns are watched.
        files: the paths or tables.
        pool: the model.

    Raises:
        MillraceError: the rows cannot be read, as in scoring.
    """
    watched = Watched({})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in files:
            path, _ = sources.fetch(RawSource(name, None), folder, None, job.data.database)
            rows = NewFile(path, contract)
            _require_time(rows, job.monitor.time)
            for piece in rows.pieces():
                watched.rejected += len({reject.row for reject in piece.rejected})
                _add(watched, job, contract, piece, pool)
            watched.rows_read += rows.total
    if job.monitor.time:
        in_time = sorted(watched.windows.items(), key=lambda x: (x[0] == NO_TIME, x[0]))
        watched.windows = dict(in_time)
    return watched


def _require_time(rows: NewFile, time: str | None) -> None:
    if time is not None and time not in rows.table.names:
        raise MillraceError(
            f"{rows.table.path}: expected the column {time!r} of monitor.time, found none.",
            note="add the column, or remove monitor.time for windows of monitor.rows rows.",
        )


def _add(watched: Watched, job: JobConfig, contract: Contract, piece: Rows, pool: Pool) -> None:
    for cells, _ in piece.batches():
        predictions = pool.predict(tensors(cells, contract.signature.inputs))
        places = np.arange(watched.scored, watched.scored + cells.num_rows)
        watched.scored += cells.num_rows
        names = _window_names(cells, places, job.monitor)
        for name in dict.fromkeys(names):
            here = np.flatnonzero(np.array(names) == name)
            window = watched.windows.setdefault(name, _empty(contract))
            _count(window, contract, job, cells.take(pa.array(here)), predictions[here])


def _empty(contract: Contract) -> Window:
    return Window(Tally(contract.inputs), Tally([predicted_column(contract.signature)]))


def _window_names(cells: pa.RecordBatch, places: np.ndarray, setting: MonitorConfig) -> list[str]:
    """Returns the name of each row's window; those of times sort by time."""
    if setting.time is None:
        first = places // setting.rows * setting.rows
        return [f"from row {x + 1:,}" for x in first.tolist()]
    times = cells.column(setting.time).cast(pa.timestamp("us"))
    starts = pc.floor_temporal(times, unit=setting.every, week_starts_monday=True)
    return [NO_TIME if x is None else x.date().isoformat() for x in starts.to_pylist()]


def _count(
    window: Window,
    contract: Contract,
    job: JobConfig,
    cells: pa.RecordBatch,
    predictions: np.ndarray,
) -> None:
    there = set(cells.schema.names)
    columns = {
        column.name: cells.column(column.name)
        if column.name in there
        else pa.nulls(cells.num_rows, ARROW_TYPES[column.type])
        for column in contract.inputs
    }
    window.columns.add([pa.RecordBatch.from_pydict(columns)])
    window.predictions.add([as_column(contract.signature, predictions)])
    if job.data.label not in there:
        return
    labelled = np.flatnonzero(cells.column(job.data.label).is_valid().to_numpy(False))
    if not len(labelled):
        return
    rows = cells.take(pa.array(labelled))
    window.labelled.append(
        LabelledPart(
            rows.column(job.data.label).to_pylist(),
            predictions[labelled],
            _weights(rows, job.data.weight),
            {name: _values(rows, name) for name in job.evaluation.slices if name in there},
        )
    )


def _weights(rows: pa.RecordBatch, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    if name not in rows.schema.names:
        raise MillraceError(
            f"ROWS: expected the column {name!r} of data.weight beside the label, found none.",
            note="the metrics on the test are weighted: add the column, or leave the label out.",
        )
    weights: np.ndarray = rows.column(name).fill_null(0).to_numpy(zero_copy_only=False)
    return weights


def _values(rows: pa.RecordBatch, name: str) -> list[Value | None]:
    return [slice_value(x) for x in rows.column(name).to_pylist()]
