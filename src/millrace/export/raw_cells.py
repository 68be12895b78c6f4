"""Reads the cells of a raw file again, with readers other than ingest's.

These are Python's csv and json modules and pyarrow, while ingest has its own readers. So the
certificate also checks ingest.
"""

from __future__ import annotations

import csv
import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from millrace.config.data import DataConfig
from millrace.features.feature_columns.lookup import SPACES
from millrace.features.raw_row import RawColumn, raw_columns
from millrace.ingestion import (
    compression,
    dialects,
    formats,
    hive_partitions,
    origins,
    tables,
)
from millrace.ingestion.delimited import DelimitedTable
from millrace.ingestion.json_lines import JsonLinesTable

CHUNK_BYTES = 1 << 20

# Later rows are not read again, because Python's csv module only reads a million cells a second.
LAST_ROW = 200_000

TIMES = ("date", "timestamp")

Row = dict[str, Any]


class Place(NamedTuple):
    """A row of a raw file, by its number from 1 without the header."""

    file: str
    row: int


def replace_cells(
    drawn: pd.DataFrame,
    rows: np.ndarray,
    split_rows: int,
    examples: Path,
    data: DataConfig,
    columns: Sequence[RawColumn],
) -> tuple[pd.DataFrame, list[Place | None]]:
    """Replaces the cells that ingest stored by those of the raw files.

    A cell that only Parquet or JSON can hold, such as a list, is kept as stored: the application
    parses it. A stored time is written in the column's format.

    Args:
        drawn: examples of the test split, from `read_cells`.
        rows: their indices in the split, int64 [n].
        split_rows: the number of examples in the split.
        examples: the directory that gather wrote.
        data: the `data` section of the config.
        columns: the raw columns that the model takes.

    Returns:
        The cells, and the position of each row; None if it was not read again.
    """
    places = origins.read(examples, "test", split_rows).take(rows).to_pylist()
    wanted: dict[str, set[int]] = defaultdict(set)
    for place in places:
        wanted[place["file"]].add(place["row"])
    found = {
        (file, number): row
        for file, numbers in wanted.items()
        for number, row in read_rows(Path(file), data, numbers)
    }
    cells = {column.name: _as_written(drawn[column.name], column) for column in columns}
    taken = np.array([(place["file"], place["row"]) in found for place in places], bool)
    for index in np.flatnonzero(taken).tolist():
        row = found[places[index]["file"], places[index]["row"]]
        for column in columns:
            cell = row.get(column.name)
            if _is_plain(cell, column):
                cells[column.name][index] = as_sent(cell, column)
    table = pd.DataFrame({name: pd.Series(x, dtype=object) for name, x in cells.items()})
    return table, [
        Place(place["file"], place["row"]) if found_there else None
        for place, found_there in zip(places, taken, strict=True)
    ]


def read_rows(path: Path, data: DataConfig, wanted: Collection[int]) -> Iterator[tuple[int, Row]]:
    """Yields rows of a raw file with their numbers, from 1 without the header.

    Stops at the first row that has another number of cells than columns, or that the readers here
    parse differently, because the numbers of later rows would then depend on ingest's rules.
    """
    keys = hive_partitions.keys(path)
    last = max((number for number in wanted if number <= LAST_ROW), default=0)
    for number, row in enumerate(_rows(path, data), start=1):
        if number > last or row is None:
            return
        if number in wanted:
            yield number, {**keys, **row}


def _rows(path: Path, data: DataConfig) -> Iterator[Row | None]:
    if compression.container(path) == "parquet":
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(use_threads=False):
            yield from batch.to_pylist()
        return
    table = tables.open_file(path, data)
    if isinstance(table, JsonLinesTable):
        yield from _json_rows(table)
    elif isinstance(table, DelimitedTable):
        yield from _csv_rows(table, data.header is True)


def _json_rows(table: JsonLinesTable) -> Iterator[Row | None]:
    for line in _lines(table.path, table.dialect):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield row if isinstance(row, dict) else None


