"""Raw tables as typed batches, with every row counted."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import blocks, cells, delimited, dialects, inference, tables
from millrace.ingestion.blocks import Markers
from millrace.ingestion.delimited import DelimitedTable
from tests.helpers.configs import data_config

MARKERS = ["", "NA", "?"]
Read = tuple[list[dict[str, Any]], list[blocks.Reject], dict[str, str]]


def read(
    path: Path,
    text: str | bytes,
    types: dict[str, str] | None = None,
    tolerated: float = 0.001,
    header: bool | list[str] = True,
    quote: str | None = None,
) -> Read:
    """Returns the good rows, the rejected ones and the types of a table."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    table = tables.open_table(path, data_config(header=header, quote=quote))
    markers = Markers.of(MARKERS)
    counts = tables.census([table], markers)
    found = {
        name: (types or {}).get(name) or inference.column_type(counts[name], tolerated)
        for name in table.names
    }
    good, rejects, seen = [], [], 0
    for block in table.blocks(markers, found):
        batch, taken, bad = blocks.typed(block, table.names, found)
        assert taken.sum() == batch.num_rows and len(taken) == batch.num_rows + len(bad)
        batch.validate(full=True)
        good += batch.to_pylist()
        rejects += bad
        seen += len(taken)
    assert seen == counts.rows
    return good, rejects, found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_types_are_found(path: Path) -> None:
    text = (
        "whole,part,word,truth,day,moment,code,mixed,none\n"
        "1,1.5,a,true,2013-01-31,2013-01-31T10:00:00Z,007,1,\n"
        ",2, b ,FALSE,?,2013-01-31,010,x,NA\n"
        "-3,NA,NA,true,2014-02-01,,123,2.5,?\n"
    )
    good, rejects, types = read(path, text)
    assert rejects == []
    assert types == {
        "whole": "int64",
        "part": "float64",
        "word": "string",
        "truth": "bool",
        "day": "date",
        "moment": "timestamp",
        "code": "string",
        "mixed": "string",
        "none": "string",
    }
    table = pd.DataFrame(good)
    assert [row["whole"] for row in good] == [1, None, -3]
    assert [row["part"] for row in good] == [1.5, 2.0, None]
    assert list(table["word"])[:2] == ["a", "b"]
    assert list(table["code"]) == ["007", "010", "123"]
    assert [str(row["moment"]) for row in good[:2]] == [
        "2013-01-31 10:00:00+00:00",
        "2013-01-31 00:00:00+00:00",
    ]
    assert all(row["none"] is None for row in good)


def test_a_dirty_cell_is_rejected_and_does_not_change_the_type(path: Path) -> None:
    lines = ["id,size", *(f"{n},{n}.5" for n in range(2000))]
    lines[1001] = "1000,big"
    good, rejects, types = read(path, "\n".join(lines))
    assert types == {"id": "int64", "size": "float64"}
    assert len(good) == 1999
    assert rejects == [
        blocks.Reject(
            row=1001,
            byte_offset=len("\n".join(lines[:1001])) + 1,
            column="size",
            reason="expected float64, found 'big'",
            raw="1000,big",
        )
    ]


def test_many_dirty_cells_make_a_column_text(path: Path) -> None:
    text = "size\n" + "1\nbig\n" * 10
    assert read(path, text)[2] == {"size": "string"}
    assert read(path, text, tolerated=10)[2] == {"size": "int64"}
    assert len(read(path, text, tolerated=10)[1]) == 10


def test_types_can_be_asked_for(path: Path) -> None:
    types = {"a": "float32", "b": "string", "c": "int64", "d": "bool", "e": "timestamp"}
    good, rejects, _ = read(path, "a,b,c,d,e\n1,2,007,1,2013-01-31\nx,2,1,0,\n", types)
    assert [str(row["e"]) for row in good] == ["2013-01-31 00:00:00+00:00"]
    del good[0]["e"]
    assert good == [{"a": 1.0, "b": "2", "c": 7, "d": True}]
    assert [(reject.row, reject.column) for reject in rejects] == [(2, "a")]


def test_rows_with_another_number_of_cells_are_rejected(path: Path) -> None:
    good, rejects, _ = read(path, 'a,b\n1,2\n3\n\n"4,\n5",6,7\n8,"9\n10,11\n')
    assert good == [{"a": 1, "b": 2}, {"a": 10, "b": 11}]
    assert [(reject.row, reject.byte_offset, reject.reason, reject.raw) for reject in rejects] == [
        (2, 8, "expected 2 cells, found 1", "3"),
        (3, 11, "expected 2 cells, found 3", '"4,'),
        (4, 15, "expected 2 cells, found 3", '5",6,7'),
        (5, 22, "a quote is opened and never closed", '8,"9'),
    ]


def test_text_that_is_not_utf8_is_rejected(path: Path) -> None:
    # After the part that is examined to detect the encoding.
    text = b"a,b\n" + b"x,1\n" * 100_000 + b"\xff\xfe,2\ny,3\n"
    good, rejects, _ = read(path, text)
    assert len(good) == 100_001
    assert [(reject.row, reject.raw) for reject in rejects] == [(100_001, r"\xff\xfe,2")]


@pytest.mark.parametrize("text", ["1e39", "-1e300", "1e999"])
def test_numbers_that_no_float32_holds_are_rejected(path: Path, text: str) -> None:
    good, rejects, _ = read(path, f"x,y\n1.5,a\n{text},b\n2,c\n", {"x": "float64"})
    assert [row["x"] for row in good] == [1.5, 2.0]
    assert rejects[0].reason == f"expected float64, found {text!r}"


