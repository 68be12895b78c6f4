"""JSON lines, compared with Python's json module value by value."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import blocks, inference, json_lines, tables
from millrace.ingestion.blocks import Markers
from millrace.ingestion.formats import NumberFormat
from tests.helpers.configs import data_config

MARKERS = Markers.of(["NA"])
ROWS: list[dict[str, Any]] = [
    {"n": 1, "x": 1.5, "s": "a b", "t": True, "day": "2013-01-31", "list": [1, 2]},
    {"n": None, "x": 2, "s": "NA", "t": False, "day": None},
    {"s": " é ", "late": 1, "n": -(2**40)},
]


def read(path: Path) -> tuple[list[dict[str, Any]], list[blocks.Reject], dict[str, str]]:
    table = tables.open_table(path, data_config())
    counts = tables.census([table], MARKERS)
    types = {name: inference.column_type(counts[name], 0.001) for name in table.names}
    good, rejects = [], []
    for block in table.blocks(MARKERS, types):
        batch, _, bad = blocks.typed(block, table.names, types)
        good += batch.to_pylist()
        rejects += bad
    assert len(good) + len(rejects) == counts.rows
    return good, rejects, types


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_values_keep_their_types(tmp_path: Path) -> None:
    good, rejects, types = read(write(tmp_path / "rows.jsonl", ROWS))
    assert rejects == []
    assert types == {
        "n": "int64",
        "x": "float64",
        "s": "string",
        "t": "bool",
        "day": "date",
        "list": "string",
        "late": "int64",
    }
    assert [row["n"] for row in good] == [1, None, -(2**40)]
    assert [row["s"] for row in good] == ["a b", None, "é"]
    assert [row["t"] for row in good] == [True, False, None]
    assert [row["list"] for row in good] == ["[1, 2]", None, None]
    assert [row["late"] for row in good] == [None, None, 1]


def test_lines_that_are_no_objects_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = ['{"a": 1}', "", '{"a": 2', "[1]", '{"a": "\\ud800"}', '{"a": 3}']
    path.write_text("\r\n".join(lines))
    good, rejects, _ = read(path)
    assert good == [{"a": "1"}, {"a": "3"}]
    data = path.read_bytes()
    for reject, row, line in zip(rejects, (2, 3, 4), (lines[2], lines[3], lines[4]), strict=True):
        assert (reject.row, reject.raw) == (row, line)
        assert reject.byte_offset is not None and data[reject.byte_offset :].startswith(
            line.encode()
        )
    assert rejects[0].reason == "expected a JSON object with each key once, found other text"


def test_a_line_whose_keys_would_lose_something_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2, "a": 3}\n{"a": 4, "\\ud800": 5}\n{"a": 6}\n')
    good, rejects, _ = read(path)
    assert good == [{"a": 1}, {"a": 6}]
    assert [reject.row for reject in rejects] == [2, 3]


VALUES = st.none() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"k": st.just("x"), "v": VALUES}), min_size=1, max_size=9))
def test_any_values_come_out_as_they_went_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    path = write(tmp_path / "rows.jsonl", rows)
    table = tables.open_table(path, data_config())
    types = dict.fromkeys(table.names, "string")
    with monkeypatch.context() as patch:
        patch.setattr(json_lines, "ROWS_PER_BLOCK", 2)
        patch.setattr(json_lines, "CHUNK_BYTES", 7)
        found = [
            value
            for block in table.blocks(Markers.of([]), types)
            for value in blocks.typed(block, table.names, types)[0]["v"].to_pylist()
        ]
    expected = [row["v"] if row["v"] is None else str(row["v"]).strip(" \t") for row in rows]
    assert found == expected


def test_compressed_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}'))
    assert read(path)[0] == [{"a": 1}, {"a": 2}]


def test_an_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[\n {"a": 1}\n]')
    with pytest.raises(MillraceError, match="expected one JSON object per line, found an array"):
        read(tmp_path / "rows.json")


def test_lines_without_any_object_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("{}\n{x\n")
    with pytest.raises(MillraceError, match="expected JSON objects, one per line, found none"):
        read(tmp_path / "rows.json")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_come_whole_whatever_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(json_lines, "CHUNK_BYTES", size)
    rows = [{"n": n, "s": "x" * (n % 50)} for n in range(60)]
    good, rejects, _ = read(write(tmp_path / "rows.jsonl", rows))
    assert [row["n"] for row in good] == list(range(60))
    assert [row["s"] or "" for row in good] == [row["s"] for row in rows]
    assert not rejects


def test_a_line_without_an_end_is_refused_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "LARGEST_ROW_BYTES", 1 << 20)
    monkeypatch.setattr(json_lines, "CHUNK_BYTES", 1 << 10)
    path = write(tmp_path / "rows.jsonl", [{"n": 1}, {"n": 2}, {"s": "x" * (1 << 21)}])
    with pytest.raises(MillraceError, match=r"rows\.jsonl: line 3: expected at most 1 MiB"):
        read(path)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_lines_are_counted(tmp_path: Path, end: str) -> None:
    path = tmp_path / "table"
    path.write_text('{"n": 1}\n\n \n{"n": 2}\nno object' + end)
    table = tables.open_table(path, data_config())
    rows = sum(len(block.counts) for block in table.blocks(MARKERS, {}))
    with path.open() as file:
        lines = [line.strip() for line in file]
    assert (rows, table.lines) == (3, (len(lines), 0, 0, 0, lines.count("")))


COMMAS = ["1.000,5", "2.345,0", "7.001,25"]


@pytest.mark.parametrize("texts", [1, 30])
def test_the_point_of_a_number_separates_no_thousands(tmp_path: Path, texts: int) -> None:
    """Beside 1.000,5 the text 5.179 is five thousand, and the number 5.179 is not."""
    written = [{"x": COMMAS[place % 3]} for place in range(texts)]
    path = write(tmp_path / "rows.jsonl", [*written, *[{"x": 5.179}] * 30])
    table = tables.open_table(path, data_config())
    census = tables.census([table], MARKERS)
    found = inference.infer(census, ["x"], inference.Given({}, {}, (None, None)), 0.001)
    assert found.types == {"x": "string"}
    assert found.formats == {}
    (mixed,) = found.taken
    assert "30 of its numbers have a decimal point" in mixed.message
    assert f"{texts} a decimal comma" in mixed.message


def test_a_number_among_texts_in_a_given_format_is_refused(tmp_path: Path) -> None:
    rows = [{"x": "1.000,5"}, {"x": 5.179}, {"x": 5179}, {"x": None}, {"x": "5.179"}]
    table = tables.open_table(write(tmp_path / "rows.jsonl", rows), data_config())
    (block,) = table.blocks(MARKERS, {})
    way = {"x": NumberFormat(",", ".")}
    batch, _, (bad,) = blocks.typed(block, ["x"], {"x": "float64"}, formats=way)
    assert batch.to_pylist() == [{"x": 1000.5}, {"x": 5179.0}, {"x": None}, {"x": 5179.0}]
    assert bad.row == 2
    assert bad.reason == "expected float64 written as 1.000,5, found the number 5.179"
