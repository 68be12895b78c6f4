"""Raw tables of any format, read as blocks of rows, and the types that their columns have.

A CSV's cells are text; their types are those that the whole table agrees on. A row that does not
fit is rejected, verbatim and with the reason.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from millrace.errors import MillraceError
from millrace.ingestion import cells, dialects
from millrace.ingestion.blocks import Block, Markers
from millrace.ingestion.delimited import DelimitedTable
from millrace.ingestion.hive_partitions import PartitionedTable, keys
from millrace.ingestion.json_lines import JsonLinesTable
from millrace.ingestion.parquet import ParquetTable

Array = np.ndarray[Any, Any]


class Table(Protocol):
    """A raw file: its columns' names, in their order, and its rows as a stream of blocks."""

    path: Path
    names: list[str]

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields all rows. `types` are those that columns will get, as far as they are known."""
        ...


def open_table(path: Path, data: dict[str, Any]) -> Table:
    """Opens a raw file by what its first bytes say it is; `data` is that part of the job's config.

    Keys of its folders that are no columns of its own become columns. Raises MillraceError when it
    cannot be read, or names a column twice.
    """
    table = _open(path, data)
    if duplicates := [name for name, count in Counter(table.names).items() if count > 1]:
        raise MillraceError(
            f"{path}: expected different column names, found {duplicates} more than once.",
            note="rename them in the file, or give all names under data.header.",
        )
    constants = {key: value for key, value in keys(path).items() if key not in table.names}
    return PartitionedTable(table, constants) if constants else table


def _open(path: Path, data: dict[str, Any]) -> Table:
    if dialects.container(path) == "parquet":
        return ParquetTable(path, data["exclude"])
    dialect = dialects.detect(
        path,
        data.get("delimiter"),
        data.get("encoding"),
        data.get("skip_lines", 0),
        data.get("escape"),
    )
    start = next(dialects.chunks(path, dialect, 1 << 10)).lstrip()
    if start.startswith(b"{"):
        return JsonLinesTable(path, dialect)
    if start.startswith(b"[") and start[1:].lstrip().startswith(b"{"):
        raise MillraceError(
            f"{path}: expected one JSON object per line, found an array of them.",
            note="`jq -c '.[]'` writes one per line.",
        )
    return DelimitedTable(path, dialect, data["header"])


def open_tables(paths: Sequence[Path], data: dict[str, Any]) -> list[Table]:
    """Opens the raw files of a job; raises MillraceError unless all have the same columns."""
    tables = [open_table(path, data) for path in paths]
    first = tables[0]
    for table in tables[1:]:
        if set(table.names) != set(first.names):
            missing = [name for name in first.names if name not in table.names]
            more = [name for name in table.names if name not in first.names]
            raise MillraceError(
                f"{table.path}: expected the columns of {first.path}, "
                f"found {missing or 'none'} missing and {more or 'none'} added."
            )
    return tables


def check_column(name: str, names: Sequence[str], where: str) -> None:
    """Raises MillraceError, with the names most like it, unless the table has such a column."""
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or list(names[:10])
    raise MillraceError(
        f"{where}: expected a column of the table, found {name!r}.",
        note=f"the table has {', '.join(map(repr, near))}"
        + (" …" if len(near) < len(names) else ""),
    )


class Census:
    """Counts what the cells of each column are, over the rows with the right number of cells.

    `rows` is how many rows there are, of any number of cells.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._counts = {name: np.zeros(cells.CLASSES, np.int64) for name in names}
        self.rows = 0

    def __getitem__(self, name: str) -> Array:
        """Returns how many cells of a column are of each class: int64 [cells.CLASSES]."""
        return self._counts[name]

    def add(self, table: Table, block: Block) -> None:
        seen = np.zeros((len(table.names), cells.CLASSES), np.int64)
        cells.count_classes(block.classes, block.counts == len(table.names), seen)
        for name, row in zip(table.names, seen, strict=True):
            self._counts[name] += row
        self.rows += len(block.counts)


def census(tables: Sequence[Table], markers: Markers, first: bool = False) -> Census:
    """Counts the cells of all tables, or of the `first` block that has rows."""
    found = Census(tables[0].names)
    for table in tables:
        for block in table.blocks(markers, {}):
            found.add(table, block)
            if first and found.rows:
                return found
    return found


def is_mixed(counts: Array) -> bool:
    """Says whether most cells of a column (int64 [cells.CLASSES]) are numbers, yet not all."""
    present = counts.sum() - counts[cells.MISSING]
    numbers = counts[[cells.INT, cells.FLOAT, cells.PRECISE]].sum()
    # Digits behind a zero are no numbers gone wrong: they are ids.
    others = present - numbers - counts[cells.CODE] - counts[cells.LONG]
    return bool(others > 0 and 2 * numbers > present)


def column_type(counts: Array, tolerated: float) -> str:
    """Returns the narrowest type that all cells of a column have, or all but a few.

    `counts` is int64 [cells.CLASSES]; `tolerated` how many cells may be of no number or time and
    still leave the column one: a share when below 1, else a count. Their rows will be rejected.
    """
    present = counts.sum() - counts[cells.MISSING]
    floats = counts[[cells.FLOAT, cells.PRECISE, cells.INFINITE]].sum()
    # Integers beyond 64 bits are ids, unless they lie among floats.
    long = counts[cells.LONG] if floats else 0
    fitting = {
        "bool": counts[cells.BOOL],
        "int64": counts[cells.INT],
        "float64": counts[cells.INT] + floats + long,
        "date": counts[cells.DATE],
        "timestamp": counts[cells.DATE] + counts[cells.TIMESTAMP],
    }
    best = max(fitting, key=lambda name: int(fitting[name]))
    limit = tolerated * present if tolerated < 1 else tolerated
    return best if fitting[best] and present - fitting[best] <= limit else "string"
