"""From raw files to labelled rows in their splits: what the ingest stage does to each block."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from millrace.config.data import USUAL_MARKERS, DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import blocks, cells, formats, inference, origins, rejects, splits, tables
from millrace.ingestion.blocks import Block, Markers, Reject
from millrace.ingestion.committed_schema import Domain, read_schema
from millrace.ingestion.tables import Table
from millrace.tfrecord.examples import ARROW_TYPES

Array = np.ndarray[Any, Any]


class Outcome(NamedTuple):
    """What became of a block: the rows that are examples and the split of each (int8 [rows],
    splits.LEFT_OUT in a gap), where they come from (see millrace.ingestion.origins), the rejected
    ones, and how many rows had no label or had come before.
    """

    examples: pa.RecordBatch
    origins: pa.Table
    splits: Array
    rejected: list[Reject]
    unlabelled: int
    duplicates: int


class Plan:
    """How the raw files of a job become examples.

    `rows` is how many there are, where that is known; `taken` says what was found in the cells that
    a person should look at; `keys` holds what has come before in unique columns.

    Args:
      files: the entries of fetch's manifest.
      data: that part of the job's config.
      seed: the job's seed.
      guess: whether to take the types that the first rows suggest. Once all outcomes are out,
        `holds` tells whether they are right; if not, the outcomes are not either.

    Raises MillraceError when a file cannot be read, or the config asks for what is not there.
    """

    def __init__(
        self, files: list[dict[str, Any]], data: DataConfig, seed: int, guess: bool = False
    ) -> None:
        self._data, self._seed = data, seed
        self._seen: set[int] = set()
        self.keys: dict[str, set[Any]] = {}
        self._label: str = data.label
        self._weight: str | None = data.weight
        self._markers = Markers.of(data.missing_values)
        self.tables = tables.open_tables([Path(file["path"]) for file in files], data)
        self._file_splits: list[str | None] = [file["split"] for file in files]
        self._paths = pa.array([file["path"] for file in files], pa.string())
        self.origin_fields = origins.fields(data.ids)
        self._left_out = {*data.exclude, *data.ids}
        self._check_columns()
        self.rows: int | None = None
        self.taken: list[inference.Taken] = []
        self._given = inference.Given.of(data)
        self._formats: dict[str, formats.Format] = {}
        self._census: tables.Census | None = None  # of a guess, which is still to be checked
        columns = self._committed() if data.schema_path is not None else self._inferred(guess)
        self.types: dict[str, str] = {
            name: self._given.types.get(name) or columns[name]["type"]
            for name in self.tables[0].names
            if name not in self._left_out or name == self._time_column
        } | dict.fromkeys(data.ids, "string")
        self._columns = columns
        # A column that is only guessed to be text is looked at in full; one with a format is text
        # until it is read by that.
        self._read_as = dict(self._given.types if guess else self.types) | dict.fromkeys(
            [*(self._given.formats if guess else self._formats), *data.ids], "string"
        )
        if self._weight:
            self._require_weights(self._weight)
        if self._time_column:
            self._cuts = self._time_cuts(self._time_column)
        else:
            self._shares = self._checked_shares()
            self._first_rows: list[int] = []

    def _inferred(self, guess: bool) -> dict[str, dict[str, Any]]:
        """Returns what schema.json will say about each column, from the table."""
        separators = self._given.separators
        found = tables.census(self.tables, self._markers, guess, separators)
        if not found.rows:
            raise MillraceError(f"{self.tables[0].path}: expected rows, found a header only.")
        self._required: list[str] = []
        self._domains: dict[str, Domain] = {}
        if guess:
            self._census = tables.Census(self.tables[0].names, separators)
        else:
            self.rows = found.rows
        return self._described(found)

    def _described(self, census: tables.Census) -> dict[str, dict[str, Any]]:
        data = self._data
        looked_at = [name for name in self.tables[0].names if name not in self._left_out]
        if (divided_by := data.split.column) and divided_by not in looked_at:
            looked_at.append(divided_by)
        found = inference.infer(census, looked_at, self._given, data.max_rejected)
        confirmed = data.missing_values != USUAL_MARKERS
        self._formats = found.formats
        self.taken = [*found.taken, *inference.marked(census, self._label, looked_at, confirmed)]
        return {
            name: {
                "type": found.types[name],
                "required": name in (self._label, self._weight) or not census[name][cells.MISSING],
                "missing_values": data.missing_values,
            }
            | (found.formats[name].to_json() if name in found.formats else {})
            for name in looked_at
        }

    def holds(self) -> bool:
        """Says whether the types are those of the whole table, all of whose rows are out."""
        if self._census is None:
            return True
        guessed, formats_guessed = self._columns, self._formats
        self._columns = self._described(self._census)
        return self._formats == formats_guessed and all(
            self._columns[name]["type"] == guessed[name]["type"] for name in guessed
        )

    def _committed(self) -> dict[str, dict[str, Any]]:
        """Returns what the committed schema says, against which rows are then checked."""
        assert self._data.schema_path, "the caller has looked"
        path, names = Path(self._data.schema_path), self.tables[0].names
        columns = read_schema(path, names)
        wanted = [name for name in names if name not in self._left_out]
        if more := [name for name in wanted if name not in columns]:
            raise MillraceError(
                f"{path}: expected all columns of the table, found none of {more}.",
                note="add them to the schema, or leave them out with data.exclude.",
            )
        self._formats = {
            name: found for name in wanted if (found := formats.of_column(columns[name]))
        } | dict(self._given.formats)
        self._domains = {
            name: Domain(columns[name])
            for name in wanted
            if columns[name].keys() & {"min", "max", "values"}
        }
        self.keys = {name: set() for name in wanted if columns[name].get("unique")}
        common = self._data.missing_values
        markers = {name: tuple(columns[name].get("missing_values", common)) for name in wanted}
        own = {name: texts for name, texts in markers.items() if texts != common}
        self._markers = Markers.of(common, own)
        # A row without a label is no bad row: it is counted by itself.
        self._required = [
            name for name in wanted if columns[name].get("required") and name != self._label
        ]
        return columns

    def _require_weights(self, name: str) -> None:
        """Has rows rejected whose weight is missing or below 0."""
        type_ = self.types[name]
        if type_ not in ("int64", "float32", "float64"):
            raise MillraceError(
                f"data.weight: expected a column of numbers, found {name!r} of type {type_}."
            )
        if name not in self._required:
            self._required.append(name)
        self._columns[name]["required"] = True
        self._domains[name] = Domain({"min": 0} | self._columns[name] | {"type": type_})

    @property
    def columns(self) -> list[str]:
        """The columns that examples have, the label among them."""
        return [name for name in self.types if name not in self._left_out]

    def schema(self) -> dict[str, Any]:
        """Returns the content of schema.json."""
        roles = dict.fromkeys(self.tables[0].index, "index")
        split = self._data.split
        if split.column and split.by in ("group", "time"):
            roles[split.column] = split.by
        return {
            "columns": [
                {"name": name}
                | self._columns[name]
                | {"type": self.types[name]}
                | ({"role": roles[name]} if name in roles else {})
                for name in self.columns
            ],
            "label": self._label,
        } | ({"weight": self._weight} if self._weight else {})

    def outcomes(self, index: int) -> Iterator[tuple[int, Outcome]]:
        """Yields what becomes of each block of a file, with how many rows it has."""
        table = self.tables[index]
        draw = None
        if self._time_column is None and self._file_splits[index] in (None, "train"):
            by_stratum = self._data.split.by == "stratum"
            key = self._file_key(index)
            draw = splits.Draw(key, self._shares, self._most_strata, by_stratum)
        for block in table.blocks(self._markers, self._read_as):
            if self._census:
                self._census.add(table, block)
            yield len(block.counts), self._outcome(index, block, draw)

    def _outcome(self, index: int, block: Block, draw: splits.Draw | None) -> Outcome:
        table = self.tables[index]
        if exclude := self._data.exclude:
            block = block._replace(raw=rejects.without(block, table.names, exclude))
        divided_by = self._time_column if self._file_splits[index] in (None, "train") else None
        required = [*self._required, divided_by] if divided_by else self._required
        batch, kept, rejected, unlabelled = self._labelled(table, block, required)
        fresh = self._first_of_their_kind(table, block, kept)
        kept[kept] = fresh
        batch = _only(batch, fresh)
        if self.keys:
            own, repeated = self._keys_of_their_own(table, block, kept, batch)
            kept[kept] = own
            batch = _only(batch, own)
            rejected = sorted(rejected + repeated, key=lambda reject: reject.row)
        found = self._assign(table, block, kept, batch, self._file_splits[index], draw)
        rows = pa.array(block.first_row + np.flatnonzero(kept))
        file = pa.DictionaryArray.from_arrays(np.full(len(rows), index, np.int32), self._paths)
        ids = [batch[name] for name in self._data.ids]
        origin = pa.Table.from_arrays([file, rows, *ids], schema=self.origin_fields)
        duplicates = int((~fresh).sum())
        return Outcome(batch.select(self.columns), origin, found, rejected, unlabelled, duplicates)

    def _labelled(
        self, table: Table, block: Block, required: list[str]
    ) -> tuple[pa.RecordBatch, Array, list[Reject], int]:
        """Returns the good rows that have a label, which these are (bool [rows]), the bad rows, and
        how many of the good ones have no label."""
        finite = [name for name in (self._label, self._weight) if name]
        batch, kept, rejected = blocks.typed(
            block, table.names, self.types, required, self._domains, self._formats, finite
        )
        labelled = batch[self._label].is_valid().to_numpy(zero_copy_only=False)
        kept[kept] = labelled
        return _only(batch, labelled), kept, rejected, int((~labelled).sum())

    def _first_of_their_kind(self, table: Table, block: Block, kept: Array) -> Array:
        """Says which of the kept rows have not been seen before, if duplicates are to be dropped.

        Rows are told apart by 64 bits: among ten million, one is dropped wrongly once in 370,000
        such tables.
        """
        if not self._data.drop_duplicates:
            return np.ones(int(kept.sum()), np.bool_)
        fresh = []
        for row in self._hashes(table, block, self.tables[0].names)[kept].tolist():
            fresh.append(row not in self._seen)
            self._seen.add(row)
        return np.array(fresh, np.bool_)

    def _keys_of_their_own(
        self, table: Table, block: Block, kept: Array, batch: pa.RecordBatch
    ) -> tuple[Array, list[Reject]]:
        """Says which of the kept rows have no value in a unique column that has come before, and
        returns the others."""
        own, rejected = np.ones(batch.num_rows, np.bool_), []
        cells_of_rows = zip(*(batch[name].to_pylist() for name in self.keys), strict=True)
        rows = np.flatnonzero(kept).tolist()
        for place, (row, keys) in enumerate(zip(rows, cells_of_rows, strict=True)):
            named = dict(zip(self.keys, keys, strict=True))
            again = next((name for name, key in named.items() if key in self.keys[name]), None)
            if again is None:
                for name, key in named.items():
                    self.keys[name] |= {key} - {None}
            else:
                own[place] = False
                found = blocks.quoted(block, table.names.index(again), row)
                reason = f"expected a value that comes once, found {found} again"
                rejected.append(blocks.rejected(block, row, again, reason))
        return own, rejected

    def _hashes(self, table: Table, block: Block, names: list[str]) -> Array:
        places = {name: index for index, name in enumerate(table.names)}
        return block.hashes(self._seed, [places[name] for name in names])

    def _assign(
        self,
        table: Table,
        block: Block,
        kept: Array,
        batch: pa.RecordBatch,
        file_split: str | None,
        draw: splits.Draw | None,
    ) -> Array:
        """Returns the split of each kept row of a block, which `batch` holds: int8 [rows]."""
        if file_split in ("validation", "test"):
            return np.full(batch.num_rows, splits.SPLITS.index(file_split), np.int8)
        if self._time_column:
            no_cut: dict[str, Any] = dict.fromkeys(self._splits_of_files)
            return splits.by_time(batch[self._time_column], self._cuts._replace(**no_cut))
        assert draw is not None
        found = draw.splits(self._strata(table, block)[kept])
        together = self._kept_together(table, block)
        if together is not None:
            hashes, by_hash = together[0][kept], together[1][kept]
            found[by_hash] = splits.by_place(hashes[by_hash] / 2.0**64, self._shares)
        return found

    def _strata(self, table: Table, block: Block) -> Array:
        """Returns a hash of what each row is to be stratified by: uint64 [rows]."""
        column = self._label
        if self._data.split.by == "stratum":
            column = self._data.split.column or self._label
        present = block.classes[table.names.index(column)] != cells.MISSING
        return np.where(present, self._hashes(table, block, [column]), 0)

    @property
    def _most_strata(self) -> int:
        """How many values of the label, or of `by: stratum`, make strata; more are a quantity."""
        task, type_ = self._data.task, self.types[self._label]
        if self._data.split.by == "stratum" or type_ in ("bool", "string"):
            return splits.MOST_STRATA
        return {"regression": 0, "auto": splits.FEW_CLASSES}.get(task, splits.MOST_STRATA)

    def _kept_together(self, table: Table, block: Block) -> tuple[Array, Array] | None:
        """Returns a hash of what rows that stay together have in common (uint64 [rows]), and which
        rows those are (bool [rows]); None if each row is by itself."""
        if self._data.split.copies == "together":
            no_features = {*self._left_out, self._label, self._weight}
            names = [name for name in self.tables[0].names if name not in no_features]
            return self._hashes(table, block, names), np.ones(len(block.counts), np.bool_)
        if self._group_column:
            # Rows without a group are no group.
            grouped = block.classes[table.names.index(self._group_column)] != cells.MISSING
            return self._hashes(table, block, [self._group_column]), grouped
        return None

    def _file_key(self, index: int) -> np.uint64:
        for table in self.tables[len(self._first_rows) : index + 1]:
            self._first_rows.append(self._first_row(table))
        return splits.file_key(self._first_rows[index], self._first_rows[:index], self._seed)

    def _first_row(self, table: Table) -> int:
        # Without types: what columns are taken for must not matter.
        for block in table.blocks(self._markers, {}):
            return int(self._hashes(table, block, self.tables[0].names)[0])
        return 0

    @property
    def _splits_of_files(self) -> list[str]:
        """The splits that have files of their own, for which nothing is taken from others."""
        return [name for name in ("validation", "test") if name in self._file_splits]

    @property
    def _time_column(self) -> str | None:
        split = self._data.split
        return split.column if split.by == "time" else None

    @property
    def _group_column(self) -> str | None:
        split = self._data.split
        return split.column if split.by == "group" else None

    def _check_columns(self) -> None:
        names, data = self.tables[0].names, self._data
        tables.check_column(self._label, names, "data.label")
        named = {"types": data.types, "exclude": data.exclude, "ids": data.ids}
        for key, columns in named.items():
            for name in columns:
                tables.check_column(name, names, f"data.{key}")
        if self._weight:
            tables.check_column(self._weight, names, "data.weight")
        if self._weight == self._label:
            raise MillraceError(
                f"data.weight: expected another column than the label, found {self._label!r}."
            )
        for role, column in (("label", self._label), ("weight", self._weight)):
            for key in ("exclude", "ids"):
                if column in named[key]:
                    raise MillraceError(f"data.{key}: expected no {role}, found {column!r}.")
        if taken := [name for name in data.ids if origins.is_reserved(name)]:
            raise MillraceError(
                f"data.ids: expected names that predictions.parquet does not have, found {taken}.",
                note="rename the column in the table.",
            )
        by = data.split.by
        if data.split.folds and by == "time":
            raise MillraceError("data.split.folds: expected none with `by: time`, found some.")
        if data.split.gap and by != "time":
            raise MillraceError(f"data.split.gap: expected none with `by: {by}`, found one.")
        if data.split.copies == "together" and by != "row":
            raise MillraceError(
                f"data.split.copies: expected `separate` with `by: {by}`, found `together`."
            )
        if by in ("group", "time") and data.split.column is None:
            raise MillraceError(
                f"data.split: expected the key 'column' with `by: {by}`, found none.",
                note="name the column whose values divide the rows.",
            )
        if by != "row" and data.split.column is not None:
            tables.check_column(data.split.column, names, "data.split.column")

    def _checked_shares(self) -> splits.Shares:
        shares = splits.shares(self._data.split)
        if shares.folds is not None and "validation" in self._file_splits:
            raise MillraceError(
                "data.split.folds: expected no file for validation under data.files, found one.",
                note="folds take the rows for validation from those for training.",
            )
        no_share: dict[str, Any] = dict.fromkeys(self._splits_of_files, 0.0)
        return shares._replace(**no_share)

    def _time_cuts(self, column: str) -> splits.Cuts:
        arrow_type = ARROW_TYPES[self.types[column]]
        return splits.time_cuts(self._data.split, arrow_type, lambda: self._times(column))

    def _times(self, column: str) -> pa.ChunkedArray:
        """Returns the values of the time column in the files that are to be divided."""
        kinds = {name: self.types[name] for name in (column, self._label)}
        read_as = kinds | dict.fromkeys(kinds.keys() & self._formats.keys(), "string")
        found = []
        for table, file_split in zip(self.tables, self._file_splits, strict=True):
            if file_split in (None, "train"):
                for block in table.blocks(self._markers, read_as):
                    batch, _, _ = blocks.typed(block, table.names, kinds, formats=self._formats)
                    found.append(batch.drop_null()[column])
        return pa.chunked_array(found, ARROW_TYPES[self.types[column]])


def _only(batch: pa.RecordBatch, wanted: Array) -> pa.RecordBatch:
    return batch if wanted.all() else batch.filter(pa.array(wanted))
