"""The ingest stage: reads files, infers or validates columns, and writes the rows to splits."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from millrace.artifacts.account import LineCounts, PartAccount, ReadFile, Shard, Taken
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.schema import Schema
from millrace.config.data import DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import assignment, blocks, columns, rejects, splits, tables
from millrace.ingestion.assignment import Assignment, FileAssignment
from millrace.ingestion.blocks import Block, Lines, Markers, Reject, Table
from millrace.ingestion.columns import Columns
from millrace.ingestion.inference import Given
from millrace.ingestion.origins import OriginWriter
from millrace.ingestion.rejects import RejectedRows
from millrace.ingestion.repeats import Repeats
from millrace.ingestion.shards import ShardWriter
from millrace.ingestion.tables import Census
from millrace.progress import Progress
from millrace.tfrecord.examples import Serializer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Input:
    """The input of ingest.

    Attributes:
        files: the entries of fetch's manifest.
        tables: the opened files.
        mine: the files of this part.
        data: `data` of the config.
        seed: the seed of the job.
    """

    files: Sequence[RawFile]
    tables: Sequence[Table]
    mine: range
    data: DataConfig
    seed: int

    @property
    def names(self) -> list[str]:
        """The columns of all files, in the order in which rows are hashed."""
        return self.tables[0].names

    def census(self, first: bool) -> Census:
        """Counts the cells of all rows, or only of the `first` ones."""
        data = self.data
        markers, separators = Markers.of(data.markers), Given.of(data).separators
        return tables.census(self.tables, markers, first, separators)

    def assignment(self, found: Columns) -> Assignment:
        """Returns the assignment of rows to splits."""
        file_splits = [file.split for file in self.files]
        return Assignment(self.tables, file_splits, self.data, self.seed, found)


class Ingested(NamedTuple):
    """The schema and the row account of what was written."""

    schema: Schema
    account: PartAccount


class Outcome(NamedTuple):
    """The result of processing a block.

    Attributes:
        examples: the rows that become examples.
        origins: the origin of each example, see millrace.ingestion.origins.
        splits: the split of each example, splits.LEFT_OUT in a gap: int8 [examples].
        rejected: the rejected rows.
        unlabelled: the number of rows without a label.
        duplicates: the number of dropped duplicates.
    """

    examples: pa.RecordBatch
    origins: pa.Table
    splits: Array
    rejected: list[Reject]
    unlabelled: int
    duplicates: int


def ingest(
    files: Sequence[RawFile], part: int, data: DataConfig, seed: int, folder: Path
) -> Ingested:
    """Writes one part of the table, its share of the files, into a new folder.

    Raises MillraceError when a file cannot be read, or the config does not fit the table.
    """
    opened = tables.open_tables([Path(file.path) for file in files], data)
    columns.check(opened[0].names, data)
    assignment.check(data.split, opened[0].names)
    mine = share(files, data.parts.index(part), len(data.parts))
    source = Input(files, opened, mine, data, seed)
    if data.schema_path is not None:
        found = columns.committed(source.names, data)
    else:
        # With several parts, none sees all rows and could check the inference from the first ones.
        if len(data.parts) == 1 and (ingested := _by_the_first_rows(source, folder)):
            return ingested
        found = columns.inferred(_with_rows(source, source.census(first=False)), data, whole=True)
    return _write(source, found, source.assignment(found), folder)


def share(files: Sequence[RawFile], place: int, parts: int) -> range:
    """Returns the indices of a part's files: consecutive, with about equal bytes per part."""
    sizes = np.array([file.bytes for file in files])
    owners = (np.cumsum(sizes) - sizes) * parts // max(sizes.sum(), 1)
    return range(*np.searchsorted(owners, [place, place + 1]).tolist())


