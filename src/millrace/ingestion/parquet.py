"""Reads Parquet files as a stream of blocks."""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.errors import MillraceError
from millrace.ingestion import cells, csv_kernels
from millrace.ingestion.blocks import Block, Lines, Markers, classify
from millrace.tfrecord.examples import string_buffers

# Microseconds per unit of time; nanoseconds are divided instead.
_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}

# pandas' name for an unnamed index.
_INDEX = re.compile(r"__index_level_\d+__")

ROWS_PER_BLOCK = 1 << 16
CELLS_PER_BLOCK = 1 << 20
TEXT_BYTES_PER_BLOCK = 1 << 27  # of one column

Array = np.ndarray[Any, Any]


class ParquetTable:
    """A Parquet file. `names` are its columns', in their order.

    Raises MillraceError when the file is damaged, or a column that is not in `exclude` holds
    something else than numbers, text or times.
    """

    has_types = True
    guess = ""
    lines: Lines | None = None

    def __init__(self, path: Path, exclude: Collection[str]) -> None:
        self.path = path
        with _damage_named(str(path)):
            # With pre_buffer, memory grows with the file.
            file = pq.ParquetFile(path, pre_buffer=False)
            fields, metadata = file.schema_arrow, file.metadata
            file.close()
            # Which columns are written as indices into a list of values is left unread: on some
            # damaged files pyarrow ends the process when asked about a column's chunk.
            text = [field.name for field in fields if _is_text(field.type)]
            self._file = pq.ParquetFile(
                path, pre_buffer=False, metadata=metadata, read_dictionary=text
            )
        self.names: list[str] = fields.names
        stored = (fields.pandas_metadata or {}).get("index_columns", [])
        # A range is an object, not a column.
        self.index = tuple(name for name in self.names if name in stored or _INDEX.fullmatch(name))
        for field in fields:
            if field.name not in exclude and not _is_supported(field.type):
                raise MillraceError(
                    f"{path}: column {field.name!r}: expected numbers, text or times, "
                    f"found {field.type}.",
                    note="leave it out with data.exclude, or flatten it in a .sql file under"
                    " data.files: array_to_string(tags, '|') makes a list a text that a feature of"
                    " kind sequence takes apart, and (place).x is a field.",
                )

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields the rows; `types` are the columns' types, as far as they are known."""
        most = max(1, min(ROWS_PER_BLOCK, CELLS_PER_BLOCK // max(1, len(self.names))))
        row = 1
        with _damage_named(str(self.path)):
            # A thread per column would take twice the CPU time, and cores from other jobs.
            for whole in self._file.iter_batches(most, use_threads=False):
                for batch in _bounded(whole):
                    yield _block(batch, row, markers, types)
                    row += batch.num_rows


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Splits a batch so that its decoded text fits into memory: a dictionary page of ten kilobytes
    can decode to gigabytes."""
    half = batch.num_rows // 2
    if half and any(map(_is_large, batch.columns)):
        yield from _bounded(batch.slice(0, half))
        yield from _bounded(batch.slice(half))
    else:
        yield batch


def _is_large(column: pa.Array) -> bool:
    if not (pa.types.is_dictionary(column.type) and _is_text(column.type)):
        return False
    lengths = pc.binary_length(column.dictionary)
    if len(column) * (pc.max(lengths).as_py() or 0) <= TEXT_BYTES_PER_BLOCK:
        return False
    return bool((pc.sum(lengths.take(column.indices)).as_py() or 0) > TEXT_BYTES_PER_BLOCK)


@contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    # Pyarrow raises UnicodeDecodeError if the name of a column is damaged.
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the file's content
        raise MillraceError(
            f"{path}: expected Parquet data, found a damaged file ({error}).",
            note="replace the file by a whole copy.",
        ) from None


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return any(
        check(type_)
        for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _is_supported(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_supported(type_.value_type)
    return (
        _is_text(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
        or pa.types.is_decimal(type_)
        or pa.types.is_boolean(type_)
        or pa.types.is_date(type_)
        or pa.types.is_timestamp(type_)
        or pa.types.is_time(type_)
        or pa.types.is_duration(type_)
        or pa.types.is_null(type_)
    )


def _block(batch: pa.RecordBatch, first_row: int, markers: Markers, types: dict[str, str]) -> Block:
    columns = [
        _cells(column, name, types, markers)
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
    """Returns a row as JSON; invalid UTF-8 stays visible as \\\\xNN."""
    cells = {
        name: _plain(column.cast(pa.binary()) if _is_text(column.type) else column)
        for name, column in zip(row.schema.names, row.columns, strict=True)
    }
    readable = {
        name: cell.decode("utf-8", errors="backslashreplace") if isinstance(cell, bytes) else cell
        for name, cell in cells.items()
    }
    return json.dumps(readable, ensure_ascii=False, default=str)


def _plain(column: pa.Array) -> Any:
    """Returns a column's first value as a Python object, or as text if there is none for it."""
    try:
        return column[0].as_py()
    except (OverflowError, ValueError):
        return column.cast(pa.string())[0].as_py()


def _text_cells(
    column: pa.Array, name: str, kind: str, markers: Markers
) -> tuple[Array, Array, Array, Array]:
    """Returns the bytes of a text column, and the spans, classes and values of its cells."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    offsets, data = string_buffers(column.cast(pa.string()))
    spans = np.stack([offsets[:-1], offsets[1:]], axis=1)[None]
    csv_kernels.strip_cells(data, spans)
    # Text that looks like a number is text, unless the config says otherwise.
    classes, values = classify(data, spans, markers, [name], {name: kind})
    classes[0, ~valid] = cells.MISSING
    return data, spans[0], classes[0], values[0]


def _cells(
    column: pa.Array, name: str, types: dict[str, str], markers: Markers
) -> tuple[Array, Array, Array, Array]:
    if pa.types.is_dictionary(column.type) and not _is_text(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type) or types.get(name) == "string":
        return _text_cells(column, name, types.get(name, "string"), markers)
    if column.type == pa.uint64() or pa.types.is_decimal(column.type):
        # May exceed int64 or double: classified by their text, like the cells of a CSV.
        return _text_cells(column, name, types.get(name, "int64"), markers)
    return _native_cells(column, markers.of_column(name))


def _native_cells(column: pa.Array, markers: Markers) -> tuple[Array, Array, Array, Array]:
    """Returns the same as `_text_cells`; the bytes of a cell are those of its value, for hashing.

    Columns of other types, which must be excluded from the examples, count as missing.
    """
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    kind, values = _values(column)
    classes = np.full(len(column), kind, np.uint8)
    if kind == cells.FLOAT:
        numbers = values.view(np.float64)
        valid = valid & ~np.isnan(numbers)
        classes[np.isinf(numbers)] = cells.INFINITE
        valid &= ~np.isin(numbers, markers.numbers())
    elif kind == cells.INT:
        valid = valid & ~np.isin(values, markers.numbers())
    classes[~valid] = cells.MISSING
    starts = 8 * np.arange(len(values), dtype=np.int64)
    spans = np.stack([starts, starts + 8 * valid], axis=1)
    return np.ascontiguousarray(values).view(np.uint8), spans, classes, values


def _values(column: pa.Array) -> tuple[int, Array]:
    """Returns the class of a column's cells and their values, as in cells.classify: int64 [rows].

    Times of day and durations are seconds.
    """
    type_ = column.type
    if pa.types.is_floating(type_):
        numbers = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        return cells.FLOAT, numbers.view(np.int64)
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_):
        kind = cells.BOOL if pa.types.is_boolean(type_) else cells.INT
        return kind, column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(type_):
        return cells.DATE, _integers(column)
    if pa.types.is_date64(type_):
        return cells.DATE, _integers(column) // 86_400_000
    if pa.types.is_timestamp(type_):
        return cells.TIMESTAMP, _microseconds(_integers(column), type_.unit)
    if pa.types.is_time(type_) or pa.types.is_duration(type_):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit]
        return cells.FLOAT, (_integers(column) / per_second).view(np.int64)
    return cells.MISSING, np.zeros(len(column), np.int64)


def _integers(column: pa.Array) -> Array:
    """Returns the stored integers of a column of times, 0 for missing: int64 [rows]."""
    width = pa.int32() if column.type.bit_width == 32 else pa.int64()
    integers = column.view(width).cast(pa.int64()).fill_null(0)
    return integers.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _microseconds(integers: Array, unit: str) -> Array:
    if unit == "ns":
        return integers // 1000
    # Clipped values are beyond the year 9999, and are rejected later.
    most = np.iinfo(np.int64).max // _MICROSECONDS[unit]
    return np.clip(integers, -most, most) * _MICROSECONDS[unit]
