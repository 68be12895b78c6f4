"""Tables as tf.train.Example in TFRecord files, written and read without TensorFlow.

A value is a list of one item; a missing value is an absent key. Keys are sorted, so the bytes equal
protobuf's deterministic serialization and depend on the rows alone.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace import tfrecord
from millrace.artifacts.account import Shard
from millrace.errors import MillraceError
from millrace.tfrecord import byte_kernels, decoding, encoding, framing
from millrace.tfrecord.framing import Bytes, Records

ARROW_TYPES = {
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}

# The number of batches that are parsed in parallel.
THREADS = 2

_KINDS = {
    "int64": tfrecord.INT,
    "bool": tfrecord.INT,
    "float32": tfrecord.FLOAT,
    "float64": tfrecord.FLOAT,
}
_KIND_NAMES = {
    tfrecord.FLOAT: "a float_list",
    tfrecord.INT: "an int64_list",
    tfrecord.BYTES: "a bytes_list",
}

_PROBLEMS = {
    decoding.NOT_AN_EXAMPLE: "expected a tf.train.Example, found other data",
    decoding.SEVERAL_VALUES: "expected one value, found several",
}

_SHARD_NAME = re.compile(r"-(\d{5})-of-(\d{5})\.tfrecord(\.gz)?$")

Array = np.ndarray[Any, Any]


class _Layout(NamedTuple):
    """Where the kernels find each column, in the order of the keys; see millrace.tfrecord."""

    names: list[str]
    keys: Array
    key_ends: Array
    kinds: Array
    slots: Array

    def count(self, kind: int) -> int:
        return int((self.kinds == kind).sum())


def _layout(kinds: dict[str, int]) -> _Layout:
    names = sorted(kinds, key=str.encode)
    encoded = [name.encode() for name in names]
    slots, used = [], {tfrecord.FLOAT: 0, tfrecord.INT: 0, tfrecord.BYTES: 0}
    for name in names:
        slots.append(used[kinds[name]])
        used[kinds[name]] += 1
    return _Layout(
        names,
        np.frombuffer(b"".join([*encoded, bytes(byte_kernels.WORD_BYTES)]), np.uint8),
        np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        np.array([kinds[name] for name in names], np.int64),
        np.array(slots, np.int64),
    )


def arrow_schema(types: Mapping[str, str]) -> pa.Schema:
    """Returns the Arrow schema of a table with columns of these types."""
    return pa.schema([(name, ARROW_TYPES[type_]) for name, type_ in types.items()])


def stored(column: pa.Array) -> pa.Array:
    """Converts a column to the types of tf.train.Example: float32, int64, or UTF-8.

    Dates become ISO 8601 (2013-01-31); timestamps become ISO 8601 in UTC, with microseconds only if
    they are not zero (2013-01-31T08:30:00Z, 2013-01-31T08:30:00.250000Z).
    """
    if pa.types.is_floating(column.type):
        return column.cast(pa.float32(), safe=False)
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.int64())
    if pa.types.is_timestamp(column.type):
        text = pc.strftime(column.cast(ARROW_TYPES["timestamp"]), format="%Y-%m-%dT%H:%M:%SZ")
        return pc.replace_substring(text, ".000000Z", "Z")
    return column.cast(pa.string())


def serialize(batch: pa.RecordBatch) -> Bytes:
    """Returns the rows as TFRecord bytes, one tf.train.Example each: uint8 [bytes]."""
    return Serializer(batch).records(np.arange(batch.num_rows))


class Serializer:
    """The rows of a record batch, laid out for the kernels; see millrace.tfrecord."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        columns = {name: stored(batch.column(name)) for name in batch.schema.names}
        self._layout = _layout({name: _kind(column.type) for name, column in columns.items()})
        rows = batch.num_rows
        self._valid = np.empty((len(columns), rows), np.bool_)
        self._floats = np.empty((self._layout.count(tfrecord.FLOAT), rows), np.float32)
        self._ints = np.empty((self._layout.count(tfrecord.INT), rows), np.int64)
        self._spans = np.empty((self._layout.count(tfrecord.BYTES), rows, 2), np.int64)
        texts: list[Array] = []
        self._text_bytes = 0
        for index, name in enumerate(self._layout.names):
            self._valid[index] = columns[name].is_valid().to_numpy(zero_copy_only=False)
            self._fill(index, columns[name], texts)
        self._text = np.concatenate([*texts, np.zeros(byte_kernels.WORD_BYTES, np.uint8)])
        self._sizes = encoding.body_sizes(*self._columns, self._ints, self._spans)

    def records(self, rows: Array) -> Bytes:
        """Returns these rows (int64 [n]), in that order, as TFRecord bytes: uint8 [bytes]."""
        size = self._sizes[rows].sum() + len(rows) * tfrecord.LARGEST_OVERHEAD
        out = np.empty(size + byte_kernels.WORD_BYTES, np.uint8)
        end = encoding.put_records(
            self._layout.keys,
            *self._columns,
            self._floats.view(np.uint32),
            self._ints,
            self._spans,
            self._text,
            self._sizes,
            rows,
            out,
        )
        return out[:end]

    @property
    def _columns(self) -> tuple[Array, Array, Array, Array]:
        return self._layout.key_ends, self._layout.kinds, self._layout.slots, self._valid

    def _fill(self, index: int, column: pa.Array, texts: list[Array]) -> None:
        """Copies the cells of a column into its matrix; text is appended to `texts`."""
        kind, slot = self._layout.kinds[index], self._layout.slots[index]
        if kind == tfrecord.BYTES:
            offsets, text = string_buffers(column)
            offsets += self._text_bytes
            self._text_bytes += len(text)
            self._spans[slot, :, 0], self._spans[slot, :, 1] = offsets[:-1], offsets[1:]
            texts.append(text)
        else:
            matrix = self._floats if kind == tfrecord.FLOAT else self._ints
            matrix[slot] = column.fill_null(0).to_numpy(zero_copy_only=False)


