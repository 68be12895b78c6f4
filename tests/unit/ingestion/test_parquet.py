"""Parquet files, compared with PyArrow's reader."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import blocks, cells, inference, parquet, tables
from millrace.ingestion.blocks import Markers
from tests.helpers.configs import data_config

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
    table = tables.open_table(path, data_config(exclude=exclude))
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
    table = tables.open_table(path, data_config())
    hashes = np.concatenate(
        [block.hashes(0, range(len(table.names))) for block in table.blocks(MARKERS, {})]
    )
    assert hashes[:3].tolist() == hashes[3:].tolist()
    assert len(set(hashes.tolist())) == 3


def test_no_number_wraps(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    numbers = [5, 2**63 + 2**11, 2**64 - 1, None]
    source = pa.table({"u": pa.array(numbers, pa.uint64()), "small": pa.array([1, 2, 3, 4], "u8")})
    pq.write_table(source, path)
    table, rejects, types = read(path)
    assert types == {"u": "string", "small": "int64"} and not rejects
    assert table["u"].to_pylist() == ["5", str(2**63 + 2**11), str(2**64 - 1), None]
    table, _, _ = read(path, {"u": "float64"})
    expected = pd.read_parquet(path)["u"].astype("Float64").tolist()
    assert table["u"].to_pylist()[:3] == expected[:3]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, 2]]),
        pa.array([{"x": 1}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([b"a"]),
        pa.array([b"a"], pa.binary(1)),
        pa.array([b"a"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_what_is_no_cell_is_refused_with_its_type(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"n": [1], "odd": column}), path)
    found = pq.read_schema(path).field("odd").type
    with pytest.raises(MillraceError, match="column 'odd': expected numbers") as raised:
        read(path)
    assert f"found {found}." in str(raised.value)
    assert read(path, exclude=("odd",))[0].to_pylist() == [{"n": 1}]


def test_decimals_are_the_nearest_doubles(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    numbers = [Decimal("0.1"), Decimal("-12345678901234567890.123456789"), None, Decimal("1E+3")]
    pq.write_table(pa.table({"d": pa.array(numbers, pa.decimal128(38, 9))}), path)
    table, _, types = read(path)
    assert types == {"d": "float64"}
    assert table["d"].to_pylist() == [0.1, float(numbers[1] or 0), None, 1000]


def test_times_of_day_and_durations_are_seconds(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    source = pa.table(
        {
            "seconds": pa.array([time(1, 0, 5), None], pa.time32("s")),
            "nanos": pa.array([time(0, 0, 1, 500_000), None], pa.time64("ns")),
            "took": pa.array([timedelta(days=-1, microseconds=1), None], pa.duration("us")),
        }
    )
    pq.write_table(source, path)
    table, _, types = read(path)
    assert set(types.values()) == {"float64"}
    assert table.to_pylist()[0] == {
        "seconds": 3605.0,
        "nanos": 1.5,
        "took": timedelta(days=-1, microseconds=1).total_seconds(),
    }


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_year_that_no_date_has_is_rejected(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "table.parquet"
    last = datetime(9999, 12, 31, 23, 59, 59)
    per_second = {"s": 1, "ms": 1000, "us": 10**6}[unit]
    seconds = int(last.replace(tzinfo=UTC).timestamp())
    largest = 2**52 if unit == "s" else 2**63 - 1  # Parquet has no seconds
    beyond = [seconds * per_second, (seconds + 1) * per_second, largest]
    source = pa.table(
        {
            "moment": pa.array(beyond, pa.timestamp(unit)),
            "day": pa.array([2_932_896, 0, 2_932_897], pa.date32()),
        }
    )
    pq.write_table(source, path)
    table, rejects, types = read(path)
    assert types == {"moment": "timestamp", "day": "date"}
    assert table.to_pylist() == [{"moment": last.replace(tzinfo=UTC), "day": date(9999, 12, 31)}]
    assert [reject.row for reject in rejects] == [2, 3]
    assert "found a year that is not between 1 and 9999" in rejects[0].reason


def test_infinity_is_kept_unless_it_stands_for_a_missing_value(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": [1.0, np.inf, -np.inf], "n": [1, 2, 999]}), path)
    table, rejects, _ = read(path)
    assert table["x"].to_pylist() == [1.0, np.inf, -np.inf] and not rejects
    opened = tables.open_table(path, data_config())
    (block,) = opened.blocks(Markers.of(["", "inf", "999"]), {})
    assert (block.classes == cells.MISSING).tolist() == [[False, True, False], [False, False, True]]


def test_an_index_that_pandas_stored_is_known(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    parts = [pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [3, 4]})]
    pd.concat(parts).to_parquet(path)
    assert tables.open_table(path, data_config()).index == ("__index_level_0__",)
    pd.concat(parts).rename_axis("place").to_parquet(path)
    assert tables.open_table(path, data_config()).index == ("place",)
    pd.concat(parts, ignore_index=True).to_parquet(path)
    assert tables.open_table(path, data_config()).index == ()


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
    # In its own process: another test may have started Arrow's threads.
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


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_page_that_stands_for_much_text_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType
) -> None:
    monkeypatch.setattr(parquet, "TEXT_BYTES_PER_BLOCK", 10_000)
    texts = [None if n % 7 == 0 else "ab"[n % 2] * (900 if n % 3 else n % 11) for n in range(500)]
    table = pa.table({"s": pa.array(texts).cast(kind), "n": range(500)})
    pq.write_table(table, tmp_path / "t.parquet")
    opened = tables.open_table(tmp_path / "t.parquet", data_config())
    found = list(opened.blocks(MARKERS, {"s": "string"}))
    assert len(found) > 10
    assert all(len(block.data) <= 10_000 + 16 * len(block.counts) for block in found)
    rows = [
        None if block.classes[0, row] == cells.MISSING else blocks.text(block.data, span)
        for block in found
        for row, span in enumerate(block.spans[0])
    ]
    assert rows == [text or None for text in texts]
    assert [block.first_row for block in found] == [
        1 + sum(len(block.counts) for block in found[:index]) for index in range(len(found))
    ]
