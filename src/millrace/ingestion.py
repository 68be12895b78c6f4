"""From raw files to labelled rows in their splits: what the ingest stage does to each block."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace import blocks, cells, splits, tables
from millrace.blocks import Block, Markers, Reject
from millrace.errors import MillraceError
from millrace.examples import ARROW_TYPES
from millrace.tables import Table

Array = np.ndarray[Any, Any]


class Part(NamedTuple):
    """What became of a block: examples by split, rejected rows, how many rows had no label."""

    examples: dict[str, pa.RecordBatch]
    rejected: list[Reject]
    unlabelled: int


class Plan:
    """How the raw files of a job become examples.

    Args:
      files: the entries of fetch's manifest.
      data: that part of the job's config.
      seed: the job's seed.

    Raises MillraceError when a file cannot be read, or the config asks for what is not there.
    """

    def __init__(self, files: list[dict[str, Any]], data: dict[str, Any], seed: int) -> None:
        self._data, self._seed = data, seed
        self._label: str = data["label"]
        self._markers = Markers.of(data["missing_values"])
        self.tables = tables.open_tables([Path(file["path"]) for file in files], data)
        self._file_splits: list[str | None] = [file["split"] for file in files]
        self._check_columns()
        counts, self.rows = tables.infer(self.tables, self._markers)
        if not self.rows:
            raise MillraceError(f"{self.tables[0].path}: expected rows, found a header only.")
        self.types: dict[str, str] = {
            name: data["types"].get(name) or tables.column_type(counts[name], data["max_rejected"])
            for name in self.tables[0].names
            if name not in data["exclude"] or name == self._time_column
        }
        self._required = {name: not row[cells.MISSING] for name, row in counts.items()}
        if self._time_column:
            self._cuts = self._time_cuts(self._time_column)
        else:
            self._shares = splits.shares(data["split"])

    @property
    def columns(self) -> list[str]:
        """The columns that examples have, the label among them."""
        return [name for name in self.types if name not in self._data["exclude"]]

    def schema(self) -> dict[str, Any]:
        """Returns the content of schema.json."""
        return {
            "columns": [
                {
                    "name": name,
                    "type": self.types[name],
                    "required": name == self._label or self._required[name],
                    "missing_values": self._data["missing_values"],
                }
                for name in self.columns
            ],
            "label": self._label,
        }

    def parts(self, index: int) -> Iterator[tuple[int, Part]]:
        """Yields what becomes of each block of a file, with how many rows it has."""
        table = self.tables[index]
        for block in table.blocks(self._markers, self.types):
            yield len(block.counts), self._part(table, block, self._file_splits[index])

    def _part(self, table: Table, block: Block, file_split: str | None) -> Part:
        divided_by = self._time_column if file_split in (None, "train") else None
        required = [divided_by] if divided_by else []
        batch, good, rejected = blocks.typed(block, table.names, self.types, required)
        hashes = block.hashes(self._seed)[good]
        labelled = pc.is_valid(batch[self._label])
        unlabelled = batch.num_rows - pc.sum(labelled).as_py() if batch.num_rows else 0
        batch = batch.filter(labelled)
        hashes = hashes[labelled.to_numpy(zero_copy_only=False)]
        found = self._assign(batch, hashes, file_split)
        examples = batch.select(self.columns)
        divided = {
            split: examples.filter(pa.array(found == number))
            for number, split in enumerate(splits.SPLITS)
        }
        return Part(divided, rejected, unlabelled)

    def _assign(self, batch: pa.RecordBatch, hashes: Array, file_split: str | None) -> Array:
        """Returns the split of each row: int8 [rows]."""
        if file_split in ("validation", "test"):
            return np.full(batch.num_rows, splits.SPLITS.index(file_split), np.int8)
        validation, test = "validation" not in self._file_splits, file_split is None
        if self._time_column:
            cuts = splits.Cuts(
                self._cuts.validation if validation else None, self._cuts.test if test else None
            )
            return splits.by_time(batch[self._time_column], cuts)
        shares = splits.Shares(
            self._shares.validation if validation else 0.0, self._shares.test if test else 0.0
        )
        return splits.by_row(hashes, shares)

    @property
    def _time_column(self) -> str | None:
        split = self._data["split"]
        return split.get("column") if split["by"] == "time" else None

    def _check_columns(self) -> None:
        names, data = self.tables[0].names, self._data
        tables.check_column(self._label, names, "data.label")
        for key in ("types", "exclude"):
            for name in data[key]:
                tables.check_column(name, names, f"data.{key}")
        if self._label in data["exclude"]:
            raise MillraceError(
                f"data.exclude: expected features, found the label {self._label!r}."
            )
        if data["split"]["by"] == "time":
            if self._time_column is None:
                raise MillraceError(
                    "data.split: expected the key 'column' with `by: time`, found none.",
                    note="name the column that rows are ordered by.",
                )
            tables.check_column(self._time_column, names, "data.split.column")

    def _time_cuts(self, column: str) -> splits.Cuts:
        arrow_type = ARROW_TYPES[self.types[column]]
        return splits.time_cuts(self._data["split"], arrow_type, lambda: self._times(column))

    def _times(self, column: str) -> pa.ChunkedArray:
        """Returns the values of the time column in the files that are to be divided."""
        kinds = {name: self.types[name] for name in (column, self._label)}
        found = []
        for table, file_split in zip(self.tables, self._file_splits, strict=True):
            if file_split in (None, "train"):
                for block in table.blocks(self._markers, kinds):
                    batch, _, _ = blocks.typed(block, table.names, kinds)
                    found.append(batch.drop_null()[column])
        return pa.chunked_array(found, ARROW_TYPES[self.types[column]])
