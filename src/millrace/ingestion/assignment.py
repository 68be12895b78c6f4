"""Assigns the labelled rows of each file to train, validation or test, by `data.split`."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from millrace.config.data import DataConfig, SplitConfig
from millrace.errors import MillraceError
from millrace.ingestion import blocks, cells, splits
from millrace.ingestion.blocks import Block, Table
from millrace.ingestion.columns import Columns
from millrace.ingestion.tables import check_column
from millrace.tfrecord.examples import ARROW_TYPES

Array = np.ndarray[Any, Any]


class FileAssignment(Protocol):
    """Assigns the rows of one file to splits."""

    def splits(self, block: Block, kept: Array, batch: pa.RecordBatch) -> Array:
        """Returns the splits of the file's next rows: int8 [rows of the batch].

        `batch` has the rows of the block selected by `kept`, bool [rows of the block].
        """
        ...


class Assignment:
    """Assigns the rows of all files to splits.

    Raises MillraceError when the config contradicts itself or the data.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        file_splits: Sequence[str | None],
        data: DataConfig,
        seed: int,
        columns: Columns,
    ) -> None:
        self._tables, self._file_splits, self._data = tables, file_splits, data
        self._seed, self._columns = seed, columns
        self._first_rows: list[int] = []
        # Splits with their own files take no rows from other files.
        self._own_files = [name for name in ("validation", "test") if name in file_splits]
        self.time_column = data.split.column if data.split.by == "time" else None
        if self.time_column:
            self._cuts = self._time_cuts(self.time_column)
        else:
            self._shares = self._checked_shares()

    def is_divided(self, index: int) -> bool:
        """Returns whether the rows of a file are split, instead of all being in one given split."""
        return self._file_splits[index] in (None, "train")

    def of_file(self, index: int) -> FileAssignment:
        """Returns the assignment of a file's rows, starting at its first row."""
        if not self.is_divided(index):
            return _AllOf(splits.SPLITS.index(str(self._file_splits[index])))
        if self.time_column:
            return _ByTime(self.time_column, self._cuts)
        by_stratum = self._data.split.by == "stratum"
        key = splits.file_key(*self._known_by(index), self._seed)
        draw = splits.Draw(key, self._shares, self._most_strata(), by_stratum)
        names = self._tables[index].names
        return _ByDraw(draw, self._shares, names, self._tables[0].names, self._data, self._seed)

    def _known_by(self, index: int) -> tuple[int, list[int]]:
        """Returns a hash of a file's first row, and the hashes of all earlier files."""
        for table in self._tables[len(self._first_rows) : index + 1]:
            # Without types, so that the splits do not depend on inference.
            block = next(table.blocks(self._columns.markers, {}), None)
            names = self._tables[0].names
            hashes = [0] if block is None else row_hashes(block, table.names, names, self._seed)
            self._first_rows.append(int(hashes[0]))
        return self._first_rows[index], self._first_rows[:index]

    def _most_strata(self) -> int:
        """Returns the most distinct values to stratify by; a column with more is a quantity."""
        task, type_ = self._data.task, self._columns.types[self._data.label]
        if self._data.split.by == "stratum" or type_ in ("bool", "string"):
            return splits.MOST_STRATA
        return {"regression": 0, "auto": splits.FEW_CLASSES}.get(task, splits.MOST_STRATA)

    def _checked_shares(self) -> splits.Shares:
        shares = splits.shares(self._data.split)
        if shares.folds is not None and "validation" in self._file_splits:
            raise MillraceError(
                "data.split.folds: expected no file for validation under data.files, found one.",
                note="folds take the rows for validation from those for training.",
            )
        return shares._replace(
            validation=0.0 if "validation" in self._own_files else shares.validation,
            test=0.0 if "test" in self._own_files else shares.test,
        )

    def _time_cuts(self, column: str) -> splits.Cuts:
        arrow_type = ARROW_TYPES[self._columns.types[column]]
        cuts = splits.time_cuts(self._data.split, arrow_type, lambda: self._times(column))
        return cuts._replace(
            validation=None if "validation" in self._own_files else cuts.validation,
            test=None if "test" in self._own_files else cuts.test,
        )

    def _times(self, column: str) -> pa.ChunkedArray:
        """Returns the values of the time column in the files to split."""
        columns = self._columns
        kinds = {name: columns.types[name] for name in (column, self._data.label)}
        read_as = kinds | dict.fromkeys(kinds.keys() & columns.formats.keys(), "string")
        found = []
        for index, table in enumerate(self._tables):
            if self.is_divided(index):
                for block in table.blocks(columns.markers, read_as):
                    batch, _, _ = blocks.typed(block, table.names, kinds, formats=columns.formats)
                    found.append(batch.drop_null()[column])
        return pa.chunked_array(found, ARROW_TYPES[columns.types[column]])


