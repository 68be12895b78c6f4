"""Blocks of raw rows with classified cells, and their conversion to typed columns or rejects."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from millrace.ingestion import cells, csv_kernels
from millrace.ingestion.committed_schema import Domain
from millrace.ingestion.formats import Format, NumberFormat
from millrace.tfrecord.examples import ARROW_TYPES, strings

_FLOAT32_MAX = float(np.finfo(np.float32).max)

# Days since 1970 of the years 1 to 9999, the range of dates in ISO 8601.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_FAR = "a year that is not between 1 and 9999"

UNCLOSED_QUOTE = "a quote is opened and never closed"

NO_OBJECT = -2  # takes the place of a row's number of cells, like csv_kernels.UNCLOSED

Array = np.ndarray[Any, Any]


class Block(NamedTuple):
    """Consecutive rows of a table.

    Attributes:
        data: the bytes of the cells, uint8.
        spans: the start and end of each cell in `data`, int64 [columns, rows, 2].
        classes: the class of each cell, see millrace.ingestion.cells: uint8 [columns, rows].
        values: the value of each cell, by its class: int64 [columns, rows].
        counts: the number of cells in each row, int64 [rows].
        first_row: the number of the first row, from 1.
        raw: returns a row verbatim.
        byte_offset: returns the offset of a row in the file, or None if unknown.
        fractions: the cells that JSON has as numbers with a fraction, in which the point cannot
            separate thousands: bool [columns, rows]. None for files of text alone.
    """

    data: Array
    spans: Array
    classes: Array
    values: Array
    counts: Array
    first_row: int
    raw: Callable[[int], str]
    byte_offset: Callable[[int], int | None]
    fractions: Array | None = None

    def hashes(self, seed: int, columns: Sequence[int]) -> Array:
        """Returns a 64-bit hash of each row's cells in these columns: uint64 [rows]."""
        in_order = list(columns) == list(range(len(self.spans)))
        spans = self.spans if in_order else self.spans[list(columns)]
        return csv_kernels.hash_rows(self.data, spans, seed)  # type: ignore[no-any-return]


class Lines(NamedTuple):
    """The numbers of lines in a text file.

    Attributes:
        total: all lines.
        before: lines before the table.
        header: lines with the names of the columns.
        in_cells: the second and further lines of rows with line breaks in cells.
        empty: empty lines, including those inside cells.
    """

    total: int
    before: int
    header: int
    in_cells: int
    empty: int


class Reject(NamedTuple):
    """A rejected row: its position, the reason, and its text.

    The reason begins with what was expected, which is the same for all rows with this fault.
    """

    row: int
    byte_offset: int | None
    column: str
    reason: str
    raw: str

    @property
    def kind(self) -> str:
        return self.reason.split(",")[0]


class Markers(NamedTuple):
    """The texts that mean missing, in the layout of the kernels.

    `own` has the markers of columns that differ.
    """

    text: Array
    ends: Array
    own: Mapping[str, "Markers"] = MappingProxyType({})

    @classmethod
    def of(
        cls, texts: Sequence[str], own: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> "Markers":
        encoded = [text.strip().encode() for text in texts]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        others = {name: cls.of(own_texts) for name, own_texts in own.items()}
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends, others)

    def of_column(self, name: str) -> "Markers":
        """Returns the markers of a column."""
        return self.own.get(name, self)

    def numbers(self) -> list[float]:
        """Returns the markers that are numbers, such as -999."""
        found = []
        for first, end in itertools.pairwise(self.ends.tolist()):
            with suppress(ValueError):
                found.append(float(self.text[first:end].tobytes()))
        return found


class Table(Protocol):
    """A raw file: the names of its columns, and its rows as a stream of blocks."""

    path: Path
    names: list[str]
    index: tuple[str, ...]  # columns that only number the rows, such as a stored pandas index
    has_types: bool  # whether the file defines the types of its columns
    guess: str  # an assumption about the file that a person should check; "" if there is none

    @property
    def lines(self) -> Lines | None:
        """The lines of a text file, after all blocks have been read."""
        ...

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields all rows; `types` are the columns' types, as far as they are known."""
        ...


def classify(
    data: Array, spans: Array, markers: Markers, names: Sequence[str], types: Mapping[str, str]
) -> tuple[Array, Array]:
    """Returns the class and the value of each text cell: uint8 and int64 [columns, rows].

    `names` are the names of the columns. Cells of columns with the type string are always text.
    """
    shape = spans.shape[:2]
    classes, values = np.zeros(shape, np.uint8), np.zeros(shape, np.int64)
    plain = np.array([types.get(name) == "string" for name in names], np.bool_)
    cells.classify(data, spans, markers.text, markers.ends, plain, classes, values)
    for index, name in enumerate(names):
        if name in markers.own:
            text, ends, _ = markers.own[name]
            one = slice(index, index + 1)
            cells.classify(data, spans[one], text, ends, plain[one], classes[one], values[one])
    return classes, values