def _csv_rows(table: DelimitedTable, has_header: bool) -> Iterator[Row | None]:
    dialect = table.dialect
    reader = csv.reader(
        _lines(table.path, dialect),
        delimiter=dialect.delimiter,
        escapechar=dialect.escape or None,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    rows = (row for row in reader if row)
    try:
        if has_header:
            next(rows, None)
        for row in rows:
            # The csv module treats a quote after a space as text.
            quote = dialect.quote
            is_odd = quote and any(x[:1] == " " and x.lstrip(" ")[:1] == quote for x in row)
            is_whole = len(row) == len(table.names) and not is_odd
            yield dict(zip(table.names, row, strict=True)) if is_whole else None
    except csv.Error:
        yield None


def _lines(path: Path, dialect: dialects.Dialect) -> Iterator[str]:
    """Yields the lines of a text file with their ends, decompressed."""
    rest = b""
    for chunk in dialects.chunks(path, dialect, CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield (line + b"\n").decode(errors="backslashreplace")
    if rest:
        yield rest.decode(errors="backslashreplace")


def as_sent(cell: Any, column: RawColumn) -> Any:
    """Returns a raw cell as an application sends it: a number parsed by Python, or text."""
    way = formats.of_column(column)
    if isinstance(cell, datetime.date):
        return _write(cell, way)
    if cell is None or column.type in TIMES or (isinstance(cell, str) and way):
        return cell
    if not column.is_number:
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell


def _as_written(stored: pd.Series, column: RawColumn) -> list[Any]:
    """Returns stored cells as an application sends them: times in the column's format."""
    way = formats.of_column(column)
    if not isinstance(way, formats.TimeFormat):
        return list(stored)
    return [
        _write(datetime.datetime.fromisoformat(x), way) if isinstance(x, str) else x for x in stored
    ]


def _write(time: datetime.date, way: formats.Format | None) -> str:
    if not isinstance(way, formats.TimeFormat):
        return time.isoformat()
    if not isinstance(time, datetime.datetime):
        time = datetime.datetime(time.year, time.month, time.day)
    elif time.tzinfo:
        time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    return way.write(time)


def _is_plain(cell: Any, column: RawColumn) -> bool:
    """Returns whether a cell is text, or a number or time in a column of those."""
    if cell is None or isinstance(cell, str):
        return True
    # Seconds since 1970 are numbers to JSON.
    numbers = (int, float, Decimal) if column.type not in TIMES or column.format else ()
    kinds = (datetime.date, *numbers) if column.type in TIMES else numbers
    return column.is_number and isinstance(cell, kinds)


def as_columns(
    cells: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> dict[str, np.ndarray]:
    """Returns raw cells [n] by column as the models take them, see `raw_row.raw_columns`.

    Numbers and times in a format of their own are parsed as ingest parses them.
    """
    return raw_columns(pd.DataFrame(parse(cells, columns)), columns)


def parse(cells: Mapping[str, np.ndarray], columns: Iterable[RawColumn]) -> dict[str, np.ndarray]:
    """Returns raw cells [n] by column, those in a format of their own as numbers and ISO 8601."""
    return {column.name: _parsed(cells[column.name], column) for column in columns}


def _parsed(cells: np.ndarray, column: RawColumn) -> np.ndarray:
    way = formats.of_column(column)
    if way is None:
        return cells
    found, texts = cells.copy(), {}
    for index, cell in enumerate(cells.tolist()):
        is_text = isinstance(cell, str) or (column.type in TIMES and cell is not None)
        text = str(cell).strip(SPACES) if is_text else ""
        if text and text not in column.markers:
            texts[index] = text.encode()
    found[list(texts)] = as_cells(formats.read_texts(list(texts.values()), way))
    return found


def as_cells(values: Iterable[Any]) -> np.ndarray:
    """Returns cells of any kind as an array of objects."""
    cells = list(values)
    array = np.empty(len(cells), object)
    array[:] = cells
    return array


def is_helped(cell: Any, column: RawColumn) -> bool:
    """Returns whether an application has to convert a cell before passing it on."""
    if column.type in TIMES or column.max_length:
        return cell is not None
    if column.is_number:
        return isinstance(cell, str)
    if cell is None or column.missing is None:
        return False
    text = cell.strip(SPACES)
    if column.takes_cells:
        return bool(cell.removeprefix(" ").removesuffix(" ") != text)
    return bool(cell != text or text in column.markers)