def test_nan_in_a_number_column_is_missing(path: Path) -> None:
    good, rejects, _ = read(path, "x\n1.5\nNAN\n")
    assert (good, rejects) == ([{"x": 1.5}, {"x": None}], [])


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_are_read_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    texts = [f"+{number!r}" if number > 9 else repr(number) for number in numbers]
    good, _, _ = read(path, "\n".join(["x", *texts]), {"x": "float64"})
    assert [row["x"] for row in good] == numbers


CELL = st.text(st.sampled_from('ab"\n, é0.1'), max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=30), st.integers(1, 9))
def test_blocks_of_any_size_give_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch, table: list[list[str]], size: int
) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["a", "b"], *table])
    types = {"a": "string", "b": "string"}
    # A few odd cells do not tell whether quotes are text, so the config does.
    whole = read(path, file.getvalue(), types, quote='"')
    with monkeypatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", size)
        patch.setattr(delimited, "CELLS_PER_BLOCK", 4)
        assert read(path, file.getvalue(), types, quote='"') == whole
    assert len(whole[0]) == len(table)


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_an_error(path: Path, data: bytes) -> None:
    try:
        read(path, b"a,b\n" + data)
        read(path, data)
    except MillraceError as error:
        assert str(path) in str(error)


def test_names_are_made_or_given_where_there_is_no_header(path: Path) -> None:
    assert read(path, "1,x\n2,y\n", header=False)[0][0] == {"column_1": 1, "column_2": "x"}
    assert read(path, "1,x\n2,y\n", header=["n", "s"])[0][1] == {"n": 2, "s": "y"}
    assert read(path, ",x\n1,y\n")[0] == [{"column_1": 1, "x": "y"}]


def test_a_name_may_hold_a_newline(path: Path) -> None:
    assert read(path, '"a\nb",c\n1,2\n')[0] == [{"a\nb": 1, "c": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "found an empty file"),
        (b"\n\n", "found an empty file"),
        (b"\xef\xbb\xbf", "found an empty file"),
        (b"a,b,a\n1,2,3\n", r"expected different column names, found \['a'\] more than once"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "expected text, found binary data"),
        (b"\x1f\x8b\x08\x00", "expected gzip data, found a damaged file"),
    ],
)
def test_files_that_are_no_table(path: Path, text: bytes, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        read(path, text)


def test_a_row_without_end_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(delimited, "LARGEST_ROW_BYTES", 5000)
    with pytest.raises(MillraceError, match="row 2: expected at most"):
        read(path, "a,b\n1,2\n" + "x" * 20_000)


def test_files_must_have_the_same_columns(tmp_path: Path) -> None:
    for name, text in {"a": "x,y\n1,2\n", "b": "y,x\n1,2\n", "c": "x,z\n1,2\n"}.items():
        (tmp_path / name).write_text(text)
    data = data_config()
    tables.open_tables([tmp_path / "a", tmp_path / "b"], data)
    with pytest.raises(MillraceError, match=r"found \['y'\] missing and \['z'\] added"):
        tables.open_tables([tmp_path / "a", tmp_path / "c"], data)


def test_a_column_that_is_not_there_is_answered_with_those_like_it() -> None:
    with pytest.raises(MillraceError, match=r"'arrival_delay'\.\nNote: the table has 'arr_delay'"):
        tables.check_column("arrival_delay", ["arr_delay", "carrier"], "data.label")
    tables.check_column("carrier", ["arr_delay", "carrier"], "data.label")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "string"),
        ({cells.MISSING: 9}, "string"),
        ({cells.INT: 5}, "int64"),
        ({cells.INT: 5, cells.FLOAT: 1}, "float64"),
        ({cells.INT: 5, cells.LONG: 1}, "string"),
        ({cells.FLOAT: 5, cells.LONG: 1}, "float64"),
        ({cells.INT: 5, cells.CODE: 1}, "string"),
        ({cells.INT: 9990, cells.FLOAT: 4, cells.TEXT: 6}, "float64"),
        ({cells.INT: 9990, cells.TEXT: 10}, "int64"),
        ({cells.INT: 9989, cells.TEXT: 11}, "string"),
        ({cells.BOOL: 3, cells.INT: 3}, "string"),
        ({cells.DATE: 3, cells.MISSING: 3}, "date"),
        ({cells.DATE: 3, cells.TIMESTAMP: 1}, "timestamp"),
    ],
)
def test_column_types(counts: dict[int, int], expected: str) -> None:
    array = np.zeros(cells.CLASSES, np.int64)
    for kind, count in counts.items():
        array[kind] = count
    assert inference.column_type(array, 0.001) == expected


def test_columns_have_the_arrow_types_of_examples(path: Path) -> None:
    path.write_text("a,b\n2013-01-31,1\n")
    table, types = (
        DelimitedTable(path, dialects.detect(path, None), True),
        {"a": "date", "b": "float32"},
    )
    batch, _, _ = blocks.typed(next(table.blocks(Markers.of(MARKERS), {})), table.names, types)
    assert batch.schema.types == [pa.date32(), pa.float32()]


def test_a_first_column_without_a_name_is_an_index(path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    frame.to_csv(path)
    assert tables.open_table(path, data_config()).index == ("column_1",)
    pd.read_csv(path).to_csv(path, index=False)
    assert tables.open_table(path, data_config()).index == ("Unnamed: 0",)
    frame.to_csv(path, index=False)
    assert tables.open_table(path, data_config()).index == ()


def test_lines_to_skip_are_given_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("a title\nx,y\n3,4\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for key in ("b.csv", paths[1].as_posix()):
        found = tables.open_tables(paths, data_config(skip_lines={key: 1}))
        assert [table.names for table in found] == [["x", "y"]] * 2
    with pytest.raises(MillraceError, match=r"data\.skip_lines: expected files out of .*'c\.csv'"):
        tables.open_tables(paths, data_config(skip_lines={"c.csv": 1}))
