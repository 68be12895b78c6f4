"""Opens raw tables of any format, and counts the cells of their columns.

The cells of a CSV are text; the type of a column is inferred from the whole table. A row that does
not fit is rejected, verbatim and with the reason.
"""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from millrace.config.data import DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import cells, compression, count_kernels, dialects
from millrace.ingestion.blocks import Block, Markers, Table
from millrace.ingestion.delimited import DelimitedTable
from millrace.ingestion.formats import Evidence
from millrace.ingestion.hive_partitions import PartitionedTable, keys
from millrace.ingestion.json_lines import JsonLinesTable
from millrace.ingestion.parquet import ParquetTable
from millrace.tfrecord.examples import strings

Array = np.ndarray[Any, Any]

# So few columns suggest that the delimiter or the header was not recognized.
FEW = 2


def open_table(path: Path, data: DataConfig) -> Table:
    """Opens a raw file, whose format is detected by its content; `data` is `data` of the config.

    Keys of its `key=value` folders become columns, unless the file has columns of these names.
    Raises MillraceError when it cannot be read, or has two columns of the same name.
    """
    table = open_file(path, data)
    if duplicates := [name for name, count in Counter(table.names).items() if count > 1]:
        raise MillraceError(
            f"{path}: expected different column names, found {duplicates} more than once.",
            note="rename them in the file, or give all names under data.header, with "
            "`skip_lines: 1` for the line that has them now.",
        )
    constants = {key: value for key, value in keys(path).items() if key not in table.names}
    return PartitionedTable(table, constants) if constants else table


def open_file(path: Path, data: DataConfig) -> Table:
    """Opens a raw file like `open_table`, without the keys of its folders."""
    if compression.container(path) == "parquet":
        return ParquetTable(path, data.exclude)
    dialect = dialects.detect(
        path,
        data.delimiter,
        data.encoding,
        _skip_lines(path, data.skip_lines),
        data.escape,
        "" if data.quote == "none" else data.quote,
        0 if isinstance(data.header, bool) else len(data.header),
    )
    start = next(dialects.chunks(path, dialect, 1 << 10)).lstrip()
    if start.startswith(b"{"):
        return JsonLinesTable(path, dialect)
    if start.startswith(b"[") and start[1:].lstrip().startswith(b"{"):
        raise MillraceError(
            f"{path}: expected one JSON object per line, found an array of them.",
            note="`jq -c '.[]'` writes one per line.",
        )
    return DelimitedTable(path, dialect, data.header)


def _skip_lines(path: Path, given: int | Mapping[str, int]) -> int:
    """Returns the number of lines before the table in a file."""
    if isinstance(given, int):
        return given
    return given.get(path.as_posix(), given.get(path.name, 0))


def open_tables(paths: Sequence[Path], data: DataConfig) -> list[Table]:
    """Opens the raw files of a job; raises MillraceError unless all have the same columns."""
    skipped = () if isinstance(data.skip_lines, int) else data.skip_lines
    known = {name for path in paths for name in (path.as_posix(), path.name)}
    if unknown := set(skipped) - known:
        raise MillraceError(
            f"data.skip_lines: expected files out of data.files, found {sorted(unknown)}.",
            note="name each file by its path or name under data.files.",
        )
    tables = [open_table(path, data) for path in paths]
    first = tables[0]
    for table in tables[1:]:
        if set(table.names) != set(first.names):
            missing = [name for name in first.names if name not in table.names]
            more = [name for name in table.names if name not in first.names]
            raise MillraceError(
                f"{table.path}: expected the columns of {first.path}, "
                f"found {missing or 'none'} missing and {more or 'none'} added.",
                note="rename the columns so that all files agree, or list only files of one table.",
            )
    return tables


