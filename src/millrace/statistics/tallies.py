"""Counts the values of each column in one pass.

Memory grows with the number of distinct values, not with the rows. For numbers it is bounded: if
there are too many distinct values, they are counted by their leading bits, which keeps all figures
accurate to about five digits, whatever the order of the rows.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.artifacts.schema import SchemaColumn
from millrace.statistics import float_counts
from millrace.tfrecord import examples

# The rows counted at once; sorting them is faster than looking each of them up.
ROWS_AT_ONCE = 2**20

# The most distinct numbers counted exactly. float32 represents 2^25 consecutive integers.
MOST_FLOATS = 2**21
MOST_INTEGERS = 2**25

Array = np.ndarray[Any, Any]


class Counts(NamedTuple):
    """A column's distinct values, sorted, and the number of rows with each, int64."""

    values: Array
    counts: Array


class Tally:
    """Counts the values of a table's columns, given batch by batch.

    Values have the types of tf.train.Example: float32, int64 or text. NaN and the empty text, which
    models treat as missing, are not counted.

    Args:
        columns: the columns of a schema.json.
    """

    def __init__(self, columns: Iterable[SchemaColumn]) -> None:
        self.rows = 0
        self._columns = {
            column.name: _Numbers() if column.type in _NUMBERS else _Texts() for column in columns
        }
        self._batches: list[pa.RecordBatch] = []

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields batches unchanged, and counts them."""
        for batch in batches:
            self.rows += batch.num_rows
            self._batches.append(batch)
            if sum(held.num_rows for held in self._batches) >= ROWS_AT_ONCE:
                self._count()
            yield batch
        self._count()

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Counts batches."""
        for _ in self.watch(batches):
            pass

    def counts(self, column: str) -> Counts:
        """Returns the counts of a column so far."""
        return self._columns[column].counts()

    def _count(self) -> None:
        if not self._batches:
            return
        table = pa.Table.from_batches(self._batches)
        self._batches = []
        # Threads help because sorting and hashing release the GIL.
        with ThreadPoolExecutor(2) as executor:
            for _ in executor.map(lambda name: self._columns[name].add(table[name]), self._columns):
                pass


_NUMBERS = ("int64", "float32", "float64", "bool")


class _Numbers:
    """The counts of a column of numbers."""

    def __init__(self) -> None:
        self._parts: list[Counts] = []
        self._bits = 0
        self._range: list[Array] = []

    def add(self, column: pa.ChunkedArray) -> None:
        x = pa.chunked_array([examples.stored(chunk) for chunk in column.chunks])
        values, counts = _counted(pc.drop_null(x).to_numpy())
        if not len(values):
            return
        self._range = [np.min([*self._range, values[0]]), np.max([*self._range, values[-1]])]
        self._parts.append(self._leading(Counts(values, counts)))
        most = MOST_FLOATS if values.dtype == np.float32 else MOST_INTEGERS
        if sum(len(part.values) for part in self._parts) > 2 * most:
            self._merge(most)

    def counts(self) -> Counts:
        if not self._parts:
            return Counts(np.empty(0), np.empty(0, np.int64))
        self._merge(MOST_INTEGERS)
        values, counts = self._parts[0]
        if self._bits:
            values[0], values[-1] = self._range
        return Counts(values, counts)

    def _merge(self, most: int) -> None:
        if len(self._parts) > 1:
            self._parts = [_merged(self._parts)]
        while len(self._parts[0].values) > most:
            self._bits += 1
            self._parts = [self._leading(self._parts[0])]

    def _leading(self, part: Counts) -> Counts:
        """Clears the last bits of integers, or of the significands of floats."""
        if not self._bits:
            return part
        integers = part.values.view(f"i{part.values.itemsize}")
        leading = (integers >> self._bits << self._bits).view(part.values.dtype)
        return _merged([Counts(leading, part.counts)])


def _counted(x: Array) -> Counts:
    """Counts the values of float32 or int64 [n]."""
    if x.dtype == np.float32:
        return Counts(*float_counts.count(x))
    # Python's integers cannot overflow.
    low, high = (int(x.min()), int(x.max())) if len(x) else (0, 0)
    if high - low >= 2 * len(x):
        return Counts(*np.unique(x, return_counts=True))
    counts = np.bincount(x - low)
    seen = np.flatnonzero(counts)
    return Counts(seen + low, counts[seen])


def _merged(parts: list[Counts]) -> Counts:
    values, place = np.unique(np.concatenate([part.values for part in parts]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([part.counts for part in parts]))
    return Counts(values, counts.astype(np.int64))


class _Texts:
    """The counts of a column of text, or of dates, which examples store as text."""

    def __init__(self) -> None:
        self._table: pa.Table | None = None

    def add(self, column: pa.ChunkedArray) -> None:
        values, counts = pc.value_counts(column).flatten()
        table = pa.table({"values": values, "counts": counts})
        if self._table is not None:
            table = pa.concat_tables([self._table, table]).group_by("values")
            table = table.aggregate([("counts", "sum")]).rename_columns(["values", "counts"])
        self._table = table

    def counts(self) -> Counts:
        if self._table is None:
            return Counts(np.empty(0, object), np.empty(0, np.int64))
        table = self._table.set_column(0, "values", _as_text(self._table["values"]))
        table = table.filter(pc.fill_null(pc.not_equal(table["values"], ""), False))
        table = table.sort_by("values")
        return Counts(table["values"].to_numpy(), table["counts"].to_numpy())


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([examples.stored(chunk) for chunk in column.chunks], pa.string())