def _by_the_first_rows(source: Input, folder: Path) -> Ingested | None:
    """Writes all rows with columns inferred from the first rows, and counts all cells meanwhile.

    This saves a pass over the table. If all rows together suggest other columns, removes the folder
    and returns None.
    """
    try:
        found = columns.inferred(
            _with_rows(source, source.census(first=True)), source.data, whole=False
        )
        divided = source.assignment(found)
    except MillraceError:  # it comes up again if it is not just due to the first rows
        return None
    census = Census(source.names, Given.of(source.data).separators)
    written = _write(source, found, divided, folder, census)
    settled = columns.inferred(census, source.data, whole=True)
    if settled.reads_as(found):
        account = replace(written.account, taken=_taken(source, settled))
        return Ingested(settled.schema(source.data, source.tables[0].index), account)
    shutil.rmtree(folder)
    return None


def _taken(source: Input, found: Columns) -> list[Taken]:
    """Returns the assumptions about the files and the interpretations of their cells."""
    of_files = [
        Taken("warning", "quotes", "", f"{table.path}: {table.guess}")
        for table in source.tables
        if table.guess
    ]
    return [*of_files, *found.taken]


def _with_rows(source: Input, census: Census) -> Census:
    if not census.rows:
        raise MillraceError(
            f"{source.tables[0].path}: expected rows, found a header only.",
            note="add rows, or set data.header to false if the first line is one.",
        )
    return census


def _write(
    source: Input,
    found: Columns,
    divided: Assignment,
    folder: Path,
    census: Census | None = None,
) -> Ingested:
    """Writes shards, origins and rejected rows, and counts the cells into a census, if any."""
    data = source.data
    folder.mkdir(parents=True)
    repeats = Repeats(data.drop_duplicates, found.unique, source.names, source.seed)
    if repeats.matter:
        for index in range(source.mine.start):
            for _ in _outcomes(source, index, found, divided, repeats):
                pass  # only `repeats` has to see the rows of earlier files
    with Output(folder, data) as output, Progress(None, "rows", "ingest") as progress:
        for index in source.mine:
            output.begin(source.files[index])
            for block, outcome in _outcomes(source, index, found, divided, repeats):
                if census:
                    census.add(source.tables[index], block)
                output.write(len(block.counts), outcome)
                progress.update(len(block.counts))
            output.end(source.tables[index].lines)
    account = output.account(_taken(source, found))
    return Ingested(found.schema(data, source.tables[0].index), account)


def _outcomes(
    source: Input, index: int, found: Columns, divided: Assignment, repeats: Repeats
) -> Iterator[tuple[Block, Outcome]]:
    """Yields each block of a file with its outcome."""
    table, data = source.tables[index], source.data
    required = list(found.required)
    if divided.time_column and divided.is_divided(index):
        required.append(divided.time_column)
    assigned = divided.of_file(index)
    paths = pa.array([file.path for file in source.files], pa.string())
    for block in table.blocks(found.markers, found.read_as):
        if data.exclude:
            raw = rejects.without(block, table.names, data.exclude)
            block = block._replace(raw=raw)
        outcome = _outcome(block, table.names, data, found, required, assigned, repeats)
        rows = outcome.origins
        file = pa.DictionaryArray.from_arrays(np.full(len(rows), index, np.int32), paths)
        yield block, outcome._replace(origins=rows.add_column(0, "file", file))


def _outcome(
    block: Block,
    names: Sequence[str],
    data: DataConfig,
    found: Columns,
    required: Sequence[str],
    assigned: FileAssignment,
    repeats: Repeats,
) -> Outcome:
    """Returns the outcome of a block; its origins have no file column yet."""
    batch, kept, rejected, unlabelled = _labelled(block, names, data, found, required)
    fresh = repeats.first_of_their_kind(block, names, kept)
    kept[kept] = fresh
    batch = _only(batch, fresh)
    own, repeated = repeats.with_keys_of_their_own(block, names, kept, batch)
    kept[kept] = own
    batch = _only(batch, own)
    left_out = {*data.exclude, *data.ids}
    rows = pa.array(block.first_row + np.flatnonzero(kept))
    return Outcome(
        batch.select([name for name in found.types if name not in left_out]),
        pa.table([rows, *(batch[name] for name in data.ids)], names=["row", *data.ids]),
        assigned.splits(block, kept, batch),
        sorted(rejected + repeated, key=lambda reject: reject.row),
        unlabelled,
        int((~fresh).sum()),
    )


