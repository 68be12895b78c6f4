"""Reads new rows with the types, formats and missing values of the training table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.artifacts.account import Taken
from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.signature import Signature
from millrace.config.data import DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import blocks, compression, formats, inference, rejects, tables
from millrace.ingestion.blocks import Block, Markers, Reject, Table
from millrace.ingestion.committed_schema import Domain

# The config keys of a text file that are detected if not given.
DETECTED = ("delimiter", "quote", "escape", "encoding")

# Larger batches are not faster per row.
ROWS_PER_BATCH = 4096

# A column has another type if no cell can be read, and at least this many cannot.
MANY = 2


@dataclass(frozen=True)
class Contract:
    """The format of a job's rows.

    Attributes:
        data: `data` of the config.
        schema: the columns of the training table.
        signature: the inputs and outputs of the model.
        watched: further columns of the schema to read, as far as a file has them.
    """

    data: DataConfig
    schema: Schema
    signature: Signature
    watched: Sequence[str] = ()

    @property
    def inputs(self) -> list[SchemaColumn]:
        """The columns that the model takes."""
        described = {column.name: column for column in self.schema.columns}
        return [described[each.name] for each in self.signature.inputs]

    @property
    def read(self) -> list[SchemaColumn]:
        """The columns that the model takes, and those to watch beside them."""
        taken = self.inputs
        names = {column.name for column in taken}
        beside = {*self.watched} - names
        return [*taken, *(column for column in self.schema.columns if column.name in beside)]

    @property
    def required(self) -> list[str]:
        """The columns that a file must have: those that always had a value in training."""
        return [column.name for column in self.inputs if column.required is not False]

    @property
    def is_committed(self) -> bool:
        """Whether the schema was reviewed, so that rows that violate it are rejected."""
        return self.data.schema_path is not None


class Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
        cells: the cells of the good rows: the inputs of the model that the file has, and the ids.
        numbers: the good rows' numbers in the file, from 1, int64 [rows].
        rejected: the bad rows.
        total: the number of all rows.
    """

    cells: pa.RecordBatch
    numbers: np.ndarray
    rejected: list[Reject]
    total: int

    def batches(self) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """Yields the good rows, as many as a model predicts at once, and their numbers."""
        for start in range(0, len(self.numbers), ROWS_PER_BATCH):
            numbers = self.numbers[start : start + ROWS_PER_BATCH]
            yield self.cells.slice(start, ROWS_PER_BATCH), numbers


