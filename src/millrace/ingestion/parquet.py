"""Parquet files, read as a stream of blocks."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError
from millrace.ingestion import cells, csv_kernels
from millrace.ingestion.blocks import Block, Markers, classify
from millrace.tfrecord.examples import string_buffers

# Kinds of values with an integer behind them: what they are, the type that has the unit we want,
# and the type of the integer in it.
_INTEGERS: list[tuple[Callable[[pa.DataType], bool], int, pa.DataType, pa.DataType]] = [
    (pa.types.is_boolean, cells.BOOL, pa.int64(), pa.int64()),
    (pa.types.is_integer, cells.INT, pa.int64(), pa.int64()),
    (pa.types.is_date, cells.DATE, pa.date32(), pa.int32()),
    (pa.types.is_timestamp, cells.TIMESTAMP, pa.timestamp("us"), pa.int64()),
]

ROWS_PER_BLOCK = 1 << 16
CELLS_PER_BLOCK = 1 << 20

Array = np.ndarray[Any, Any]


class ParquetTable:
    """A Parquet file. `names` are its columns', in their order.

    Raises MillraceError when the file is damaged, or a column that is not in `exclude` holds
    something else than numbers, text or times.
    """

    has_types = True

    def __init__(self, path: Path, exclude: Collection[str]) -> None:
        self.path = path
        with _damage_named(str(path)):
            # With pre_buffer, memory grows with the file.
            self._file = pq.ParquetFile(path, pre_buffer=False)
        fields = self._file.schema_arrow
        self.names: list[str] = fields.names
        for field in fields:
            if field.name not in exclude and not _is_supported(field.type):
                raise MillraceError(
                    f"{path}: column {field.name!r}: expected numbers, text or times, "
                    f"found {field.type}.",
                    note="leave it out with data.exclude, or flatten it first.",
                )

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields the rows. `types` are those that columns will get, as far as they are known."""
        most = max(1, min(ROWS_PER_BLOCK, CELLS_PER_BLOCK // max(1, len(self.names))))
        row = 1
        with _damage_named(str(self.path)):
            # A thread for each column would take twice the CPU, and cores that are other jobs'.
            for batch in self._file.iter_batches(most, use_threads=False):
                yield _block(batch, row, markers, types)
                row += batch.num_rows


@contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    # Pyarrow lets UnicodeDecodeError through, where it is a column's name that is damaged.
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's own fault
        raise MillraceError(
            f"{path}: expected Parquet data, found a damaged file ({error})."
        ) from None


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return any(
        check(type_)
        for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _is_supported(type_: pa.DataType) -> bool:
    return (
        _is_text(type_)
        or pa.types.is_dictionary(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
        or pa.types.is_decimal(type_)
        or pa.types.is_boolean(type_)
        or pa.types.is_date(type_)
        or pa.types.is_timestamp(type_)
        or pa.types.is_null(type_)
    )


def _block(batch: pa.RecordBatch, first_row: int, markers: Markers, types: dict[str, str]) -> Block:
    columns = [
        _text_cells(column, name, types.get(name, "string"), markers)
        if _is_text(column.type) or types.get(name) == "string"
        else _native_cells(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    starts = np.cumsum([0, *(len(data) for data, *_ in columns)])
    return Block(
        np.concatenate([data for data, *_ in columns]),
        np.stack([spans + start for (_, spans, *_), start in zip(columns, starts, strict=False)]),
        np.stack([classes for _, _, classes, _ in columns]),
        np.stack([values for *_, values in columns]),
        np.full(batch.num_rows, len(columns), np.int64),
        first_row,
        lambda row: _as_json(batch.slice(row, 1)),
        lambda row: None,
    )


def _as_json(row: pa.RecordBatch) -> str:
    """Returns a row as JSON, in which what is no UTF-8 stays visible, as \\\\xNN."""
    cells = {
        name: (column.cast(pa.binary()) if _is_text(column.type) else column)[0].as_py()
        for name, column in zip(row.schema.names, row.columns, strict=True)
    }
    readable = {
        name: cell.decode("utf-8", errors="backslashreplace") if isinstance(cell, bytes) else cell
        for name, cell in cells.items()
    }
    return json.dumps(readable, ensure_ascii=False, default=str)


def _text_cells(
    column: pa.Array, name: str, kind: str, markers: Markers
) -> tuple[Array, Array, Array, Array]:
    """Returns a text column's bytes and its cells' spans, classes and values."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    offsets, data = string_buffers(column.cast(pa.string()))
    spans = np.stack([offsets[:-1], offsets[1:]], axis=1)[None]
    csv_kernels.strip_cells(data, spans)
    # Text that looks like a number is text, unless the config says otherwise.
    classes, values = classify(data, spans, markers, [name], {name: kind})
    classes[0, ~valid] = cells.MISSING
    return data, spans[0], classes[0], values[0]


def _native_cells(column: pa.Array) -> tuple[Array, Array, Array, Array]:
    """As `_text_cells`; the bytes of a cell are those of its value, for hashing alone.

    What is no number and no time, in a column that no example will hold, counts as missing.
    """
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    classes = np.full(len(column), cells.MISSING, np.uint8)
    values = np.zeros(len(column), np.int64)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        valid = valid & ~np.isnan(numbers)
        values = numbers.view(np.int64)
        classes[:] = np.where(np.isinf(numbers), cells.INFINITE, cells.FLOAT)
    for check, kind, unit, integer in _INTEGERS:
        if check(column.type):
            integers = column.cast(unit, safe=False).view(integer).cast(pa.int64()).fill_null(0)
            values = integers.to_numpy(zero_copy_only=False)
            classes[:] = kind
    classes[~valid] = cells.MISSING
    starts = 8 * np.arange(len(values), dtype=np.int64)
    spans = np.stack([starts, starts + 8 * valid], axis=1)
    return np.ascontiguousarray(values).view(np.uint8), spans, classes, values