def _labelled(
    block: Block,
    names: Sequence[str],
    data: DataConfig,
    found: Columns,
    required: Sequence[str],
) -> tuple[pa.RecordBatch, Array, list[Reject], int]:
    """Returns the good rows with a label, which rows these are (bool [rows]), the bad rows, and the
    number of good rows without a label."""
    finite = [name for name in (data.label, data.weight) if name]
    batch, kept, rejected = blocks.typed(
        block, names, dict(found.types), required, found.domains, found.formats, finite
    )
    labelled = batch[data.label].is_valid().to_numpy(zero_copy_only=False)
    kept[kept] = labelled
    return _only(batch, labelled), kept, rejected, int((~labelled).sum())


def _only(batch: pa.RecordBatch, wanted: Array) -> pa.RecordBatch:
    return batch if wanted.all() else batch.filter(pa.array(wanted))


def _line_counts(lines: Lines, rows: int) -> LineCounts:
    """Returns the line counts of a file with `rows` rows."""
    others = lines.total - lines.before - lines.header - lines.in_cells - rows
    empty = max(0, min(lines.empty, others))  # the other empty lines are in cells
    return LineCounts(
        total=lines.total,
        skipped=lines.before,
        header=lines.header,
        in_cells=lines.in_cells,
        empty=empty,
        unexplained=others - empty,
    )


class Output:
    """Writes shards, origins and rejected rows; a context manager."""

    def __init__(self, folder: Path, data: DataConfig) -> None:
        per_shard, compression = data.examples_per_shard, data.compression
        self._shards = {
            split: ShardWriter(folder, split, per_shard, compression) for split in splits.SPLITS
        }
        self._origins = {split: OriginWriter(folder, split, data.ids) for split in splits.SPLITS}
        self._rejected = RejectedRows(folder / "rejected.csv", data.exclude)
        self._unlabelled, self._duplicates, self._in_gap = 0, 0, 0
        self._files: list[ReadFile] = []
        self._written: dict[str, list[Shard]] = {}

    def begin(self, file: RawFile) -> None:
        """Starts a file: the following rows belong to it."""
        self._files.append(ReadFile(file.path, 0, file.bytes, file.sha256))

    def write(self, rows: int, outcome: Outcome) -> None:
        """Writes the outcome of a block of `rows` rows."""
        serializer = Serializer(outcome.examples)
        for number, split in enumerate(splits.SPLITS):
            chosen = np.flatnonzero(outcome.splits == number)
            self._shards[split].write(serializer, chosen)
            self._origins[split].write(outcome.origins.take(chosen))
        file = self._files[-1]
        self._rejected.write(file.path, outcome.rejected)
        self._unlabelled += outcome.unlabelled
        self._duplicates += outcome.duplicates
        self._in_gap += int((outcome.splits == splits.LEFT_OUT).sum())
        self._files[-1] = replace(file, rows_read=file.rows_read + rows)

    def end(self, lines: Lines | None) -> None:
        """Ends a file, given its numbers of lines."""
        if lines:
            file = self._files[-1]
            self._files[-1] = replace(file, lines=_line_counts(lines, file.rows_read))

    def account(self, taken: list[Taken]) -> PartAccount:
        """Returns the row account, with these interpretations of cells."""
        return PartAccount(
            unlabelled=self._unlabelled,
            duplicates_dropped=self._duplicates,
            in_gap=self._in_gap,
            files=self._files,
            shards=self._written,
            reasons=dict(self._rejected.reasons),
            taken=taken,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._rejected.close()
        if error is None:
            for writer in self._origins.values():
                writer.close()
            self._written = {split: writer.close() for split, writer in self._shards.items()}
