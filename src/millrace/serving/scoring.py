"""Scores files of new rows: each row gets a prediction, or is rejected with the reason."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from millrace.artifacts.account import ReadFile
from millrace.artifacts.schema import Schema
from millrace.artifacts.scoring import Scoring
from millrace.artifacts.signature import Signature
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.fetching import sources
from millrace.fetching.sources import RawSource
from millrace.files import replacing
from millrace.ingestion.rejects import RejectedRows
from millrace.progress import Progress
from millrace.results import Results, ScoredFile
from millrace.serving import exported_models, scored_files
from millrace.serving.exported_models import Exported, Pool
from millrace.serving.model_inputs import tensors
from millrace.serving.new_rows import Contract, NewFile, Rows
from millrace.serving.scored_paths import check_paths

# The most notes to print.
SHOWN = 10

# The batches that are predicted in parallel, and those that may wait to be written.
THREADS = 2
IN_FLIGHT = 6


def score(job: JobConfig, results: Results, rows: str, scored: ScoredFile, form: str) -> Scoring:
    """Writes the predictions of new rows, the rejected rows, and the row account.

    Args:
        job: the completed config.
        results: the results of the job, with the exported champion.
        rows: a path, a folder or a glob, an .sql file, or a table of the database.
        scored: the output files; the ending of the path sets the format.
        form: saved_model, or the precision of a TF Lite model.

    Raises:
        MillraceError: the model is missing, the rows cannot be read, lack a column or have one of
            another type, or foreign files would be overwritten.
    """
    found = check_paths(job, results, rows, scored)
    signature = Signature.load(results.signature)
    contract = Contract(job.data, Schema.load(results.schema), signature)
    exported = exported_models.find(results, form)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = [_open(name, folder, contract) for name in found]
        rejected = RejectedRows(stack.enter_context(replacing(scored.rejected)), job.data.exclude)
        stack.callback(rejected.close)
        temporary = stack.enter_context(replacing(scored.predictions))
        fields = scored_files.fields(signature, job.data.ids)
        writer = scored_files.open_writer(temporary, scored.predictions.suffix, fields)
        stack.callback(writer.close)
        progress = stack.enter_context(Progress(None, "rows", "score"))
        executor = stack.enter_context(ThreadPoolExecutor(THREADS))
        pipeline = _Pipeline(Pool(exported, THREADS), contract, fields, writer, executor)
        for file in files:
            for piece in file.rows.pieces():
                rejected.write(file.name, piece.rejected)
                pipeline.add(file.name, piece)
                progress.update(piece.total)
        pipeline.finish()
    account = _account(exported, signature, files, pipeline.written, rejected)
    account.save(scored.account)
    return account


class _NewRows(NamedTuple):
    """A file of new rows.

    Attributes:
        name: its name in the output: a path, or a table's name.
        path: its path.
        sha256: its checksum.
        rows: its rows.
    """

    name: str
    path: Path
    sha256: str
    rows: NewFile


def _open(name: str, folder: Path, contract: Contract) -> _NewRows:
    path, digest = sources.fetch(RawSource(name, None), folder, None, contract.data.database)
    return _NewRows(Path(name).as_posix(), path, digest, NewFile(path, contract))


class _Pipeline:
    """Predicts several batches in parallel, and writes the predictions in the order of the rows.

    Attributes:
        written: the number of rows written so far.
    """

    def __init__(
        self,
        pool: Pool,
        contract: Contract,
        fields: pa.Schema,
        writer: scored_files.Writer,
        executor: ThreadPoolExecutor,
    ) -> None:
        self._pool, self._fields = pool, fields
        self._signature, self._ids = contract.signature, contract.data.ids
        self._writer, self._executor = writer, executor
        self._waiting: deque[Future[pa.Table]] = deque()
        self.written = 0

    def add(self, file: str, rows: Rows) -> None:
        """Adds the good rows of a file's next batch."""
        for cells, numbers in rows.batches():
            self._waiting.append(self._executor.submit(self._answer, file, cells, numbers))
            if len(self._waiting) > IN_FLIGHT:
                self._write_next()

    def finish(self) -> None:
        """Waits for the last batches."""
        while self._waiting:
            self._write_next()

    def _write_next(self) -> None:
        table = self._waiting.popleft().result()
        self._writer.write(table)
        self.written += table.num_rows

    def _answer(self, file: str, cells: pa.RecordBatch, numbers: np.ndarray) -> pa.Table:
        predictions = self._pool.predict(tensors(cells, self._signature.inputs))
        finite = np.isfinite(predictions).reshape(len(numbers), -1).all(axis=1)
        if not finite.all():
            raise MillraceError(
                f"{file}: row {numbers[~finite][0]}: expected a finite prediction, found "
                f"{predictions[~finite][0]}.",
                note="look for extreme numbers in the row.",
            )
        rows = len(numbers)
        there = set(cells.schema.names)
        columns = {
            "file": pa.repeat(file, rows),
            "row": pa.array(numbers),
            **{x: cells.column(x) if x in there else pa.nulls(rows) for x in self._ids},
            **scored_files.predicted_columns(self._signature, predictions),
        }
        return pa.table(columns).cast(self._fields)


def _account(
    exported: Exported,
    signature: Signature,
    files: Sequence[_NewRows],
    written: int,
    rejected: RejectedRows,
) -> Scoring:
    read = [ReadFile(x.name, x.rows.total, x.path.stat().st_size, x.sha256) for x in files]
    account = Scoring(
        model=signature.model,
        form=exported.form,
        exported=exported.files,
        task=signature.task,
        threshold=signature.threshold,
        rows_read=sum(file.rows_read for file in read),
        scored=written,
        rejected=rejected.reasons.total(),
        reasons=dict(sorted(rejected.reasons.items())),
        files=read,
        taken=[taken for file in files for taken in file.rows.taken],
    )
    if account.rows_read != account.scored + account.rejected:
        raise MillraceError(
            f"expected rows read = scored + rejected, found {account.rows_read:,} rows read, "
            f"{account.scored:,} scored and {account.rejected:,} rejected.",
            note="please report this: a row was lost.",
        )
    return account


def summary(account: Scoring, scored: ScoredFile) -> str:
    """Returns the text for the log: notes with warnings first, row counts and files."""
    ordered = sorted(account.taken, key=lambda taken: taken.severity != "warning")
    taken = "".join(f"{taken.severity}: {taken.message}\n" for taken in ordered[:SHOWN])
    if len(ordered) > SHOWN:
        taken += f"… and {len(ordered) - SHOWN:,} more in {scored.account}\n"
    rejected = f" ({scored.rejected})" if account.rejected else ""
    return (
        f"{taken}{account.rows_read:,} rows = {account.scored:,} scored, {account.rejected:,} "
        f"rejected{rejected}\n{account.model} ({account.form}): {scored.predictions}"
    )