def typed(
    block: Block,
    names: Sequence[str],
    types: dict[str, str],
    required: Collection[str] = (),
    domains: Mapping[str, Domain] = MappingProxyType({}),
    formats: Mapping[str, Format] = MappingProxyType({}),
    finite: Collection[str] = (),
) -> tuple[pa.RecordBatch, Array, list[Reject]]:
    """Converts the rows of a block to typed columns.

    Args:
        block: the rows.
        names: the columns of the block.
        types: the columns to convert, with their types.
        required, finite: columns in which missing values, or infinite ones, make a row bad.
        domains, formats: the allowed values, and the formats of numbers or times, by column.

    Returns:
        The good rows, which rows these are (bool [rows]), and the bad rows.
    """
    wrong_count = block.counts != len(names)
    good = ~wrong_count
    rejects = [
        rejected(block, row, "", _count_reason(int(block.counts[row]), len(names)))
        for row in np.flatnonzero(wrong_count).tolist()
    ]
    columns, places = {}, {name: index for index, name in enumerate(names)}
    for name, kind in types.items():
        index = places[name]
        spans, classes, values = block.spans[index], block.classes[index], block.values[index]
        expected = kind
        if name in formats:
            classes, values = _read(block, index, formats[name])
            expected = f"{kind} written as {formats[name]}"
        columns[name], bad = _arrow_column(kind, block.data, spans, classes, values)
        unread = bad.copy()
        if name in required:
            bad |= classes == cells.MISSING
        if name in finite:
            bad |= classes == cells.INFINITE
        if name in domains:
            bad |= domains[name].outside(columns[name])
            expected = f"{expected} {domains[name]}"
        for row in np.flatnonzero(bad & good).tolist():
            found = "none" if classes[row] == cells.MISSING else quoted(block, index, row)
            if block.fractions is not None and block.fractions[index, row]:
                found = f"the number {found[1:-1]}"
            is_time = classes[row] in (cells.DATE, cells.TIMESTAMP)
            if unread[row] and is_time and kind in ("date", "timestamp"):
                found = "a time of day" if kind == "date" and classes[row] != cells.DATE else _FAR
            if kind == "string" and classes[row] == cells.BROKEN:
                found += "; data.encoding names the encoding of a file"
            rejects.append(rejected(block, row, name, f"expected {expected}, found {found}"))
        good &= ~bad
    fields = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in types.items()])
    batch = pa.RecordBatch.from_arrays([columns[name] for name in types], schema=fields)
    if not good.all():
        batch = batch.filter(pa.array(good))
    return batch, good, sorted(rejects, key=lambda reject: reject.row)


def _read(block: Block, column: int, way: Format) -> tuple[Array, Array]:
    """Returns the classes and values of a column's cells in a format."""
    classes, values = way.read(block.data, block.spans[column], block.classes[column])
    if block.fractions is not None and isinstance(way, NumberFormat) and way.decimal != ".":
        classes[block.fractions[column] & (classes != cells.MISSING)] = cells.TEXT
    return classes, values


def text(data: Array, span: Array) -> str:
    """Decodes bytes as UTF-8; invalid bytes stay visible as \\\\xNN."""
    return data[span[0] : span[1]].tobytes().decode("utf-8", errors="backslashreplace")


def rejected(block: Block, row: int, column: str, reason: str) -> Reject:
    """Returns the reject for a row of a block."""
    number = block.first_row + row
    return Reject(number, block.byte_offset(row), column, reason, block.raw(row))


def _count_reason(found: int, expected: int) -> str:
    if found == csv_kernels.UNCLOSED:
        return UNCLOSED_QUOTE
    if found == NO_OBJECT:
        return "expected a JSON object with each key once, found other text"
    return f"expected {expected} cells, found {found}"


def quoted(block: Block, column: int, row: int) -> str:
    """Returns the beginning of a cell's text, in quotes, for a message."""
    found = text(block.data, block.spans[column, row])
    return repr(found if len(found) <= 60 else found[:60] + "…")


def _arrow_column(
    kind: str, data: Array, spans: Array, classes: Array, values: Array
) -> tuple[pa.Array, Array]:
    """Returns the cells of a column as an Arrow array, and which do not fit: bool [rows].

    Those that do not fit are null in the array, like missing ones.
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
        fits = (classes == cells.DATE) & (values >= _FIRST_DAY) & (values <= _LAST_DAY)
        numbers = np.where(fits, values, 0).astype("datetime64[D]")
    else:
        is_day = classes == cells.DATE
        days = np.where(is_day, values, values // cells.MICROSECONDS_PER_DAY)
        fits = is_day | (classes == cells.TIMESTAMP)
        fits &= (days >= _FIRST_DAY) & (days <= _LAST_DAY)
        numbers = np.where(is_day, np.where(fits, values, 0) * cells.MICROSECONDS_PER_DAY, values)
        numbers = numbers.astype("datetime64[us]")
    bad = ~(fits | missing)
    # A cell may be nan without a marker for it; NaN counts as missing.
    array = pa.array(numbers, mask=~fits | (numbers != numbers))
    return array.cast(ARROW_TYPES[kind], safe=False), bad


def _floats(data: Array, spans: Array, classes: Array, values: Array) -> tuple[Array, Array]:
    """Returns the numbers (float64 [rows]), and which cells are within float32 or infinite."""
    numbers = values.view(np.float64).copy()
    whole = (classes == cells.INT) | (classes == cells.CODE)
    numbers[whole] = values[whole]
    precise = (classes == cells.PRECISE) | (classes == cells.LONG)
    if precise.any():
        where = spans[precise]
        where[:, 0] += data[where[:, 0]] == ord("+")  # Arrow's parser does not accept a plus sign
        texts = strings(data, where, np.ones(len(where), np.bool_))
        numbers[precise] = texts.cast(pa.float64()).to_numpy()
    fits = whole | precise | (classes == cells.FLOAT)
    # 1e999 overflows to infinity and does not fit, unlike a cell that says inf.
    return numbers, (fits & ~(np.abs(numbers) > _FLOAT32_MAX)) | (classes == cells.INFINITE)