class NewFile:
    """A file of new rows.

    Attributes:
        table: the opened file.
        taken: how it differs from the training table.
        total: the number of rows read so far.

    Raises:
        MillraceError: it cannot be read, or lacks a column that always had a value in training.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._contract = contract
        self.table, self.taken = _open(path, contract)
        self._columns = _Columns.of(self.table, contract)
        self.taken += _differences(self.table, contract)
        self.total = 0
        self._missing: dict[str, int] = dict.fromkeys(self._columns.types, 0)
        self._bad: dict[str, list[Reject]] = {}
        self._valid: set[str] = set()

    def pieces(self) -> Iterator[Rows]:
        """Yields all rows in batches.

        Raises:
            MillraceError: at the end, if no cell of a column could be read, so that it has another
                type.
        """
        found, names = self._columns, self.table.names
        for block in self.table.blocks(found.markers, found.read_as):
            block = block._replace(raw=self._raw(block))
            cells, good, rejected = blocks.typed(
                block, names, dict(found.types), found.required, found.domains, found.formats
            )
            self._count(block, cells, rejected)
            self.total += len(block.counts)
            numbers = block.first_row + np.flatnonzero(good)
            yield Rows(cells, numbers, rejected, len(block.counts))
        self._require_types()
        self.taken += self._newly_missing()

    def _raw(self, block: Block) -> Callable[[int], str]:
        excluded = self._contract.data.exclude
        return rejects.without(block, self.table.names, excluded) if excluded else block.raw

    def _count(self, block: Block, cells: pa.RecordBatch, rejected: Sequence[Reject]) -> None:
        for name in self._columns.types:
            nulls = cells.column(name).null_count
            self._missing[name] += nulls
            if nulls < cells.num_rows:
                self._valid.add(name)
        for name in dict.fromkeys(reject.column for reject in rejected if reject.column):
            if name not in self._valid:
                self._count_unread(block, name)

    def _count_unread(self, block: Block, name: str) -> None:
        """Checks whether cells of a column can be read, also in rows that are bad otherwise."""
        found = self._columns
        types = {name: found.types[name]}
        alone, _, unread = blocks.typed(block, self.table.names, types, formats=found.formats)
        if alone.column(0).null_count < alone.num_rows:
            self._valid.add(name)
        unread = [reject for reject in unread if reject.column]
        self._bad[name] = [*self._bad.get(name, ()), *unread][:MANY]

    def _require_types(self) -> None:
        for name, rejected in self._bad.items():
            if name not in self._valid and len(rejected) == MANY:
                first = rejected[0]
                raise MillraceError(
                    f"{self.table.path}: column {name!r}: {first.reason} in row {first.row}, "
                    "and no cell that can be read in any row.",
                    note="the model was trained on such values: write the column as in the "
                    "training table, or train on the new one.",
                )

    def _newly_missing(self) -> Iterator[Taken]:
        for column in self._contract.inputs:
            count = self._missing.get(column.name, 0)
            if column.required and count:
                message = (
                    f"{self.table.path}: {column.name!r} is missing in {count:,} rows; it never "
                    "was in training"
                )
                yield Taken("warning", "missing", column.name, message)


@dataclass(frozen=True)
class _Columns:
    """How to read the cells of a file; see `millrace.ingestion.columns.Columns`."""

    types: Mapping[str, str]
    formats: Mapping[str, formats.Format]
    required: Collection[str]
    domains: Mapping[str, Domain]
    markers: Markers
    read_as: dict[str, str]

    @classmethod
    def of(cls, table: Table, contract: Contract) -> _Columns:
        """Returns how to read the columns of a file."""
        data, names = contract.data, table.names
        # Columns that the model does not take are not classified.
        others = {} if table.has_types else dict.fromkeys(names, "string")
        there = [column for column in contract.read if column.name in names]
        ids = [name for name in data.ids if name in names]
        written = {column.name: found for column in there if (found := formats.of_column(column))}
        given = inference.Given.of(data).formats
        written |= {name: found for name, found in given.items() if name in {x.name for x in there}}
        types = {column.name: column.type for column in there} | dict.fromkeys(ids, "string")
        own = {x.name: x.missing_values for x in there if x.missing_values is not None}
        return cls(
            types,
            written,
            [x.name for x in contract.inputs if x.required and contract.is_committed],
            {x.name: domain for x in there if (domain := Domain.of(x))},
            Markers.of(data.markers, own),
            others | types | dict.fromkeys(written, "string"),
        )


def _open(path: Path, contract: Contract) -> tuple[Table, list[Taken]]:
    """Opens a file with the config's dialect, or a detected one if columns are missing."""
    data, needed = contract.data, contract.required
    # Parquet columns that are not needed may have any type.
    data = data.changed(exclude=(*data.exclude, *_others(path, contract)))
    try:
        return _as_said(path, data, needed), []
    except MillraceError as error:
        keys = ", ".join(f"data.{key}" for key in DETECTED if getattr(data, key) is not None)
        if not keys:
            raise
        try:
            table = _as_said(path, data.changed(**dict.fromkeys(DETECTED)), needed)
        except MillraceError:
            raise error from None
    message = f"{path}: {keys} of the config did not fit; detected from the file instead"
    return table, [Taken("warning", "dialect", "", message)]


def _as_said(path: Path, data: DataConfig, needed: Sequence[str]) -> Table:
    table = tables.open_table(path, data)
    _require(needed, table)
    return table


def _others(path: Path, contract: Contract) -> list[str]:
    """Returns the columns of a Parquet file that neither the model nor the output needs."""
    wanted = {column.name for column in contract.read} | {*contract.data.ids}
    with suppress(OSError, pa.ArrowException, UnicodeDecodeError):  # `open_table` explains it
        if compression.container(path) == "parquet":
            return [name for name in pq.read_schema(path).names if name not in wanted]
    return []


def _require(needed: Sequence[str], table: Table) -> None:
    lacking = [name for name in needed if name not in table.names]
    if not lacking:
        return
    raise MillraceError(
        f"{table.path}: expected the columns that the model takes, found no "
        f"{', '.join(map(repr, lacking))}.",
        note=f"the file has {tables.most_like(lacking[0], table.names)}",
    )


def _differences(table: Table, contract: Contract) -> Iterator[Taken]:
    """Yields notes on how the columns of a file differ from the training table's."""
    data, names, path = contract.data, table.names, table.path
    if table.guess:
        yield Taken("warning", "quotes", "", f"{path}: {table.guess}")
    known = [column.name for column in contract.schema.columns]
    for column in contract.inputs:
        if column.name not in names:
            message = f"{path}: no column {column.name!r}: treated as missing in all rows"
            yield Taken("warning", "absent", column.name, message)
    for name in data.ids:
        if name not in names:
            message = f"{path}: no column {name!r} of data.ids: empty in the output"
            yield Taken("warning", "absent", name, message)
    if data.label not in names:
        yield Taken("info", "label", data.label, f"{path}: no label; none is needed")
    if more := [name for name in names if name not in (*known, *data.ids, *data.exclude)]:
        message = (
            f"{path}: ignored columns that the training table does not have: {', '.join(more)}"
        )
        yield Taken("info", "more", "", message)
    in_order = [name for name in known if name in names]
    if in_order != [name for name in names if name in in_order]:
        yield Taken(
            "info", "order", "", f"{path}: columns in a different order than in the training table"
        )
