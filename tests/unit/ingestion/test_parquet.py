"""Parquet files; the oracle is pyarrow's own reading of them."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import blocks, inference, parquet, tables
from millrace.ingestion.blocks import Markers

COLUMNS: dict[str, pa.Array] = {
    "small": pa.array([1, None, -3], pa.int8()),
    "big": pa.array([2**62 + 1, 0, None], pa.int64()),
    "part": pa.array([1.5, float("nan"), None], pa.float32()),
    "price": pa.array([Decimal("1.25"), None, Decimal("-0.5")], pa.decimal128(9, 2)),
    "truth": pa.array([True, None, False]),
    "word": pa.array([" a", "?", None]),
    "number": pa.array(["1", "", "3"], pa.large_string()),
    "kind": pa.array(["x", None, "x"]).dictionary_encode(),
    "day": pa.array([date(2013, 1, 31), None, date(1969, 1, 1)]),
    "moment": pa.array(
        [datetime(2013, 1, 31, 8, tzinfo=UTC), None, None], pa.timestamp("ns", "UTC")
    ),
    "nothing": pa.nulls(3),
}
TYPES = {
    "small": "int64",
    "big": "int64",
    "part": "float64",
    "price": "float64",
    "truth": "bool",
    "word": "string",
    "number": "string",
    "kind": "string",
    "day": "date",
    "moment": "timestamp",
    "nothing": "string",
}
ROWS: dict[str, list[Any]] = {name: column.to_pylist() for name, column in COLUMNS.items()} | {
    "part": [1.5, None, None],
    "price": [1.25, None, -0.5],
    "word": ["a", None, None],
    "number": ["1", None, "3"],
}
MARKERS = Markers.of(["", "?"])


def read(
    path: Path, types: dict[str, str] | None = None, exclude: tuple[str, ...] = ()
) -> tuple[pa.Table, list[blocks.Reject], dict[str, str]]:
    table = tables.open_table(path, {"exclude": exclude})
    counts = tables.census([table], MARKERS)
    found = {
        name: (types or {}).get(name) or inference.column_type(counts[name], 0.001)
        for name in table.names
        if name not in exclude
    }
    batches, rejects = [], []
    for block in table.blocks(MARKERS, found):
        batch, _, bad = blocks.typed(block, table.names, found)
        batches.append(batch)
        rejects += bad
    return pa.Table.from_batches(batches), rejects, found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pq.write_table(pa.table(COLUMNS), tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def test_columns_keep_their_types(path: Path) -> None:
    table, rejects, types = read(path)
    assert (types, rejects) == (TYPES, [])
    assert {name: table[name].to_pylist() for name in table.column_names} == ROWS


def test_other_types_can_be_asked_for(path: Path) -> None:
    asked = {"number": "int64", "small": "string", "day": "timestamp", "big": "float64"}
    table, rejects, _ = read(path, asked)
    assert rejects == []
    assert table["number"].to_pylist() == [1, None, 3]
    assert table["small"].to_pylist() == ["1", None, "-3"]
    assert table["day"].to_pylist()[0] == datetime(2013, 1, 31, tzinfo=UTC)
    assert table["big"].to_pylist() == [float(2**62 + 1), 0.0, None]


def test_bad_rows_are_kept_as_json(path: Path) -> None:
    _, rejects, _ = read(path, {"word": "int64"})
    assert [(reject.row, reject.column, reject.byte_offset) for reject in rejects] == [
        (1, "word", None)
    ]
    assert rejects[0].reason == "expected int64, found 'a'"
    assert json.loads(rejects[0].raw)["word"] == " a"


def test_many_row_groups_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.arange(1000)
    source = pa.table({"n": numbers, "s": numbers.astype(str)})
    pq.write_table(source, tmp_path / "table.parquet", row_group_size=77)
    monkeypatch.setattr(parquet, "CELLS_PER_BLOCK", 60)
    table, _, _ = read(tmp_path / "table.parquet")
    assert table.to_pydict() == source.to_pydict()


def test_equal_rows_have_equal_hashes(path: Path) -> None:
    source = pa.concat_tables([pa.table(COLUMNS)] * 2)
    pq.write_table(source, path, row_group_size=2)
    table = tables.open_table(path, {"exclude": []})
    hashes = np.concatenate(
        [block.hashes(0, range(len(table.names))) for block in table.blocks(MARKERS, {})]
    )
    assert hashes[:3].tolist() == hashes[3:].tolist()
    assert len(set(hashes.tolist())) == 3


def test_nested_columns_are_refused_unless_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"n": [1], "list": [[1, 2]]}), path)
    with pytest.raises(MillraceError, match=r"column 'list': expected numbers.*found list<"):
        read(path)
    assert read(path, exclude=("list",))[0].to_pylist() == [{"n": 1}]


def test_damage_is_named(path: Path) -> None:
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-20])
    with pytest.raises(MillraceError, match="expected Parquet data, found a damaged file"):
        read(path)
    for place in range(4, 60):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(MillraceError, match="expected Parquet data, found a damaged file"):
        read(path)


def test_a_job_of_one_thread_uses_one(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({f"c{index}": list(range(1000)) for index in range(10)}), path)
    # In a process of its own: another test may have begun Arrow's threads.
    script = """
import os, sys
from pathlib import Path
from millrace.ingestion import blocks, parquet

table = parquet.ParquetTable(Path(sys.argv[1]), [])
before = len(os.listdir("/proc/self/task"))
list(table.blocks(blocks.Markers.of([]), {}))
print(len(os.listdir("/proc/self/task")) - before)
"""
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "0\n"
