"""Raw tables, read as a stream of blocks in which every row is accounted for.

A CSV's cells are text; their types are those that the whole table agrees on (see `infer`), or that
the config asks for. A row that does not fit is rejected, verbatim and with the reason.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from millrace import cells, dialects, rows
from millrace.errors import MillraceError
from millrace.examples import ARROW_TYPES, strings

BLOCK_BYTES = 4 << 20
LARGEST_ROW_BYTES = 64 << 20
CELLS_PER_BLOCK = 1 << 20

_FLOAT32_MAX = float(np.finfo(np.float32).max)

Array = np.ndarray[Any, Any]


class Block(NamedTuple):
    """Some rows of a table as text, in their order.

    `spans`, int64 [columns, rows, 2], says where in `data` each cell lies, `bounds`, int64
    [rows, 2], where each row lies, `counts`, int64 [rows], how many cells each has. `first_row` is
    the number of the first one, from 1; `offset`, where known, that of data[0] in the file.
    """

    data: Array
    spans: Array
    bounds: Array
    counts: Array
    first_row: int
    offset: int | None


class Reject(NamedTuple):
    """A row that fits no example: where it is, why it is rejected, and what it holds.

    Its reason begins with what was expected, which rows with the same fault have in common.
    """

    row: int
    byte_offset: int | None
    column: str
    reason: str
    raw: str

    @property
    def kind(self) -> str:
        return self.reason.split(",")[0]


class Table:
    """A CSV file, compressed or not. `names` are its columns', in their order.

    Raises MillraceError when the file is missing, empty, no text, or names a column twice.
    """

    def __init__(self, path: Path, header: bool | list[str], delimiter: str | None) -> None:
        self.path = path
        self.dialect = dialects.detect(path, delimiter)
        first = next(self._blocks(columns=0, skip=0), None)
        if first is None:
            raise MillraceError(f"{path}: expected a table, found no row.")
        self._has_header = header is True
        self.names = self._names(first, header)
        if duplicates := [name for name, count in Counter(self.names).items() if count > 1]:
            raise MillraceError(
                f"{path}: expected different column names, found {duplicates} more than once.",
                note="rename them in the file, or give all names under data.header.",
            )

    def blocks(self) -> Iterator[Block]:
        """Yields the rows, the header left out."""
        yield from self._blocks(len(self.names), skip=int(self._has_header))

    def _names(self, first: Block, header: bool | list[str]) -> list[str]:
        if isinstance(header, list):
            return header
        numbered = [f"column_{index}" for index in range(1, int(first.counts[0]) + 1)]
        if not header:
            return numbered
        named = next(self._blocks(len(numbered), skip=0))
        texts = [_text(named.data, span) for span in named.spans[:, 0]]
        return [text or number for text, number in zip(texts, numbered, strict=True)]

    def _blocks(self, columns: int, skip: int) -> Iterator[Block]:
        """Yields the rows behind the first `skip`, cut into so many columns (0: any number)."""
        most = max(1, CELLS_PER_BLOCK // max(columns, 1))
        exact = self.dialect.encoding == "utf-8"
        start = self.dialect.mark
        row = 1 - skip
        for data, size, final in self._buffers():
            position = 0
            while True:
                spans = np.zeros((columns, most, 2), np.int64)
                bounds, counts = np.empty((most, 2), np.int64), np.empty(most, np.int64)
                delimiter = ord(self.dialect.delimiter)
                dialect = (delimiter, dialects.QUOTE, columns)
                count, position = rows.split_rows(
                    data, position, size, final, *dialect, spans, bounds, counts
                )
                first = max(0, 1 - row)
                if count > first:
                    yield Block(
                        data,
                        spans[:, first:count],
                        bounds[first:count],
                        counts[first:count],
                        row + first,
                        start if exact else None,
                    )
                row += count
                if count < most:
                    break
            start += self._keep(data, position, size, row)

    def _buffers(self) -> Iterator[tuple[Array, int, bool]]:
        """Yields the text with what `_keep` kept of the last buffer in front, how much there is
        of it, and whether it is the end; behind it there is room for as many bytes again."""
        self._rest = np.empty(0, np.uint8)
        stream = dialects.chunks(self.path, self.dialect, BLOCK_BYTES)
        chunk: bytes | None = next(stream)
        while chunk is not None:
            following = next(stream, None)
            size = len(self._rest) + len(chunk)
            data = np.empty(2 * size, np.uint8)
            data[: len(self._rest)] = self._rest
            data[len(self._rest) : size] = np.frombuffer(chunk, np.uint8)
            yield data, size, following is None
            chunk = following

    def _keep(self, data: Array, position: int, size: int, row: int) -> int:
        """Keeps the row that is not complete yet; returns how many bytes came before it."""
        if size - position > LARGEST_ROW_BYTES:
            raise MillraceError(
                f"{self.path}: row {row}: expected at most {LARGEST_ROW_BYTES >> 20} MiB, "
                f"found no end of the row within them.",
                note="a quote may be open that nothing closes, or this may be no table.",
            )
        self._rest = data[position:size].copy()
        return position


def open_tables(paths: Sequence[Path], data: dict[str, Any]) -> list[Table]:
    """Opens the raw files of a job; `data` is that part of its config.

    Raises MillraceError when one cannot be read, or their columns are not the same.
    """
    tables = [Table(path, data["header"], data.get("delimiter")) for path in paths]
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


class Markers(NamedTuple):
    """The texts that stand for a missing value, as the kernels take them."""

    text: Array
    ends: Array

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Markers":
        encoded = [text.strip().encode() for text in texts]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)


def classify(block: Block, markers: Markers) -> tuple[Array, Array]:
    """Returns what each cell is, and its value: uint8 and int64 [columns, rows]."""
    shape = block.spans.shape[:2]
    classes, values = np.zeros(shape, np.uint8), np.zeros(shape, np.int64)
    cells.classify(block.data, block.spans, markers.text, markers.ends, classes, values)
    return classes, values


def infer(tables: Sequence[Table], markers: Markers) -> tuple[dict[str, Array], int]:
    """Counts what the cells of each column are, in all tables, and how many rows there are.

    Returns column name → int64 [cells.CLASSES], over the rows with the right number of cells.
    """
    counts = {name: np.zeros(cells.CLASSES, np.int64) for name in tables[0].names}
    total = 0
    for table in tables:
        seen = np.zeros((len(table.names), cells.CLASSES), np.int64)
        for block in table.blocks():
            classes, _ = classify(block, markers)
            cells.count_classes(classes, block.counts == len(table.names), seen)
            total += len(block.counts)
        for name, row in zip(table.names, seen, strict=True):
            counts[name] += row
    return counts, total


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


def typed(
    block: Block,
    names: Sequence[str],
    types: dict[str, str],
    markers: Markers,
    required: Collection[str] = (),
) -> tuple[pa.RecordBatch, Array, list[Reject]]:
    """Returns a block's good rows with the columns of `types`, which rows those are, and the bad.

    `names` are the block's columns, `required` those without which a row is bad. Which rows are
    good comes as bool [rows].
    """
    classes, values = classify(block, markers)
    wrong_count = block.counts != len(names)
    good = ~wrong_count
    columns, faults = {}, []
    for name, kind in types.items():
        index = names.index(name)
        cells_of = (block.data, block.spans[index], classes[index], values[index])
        columns[name], bad = _arrow_column(kind, *cells_of)
        if name in required:
            bad |= classes[index] == cells.MISSING
        faults.append((name, kind, bad & good))
        good &= ~bad
    rejects = [
        _reject(block, int(row), "", _count_reason(int(block.counts[row]), len(names)))
        for row in np.flatnonzero(wrong_count)
    ]
    for name, kind, bad in faults:
        for row in np.flatnonzero(bad):
            text = _text(block.data, block.spans[names.index(name), row])
            missing = classes[names.index(name), row] == cells.MISSING
            reason = f"expected {kind}, found {'none' if missing else _shortened(text)}"
            rejects.append(_reject(block, int(row), name, reason))
    fields = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in types.items()])
    batch = pa.RecordBatch.from_arrays([columns[name] for name in types], schema=fields)
    if not good.all():
        batch = batch.filter(pa.array(good))
    return batch, good, sorted(rejects, key=lambda reject: reject.row)


def _count_reason(found: int, expected: int) -> str:
    if found == rows.UNCLOSED:
        return "a quote is opened and never closed"
    return f"expected {expected} cells, found {found}"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _reject(block: Block, row: int, column: str, reason: str) -> Reject:
    start = int(block.bounds[row, 0])
    offset = None if block.offset is None else block.offset + start
    raw = _text(block.data, block.bounds[row])
    return Reject(block.first_row + row, offset, column, reason, raw)


def _text(data: Array, span: Array) -> str:
    # Bytes that are no UTF-8 stay visible, as \\xNN.
    return data[span[0] : span[1]].tobytes().decode("utf-8", errors="backslashreplace")


def _arrow_column(
    kind: str, data: Array, spans: Array, classes: Array, values: Array
) -> tuple[pa.Array, Array]:
    """Returns the cells of a column as an Arrow array, and which do not parse: bool [rows].

    The latter are null in the array, as the missing ones are.
    """
    missing = classes == cells.MISSING
    if kind == "string":
        fits = missing | (classes != cells.BROKEN)
        return strings(data, spans, fits & ~missing), ~fits
    if kind in ("float32", "float64"):
        numbers, fits = _floats(data, spans, classes, values)
    elif kind == "bool":
        numbers = values.astype(np.bool_)
        fits = (classes == cells.BOOL) | ((classes == cells.INT) & (values >= 0) & (values <= 1))
    elif kind == "int64":
        numbers, fits = values, (classes == cells.INT) | (classes == cells.CODE)
    elif kind == "date":
        numbers, fits = values.astype("datetime64[D]"), classes == cells.DATE
    else:
        days = classes == cells.DATE
        numbers = np.where(days, values * cells.MICROSECONDS_PER_DAY, values)
        numbers, fits = numbers.astype("datetime64[us]"), days | (classes == cells.TIMESTAMP)
    bad = ~(fits | missing)
    # A cell may say nan though that is no marker: NaN is a float's way to be missing.
    array = pa.array(numbers, mask=~fits | (numbers != numbers))
    return array.cast(ARROW_TYPES[kind], safe=False), bad


def _floats(data: Array, spans: Array, classes: Array, values: Array) -> tuple[Array, Array]:
    """Returns numbers (float64 [rows]) and which cells are numbers that a float32 can hold."""
    numbers = values.view(np.float64).copy()
    whole = (classes == cells.INT) | (classes == cells.CODE)
    numbers[whole] = values[whole]
    precise = (classes == cells.PRECISE) | (classes == cells.LONG)
    if precise.any():
        where = spans[precise]
        where[:, 0] += data[where[:, 0]] == ord("+")  # which Arrow's parser does not take
        texts = strings(data, where, np.ones(len(where), np.bool_))
        numbers[precise] = texts.cast(pa.float64()).to_numpy()
    fits = whole | precise | (classes == cells.FLOAT)
    return numbers, fits & ~(np.abs(numbers) > _FLOAT32_MAX)