class _AllOf:
    """A file whose rows are all in one split."""

    def __init__(self, split: int) -> None:
        self._split = split

    def splits(self, block: Block, kept: Array, batch: pa.RecordBatch) -> Array:
        return np.full(batch.num_rows, self._split, np.int8)


class _ByTime:
    """A file whose rows are split by the values of a column."""

    def __init__(self, column: str, cuts: splits.Cuts) -> None:
        self._column, self._cuts = column, cuts

    def splits(self, block: Block, kept: Array, batch: pa.RecordBatch) -> Array:
        return splits.by_time(batch[self._column], self._cuts)


class _ByDraw:
    """A file whose rows are split at random, or by a hash that keeps related rows together.

    `names` are the file's columns, and `ordered` the same in the order in which they are hashed.
    """

    def __init__(
        self,
        draw: splits.Draw,
        shares: splits.Shares,
        names: Sequence[str],
        ordered: Sequence[str],
        data: DataConfig,
        seed: int,
    ) -> None:
        self._draw, self._shares, self._names, self._seed = draw, shares, names, seed
        split = data.split
        self._stratum = data.label
        if split.by == "stratum":
            self._stratum = split.column or data.label
        self._group = split.column if split.by == "group" else None
        no_features = {*data.exclude, *data.ids, data.label, data.weight}
        together = split.copies == "together"
        self._copied = [name for name in ordered if name not in no_features] if together else []

    def splits(self, block: Block, kept: Array, batch: pa.RecordBatch) -> Array:
        strata = np.where(
            self._present(block, self._stratum), self._hashes(block, [self._stratum]), 0
        )
        found = self._draw.splits(strata[kept])
        if together := [self._group] if self._group else self._copied:
            # Rows without a group do not form a group.
            by_hash = self._present(block, self._group)[kept] if self._group else kept[kept]
            places = self._hashes(block, together)[kept][by_hash] / 2.0**64
            found[by_hash] = splits.by_place(places, self._shares)
        return found

    def _present(self, block: Block, column: str) -> Array:
        present: Array = block.classes[self._names.index(column)] != cells.MISSING
        return present

    def _hashes(self, block: Block, columns: Sequence[str]) -> Array:
        return row_hashes(block, self._names, columns, self._seed)


def row_hashes(block: Block, names: Sequence[str], columns: Sequence[str], seed: int) -> Array:
    """Returns a hash of each row's cells in `columns`: uint64 [rows]; `names` are the block's."""
    places = {name: index for index, name in enumerate(names)}
    return block.hashes(seed, [places[name] for name in columns])


def check(split: SplitConfig, names: Sequence[str]) -> None:
    """Raises MillraceError when keys of `data.split` conflict, or its column is not in `names`."""
    by = split.by
    if split.folds and by == "time":
        raise MillraceError(
            "data.split.folds: expected none with `by: time`, found some.",
            note="remove folds, or divide by row, group or stratum.",
        )
    if split.gap and by != "time":
        raise MillraceError(
            f"data.split.gap: expected none with `by: {by}`, found one.",
            note="remove gap, or set `by: time`.",
        )
    if split.copies == "together" and by != "row":
        raise MillraceError(
            f"data.split.copies: expected `separate` with `by: {by}`, found `together`.",
            note="remove copies, or set `by: row`.",
        )
    if by in ("group", "time") and split.column is None:
        raise MillraceError(
            f"data.split: expected the key 'column' with `by: {by}`, found none.",
            note="name the column whose values divide the rows.",
        )
    if by != "row" and split.column is not None:
        check_column(split.column, names, "data.split.column")