def _kind(stored_type: pa.DataType) -> int:
    if pa.types.is_string(stored_type):
        return tfrecord.BYTES
    return tfrecord.FLOAT if pa.types.is_floating(stored_type) else tfrecord.INT


def string_buffers(column: pa.Array) -> tuple[Array, Array]:
    """Returns a string column's offsets (int64 [rows + 1], from 0) and bytes (uint8)."""
    _, offsets_buffer, data_buffer = column.buffers()
    window = slice(column.offset, column.offset + len(column) + 1)
    offsets = np.frombuffer(offsets_buffer, np.int32)[window].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)
    return offsets - offsets[0], data[offsets[0] : offsets[-1]]


def shard_name(split: str, index: int, count: int, suffix: str = "") -> str:
    """Returns the file name of a shard of a split; `suffix` is .gz for a compressed one."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord{suffix}"


def shard_paths(examples: Path, split: str) -> list[Path]:
    """Returns the shards of a split in their order.

    Raises MillraceError when there are none, or one of them is missing.
    """
    paths = sorted(examples.glob(f"{split}-*-of-*.tfrecord*"))
    match = _SHARD_NAME.search(paths[0].name) if paths else None
    count, suffix = (int(match[2]), match[3] or "") if match else (1, "")
    expected = [examples / shard_name(split, index, count, suffix) for index in range(count)]
    if paths != expected:
        raise MillraceError(
            f"{examples}: expected {count} shards of {split} ({expected[0].name} …), "
            f"found {[path.name for path in paths[:5]]}.",
            note="run the ingest stage again.",
        )
    return paths


def check_counts(examples: Path, written: Sequence[Shard], rows: int) -> None:
    """Raises MillraceError unless a split has as many rows as ingest wrote to its shards.

    This finds a file that was cut off exactly between two records, which looks complete. `written`
    lists the shards as in ingest.json.
    """
    if rows == sum(shard.rows for shard in written):
        return
    for shard in written:
        path = examples / shard.file
        found = framing.count([path])
        if found != shard.rows:
            raise MillraceError(
                f"{path}: record {min(found, shard.rows)}: expected {shard.rows:,} records, "
                f"found {found:,}.",
                note="it is damaged: run the gather stage again.",
            )


def read_batches(
    paths: Sequence[Path], types: Mapping[str, str], rows: Array | None = None
) -> Iterator[pa.RecordBatch]:
    """Yields the examples of TFRecord files as record batches with columns of these types.

    A missing value is null. `types` may name a subset of the columns; the others are skipped.
    `rows` (int64 [n], ascending) selects examples, counted from 0 over all files; None reads all.
    Raises MillraceError, naming file and record, when a file is damaged or holds something else.
    """
    layout = _layout({name: _KINDS.get(kind, tfrecord.BYTES) for name, kind in types.items()})
    fields = arrow_schema(types)
    waiting = deque[Future[pa.RecordBatch]]()
    # Threads help because the kernels release the GIL.
    with ThreadPoolExecutor(THREADS) as executor:
        for path, records in _chosen(paths, rows):
            waiting.append(executor.submit(_parse, path, records, layout, fields))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chosen(paths: Sequence[Path], rows: Array | None) -> Iterator[tuple[Path, Records]]:
    """Yields the selected records with their file."""
    before = 0
    for path in paths:
        for records in framing.read(path):
            end = before + len(records.spans)
            if rows is not None:
                first, last = np.searchsorted(rows, [before, end])
                wanted = rows[first:last] - before
                records = Records(records.data, records.spans[wanted], records.numbers[wanted])
            before = end
            if len(records.spans):
                yield path, records


def _parse(path: Path, records: Records, layout: _Layout, fields: pa.Schema) -> pa.RecordBatch:
    data, rows = records.data, len(records.spans)
    valid = np.zeros((len(layout.names), rows), np.bool_)
    floats = np.zeros((layout.count(tfrecord.FLOAT), rows), np.uint32)
    ints = np.zeros((layout.count(tfrecord.INT), rows), np.int64)
    spans = np.zeros((layout.count(tfrecord.BYTES), rows, 2), np.int64)
    table = (layout.keys, layout.key_ends, layout.kinds, layout.slots)
    row, column, problem = decoding.get_records(
        data, records.spans, *table, valid, floats, ints, spans
    )
    if problem != decoding.OK:
        where = f"{path}: record {records.numbers[row]}"
        if column >= 0:
            where += f", column {layout.names[column]!r}"
        expected = f"expected {_KIND_NAMES[layout.kinds[column]]}, found another kind of list"
        raise MillraceError(
            f"{where}: {_PROBLEMS.get(problem, expected)}.",
            note="the file may be damaged: run the stage that writes it again.",
        )
    matrices: dict[int, Array] = {tfrecord.FLOAT: floats.view(np.float32), tfrecord.INT: ints}
    arrays = {}
    for index, name in enumerate(layout.names):
        kind, slot = layout.kinds[index], layout.slots[index]
        if kind == tfrecord.BYTES:
            arrays[name] = strings(data, spans[slot], valid[index])
        else:
            arrays[name] = pa.array(matrices[kind][slot], mask=~valid[index])
    columns = [arrays[field.name].cast(field.type) for field in fields]
    return pa.RecordBatch.from_arrays(columns, schema=fields)


def strings(data: Array, spans: Array, valid: Array) -> pa.Array:
    """Returns data[start:end] of each span (int64 [rows, 2]) as a string, null where not valid."""
    offsets = np.empty(len(spans) + 1, np.int32)
    byte_kernels.measure_bytes(spans, valid, offsets)
    text = np.empty(offsets[-1] + byte_kernels.WORD_BYTES, np.uint8)
    byte_kernels.gather_bytes(data, spans, offsets, text)
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(spans), buffers)