def most_like(name: str, names: Sequence[str]) -> str:
    """Returns a list of the most similar column names, for an error message."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:10]
    return ", ".join(map(repr, near)) + (" …" if len(near) < len(names) else "")


def check_column(name: str, names: Sequence[str], where: str) -> None:
    """Raises MillraceError, with the most similar names, unless the table has this column."""
    if name in names:
        return
    raise MillraceError(
        f"{where}: expected a column of the table, found {name!r}.",
        note=f"the table has {most_like(name, names)}"
        # Lines before the header, or an unusual delimiter, give few columns.
        + ("; check data.skip_lines and data.delimiter" if len(names) <= FEW else ""),
    )


class Census:
    """Counts the cells of each column by class, over the rows with the right number of cells.

    Attributes:
      rows: the number of rows, with any number of cells.
      evidence: by column with cells that are not plain numbers or times, the formats that may fit.
      markers: by column, the number of cells with each text that means missing, except empty ones.
      rounded: by column, the number of whole numbers that float32 cannot represent.
      cut: by column, the number of other numbers with more digits than a double.

    Args:
      names: the columns.
      given: the decimal and thousands separators in the config, each None if not given.
    """

    def __init__(
        self, names: Sequence[str], given: tuple[str | None, str | None] = (None, None)
    ) -> None:
        self.names = names
        self._counts = {name: np.zeros(cells.CLASSES, np.int64) for name in names}
        self._given = given
        self.rows = 0
        self.rounded: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.evidence: dict[str, Evidence] = {}
        self.markers: dict[str, Counter[str]] = {}

    def __getitem__(self, name: str) -> Array:
        """Returns the number of a column's cells by class: int64 [cells.CLASSES]."""
        return self._counts[name]

    def present(self, name: str) -> int:
        """Returns the number of a column's cells that are not missing."""
        return int(self[name].sum() - self[name][cells.MISSING])

    def add(self, table: Table, block: Block) -> None:
        seen = np.zeros((len(table.names), cells.CLASSES), np.int64)
        whole_rows = block.counts == len(table.names)
        rounded = np.zeros(len(table.names), np.int64)
        count_kernels.count_classes(block.classes, block.values, whole_rows, seen, rounded)
        for index, name in enumerate(table.names):
            if not table.has_types:
                self._look(name, block, index, whole_rows, seen[index])
            if seen[index, cells.MISSING]:
                self._count_markers(name, block, index, whole_rows)
            self._counts[name] += seen[index]
            self.rounded[name] += int(rounded[index])
            if seen[index, cells.PRECISE] or seen[index, cells.LONG]:
                lost = count_kernels.count_lost_digits(
                    block.data, block.spans[index], block.classes[index], whole_rows
                )
                self.rounded[name] += lost[0]
                self.cut[name] += lost[1]
        self.rows += len(block.counts)

    def _look(self, name: str, block: Block, index: int, taken: Array, seen: Array) -> None:
        if name not in self.evidence:
            odd = seen[cells.TEXT]
            if self._given != (None, None):  # with these separators 1.234 may be another number
                odd += seen[cells.FLOAT] + seen[cells.PRECISE]
            if not odd:
                return
            self.evidence[name] = Evidence(self._given)
            before = self._counts[name]
            fractions = int(before[cells.FLOAT] + before[cells.PRECISE])
            self.evidence[name].add_plain(int(before[cells.INT]), fractions)
        classes = block.classes[index]
        if block.fractions is not None:
            fractions = block.fractions[index] & (classes != cells.MISSING)
            self.evidence[name].add_plain(0, int((fractions & taken).sum()))
            taken = taken & ~fractions
        self.evidence[name].add(block.data, block.spans[index], classes, taken)

    def _count_markers(self, name: str, block: Block, index: int, taken: Array) -> None:
        spans = block.spans[index]
        marked = taken & (block.classes[index] == cells.MISSING) & (spans[:, 1] > spans[:, 0])
        if marked.any():
            texts = strings(block.data, spans, marked).drop_null()
            counted = texts.value_counts().to_pylist()
            found = self.markers.setdefault(name, Counter())
            found.update({entry["values"]: entry["counts"] for entry in counted})


def census(
    tables: Sequence[Table],
    markers: Markers,
    first: bool = False,
    given: tuple[str | None, str | None] = (None, None),
) -> Census:
    """Counts the cells of all tables, or of the `first` block that has rows."""
    found = Census(tables[0].names, given)
    for table in tables:
        for block in table.blocks(markers, {}):
            found.add(table, block)
            if first and found.rows:
                return found
    return found
