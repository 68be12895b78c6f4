"""Blocks of raw rows: the class of each cell, and the rows as typed columns or as rejected ones."""

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
from millrace.ingestion.formats import Format
from millrace.tfrecord.examples import ARROW_TYPES, strings

_FLOAT32_MAX = float(np.finfo(np.float32).max)

# The days from the year 1 to 9999, which is what dates can be written as.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_FAR = "a year that is not between 1 and 9999"

UNCLOSED_QUOTE = "a quote is opened and never closed"

NO_OBJECT = -2  # stands for the number of a row's cells, as rows.UNCLOSED does

Array = np.ndarray[Any, Any]


class Block(NamedTuple):
    """Some rows of a table, in their order.

    `spans`, int64 [columns, rows, 2], says where in `data` (uint8) the bytes of each cell lie;
    `classes` (uint8 [columns, rows]) what it is, and `values` (int64 [columns, rows]) what it
    means, see millrace.ingestion.cells; `counts`, int64 [rows], how many cells each row has.
    `first_row` is the number of the first row, from 1; `raw` gives a row's text as it stands in the
    file, and `byte_offset` where that is, if known.
    """

    data: Array
    spans: Array
    classes: Array
    values: Array
    counts: Array
    first_row: int
    raw: Callable[[int], str]
    byte_offset: Callable[[int], int | None]

    def hashes(self, seed: int, columns: Sequence[int]) -> Array:
        """Returns a 64-bit hash of each row's cells in these columns: uint64 [rows]."""
        in_order = list(columns) == list(range(len(self.spans)))
        spans = self.spans if in_order else self.spans[list(columns)]
        return csv_kernels.hash_rows(self.data, spans, seed)  # type: ignore[no-any-return]


class Lines(NamedTuple):
    """How many lines a text file has.

    Attributes:
        total: in all.
        before: before the table.
        header: for the names of the columns.
        in_cells: beyond the first of each row that has cells over several.
        empty: without a byte, in cells too.
    """

    total: int
    before: int
    header: int
    in_cells: int
    empty: int


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


class Markers(NamedTuple):
    """The texts that mean missing, as the kernels take them.

    `own` are those of the columns that have others.
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
        """Returns those of a column."""
        return self.own.get(name, self)

    def numbers(self) -> list[float]:
        """Returns those that are numbers, which a column of numbers may hold."""
        found = []
        for first, end in itertools.pairwise(self.ends.tolist()):
            with suppress(ValueError):
                found.append(float(self.text[first:end].tobytes()))
        return found


class Table(Protocol):
    """A raw file: its columns' names, in their order, and its rows as a stream of blocks."""

    path: Path
    names: list[str]
    index: tuple[str, ...]  # the columns that are no part of a row: where it stood
    has_types: bool  # whether the file says what a column holds; else its cells' text does
    guess: str  # what the file was taken for that a person should know, "" for nothing

    @property
    def lines(self) -> Lines | None:
        """How many lines a text file has, once all blocks have been read."""
        ...

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields all rows. `types` are those that columns will get, as far as they are known."""
        ...


def classify(
    data: Array, spans: Array, markers: Markers, names: Sequence[str], types: Mapping[str, str]
) -> tuple[Array, Array]:
    """Returns what each text cell is, and its value: uint8 and int64 [columns, rows].

    `names` are the columns'; those with the type string are text, whatever it looks like.
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
    """Returns a block's good rows with the columns of `types`, which rows those are, and the bad.

    `names` are the block's columns, `required` those without which a row is bad, `domains` the
    values that columns may take, `formats` how the text of columns is to be read, `finite` those
    in which infinity is bad. Which rows are good comes as bool [rows].
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
            classes, values = formats[name].read(block.data, spans, classes)
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


def text(data: Array, span: Array) -> str:
    """Returns bytes as text, in which what is no UTF-8 stays visible, as \\\\xNN."""
    return data[span[0] : span[1]].tobytes().decode("utf-8", errors="backslashreplace")


def rejected(block: Block, row: int, column: str, reason: str) -> Reject:
    """Returns a row of a block as one that is set aside."""
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
    # A cell may say nan though that is no marker: NaN is a float's way to be missing.
    array = pa.array(numbers, mask=~fits | (numbers != numbers))
    return array.cast(ARROW_TYPES[kind], safe=False), bad


def _floats(data: Array, spans: Array, classes: Array, values: Array) -> tuple[Array, Array]:
    """Returns numbers (float64 [rows]) and which cells are numbers that a float32 can hold, or
    infinite."""
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
    # 1e999 is too large for a double; inf was meant.
    return numbers, (fits & ~(np.abs(numbers) > _FLOAT32_MAX)) | (classes == cells.INFINITE)
