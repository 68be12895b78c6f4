"""Raw cells that are read again, compared with the files."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace import config
from millrace.export import raw_cells
from millrace.features.raw_row import RawColumn
from millrace.ingestion import origins

MISSING = ("", "NA", "-1")


def data_of(**settings):
    job = {"name": "j", "data": {"files": "-", "label": "y"} | settings}
    return config.complete(job).data


def rows_of(path, wanted, **settings):
    return dict(raw_cells.read_rows(path, data_of(**settings), wanted))


def test_a_csv_is_cut_into_cells_as_it_stands(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,y\n 1, a \n\n"2,5","say ""x""\nand y"\r\nNA,?\n')
    assert rows_of(path, {1, 2, 3}) == {
        1: {"x": " 1", "y": " a "},
        2: {"x": "2,5", "y": 'say "x"\nand y'},
        3: {"x": "NA", "y": "?"},
    }
    assert rows_of(path, {2})[2]["x"] == "2,5"


@pytest.mark.parametrize("odd", ["3,4,5", '7, "b"', "8"])
def test_rows_behind_one_that_may_count_otherwise_are_left_alone(tmp_path, odd):
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n1,a\n{odd}\n2,b\n")
    assert [*rows_of(path, {1, 2, 3})] == [1]


def test_names_of_a_file_without_a_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1;a\n2;b\n")
    assert rows_of(path, {2}, header=["n", "s"]) == {2: {"n": "2", "s": "b"}}


def test_json_lines_and_parquet_keep_their_types(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1, "s": " a"}\n\n{"s": null}\n')
    assert rows_of(path, {1, 2}) == {1: {"n": 1, "s": " a"}, 2: {"s": None}}
    path = tmp_path / "day=3" / "a.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"n": [1.5, None], "s": ["a ", "b"]}), path)
    assert rows_of(path, {2}) == {2: {"day": "3", "n": None, "s": "b"}}


@pytest.mark.parametrize(
    ("cell", "type_", "sent"),
    [
        (" 1.5 ", "float32", 1.5),
        ("NA", "float32", "NA"),
        ("-1", "int64", -1.0),
        (Decimal("2.5"), "float64", 2.5),
        ("True", "bool", "True"),
        (" NA ", "string", " NA "),
        ("2013-01-31", "date", "2013-01-31"),
        (datetime.date(2013, 1, 31), "date", "2013-01-31"),
        (None, "string", None),
    ],
)
def test_a_cell_is_sent_as_an_application_would(cell, type_, sent):
    assert raw_cells.as_sent(cell, RawColumn("a", type_, "a", missing=MISSING)) == sent


MOMENT = datetime.datetime(2013, 1, 5, 15, 7, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("cell", "column", "sent"),
    [
        ("1.234", {"type": "float64", "thousands": "."}, "1.234"),
        (1234.0, {"type": "float64", "thousands": "."}, 1234.0),
        ("5/1/2013", {"type": "date", "format": "%d/%m/%Y"}, "5/1/2013"),
        (MOMENT.date(), {"type": "date", "format": "%d/%m/%Y"}, "05/01/2013"),
        (MOMENT, {"type": "timestamp", "format": "%m/%d/%y %I:%M %p"}, "01/05/13 02:07 PM"),
        (MOMENT, {"type": "timestamp", "format": "%s"}, "1357394820.000000"),
        (1357394820, {"type": "timestamp", "format": "%s"}, 1357394820),
    ],
)
def test_a_cell_in_a_format_is_sent_in_it(cell, column, sent):
    assert raw_cells.as_sent(cell, RawColumn("a", key="a", **column)) == sent


@pytest.mark.parametrize(
    ("cell", "column", "helped"),
    [
        (1.5, {"type": "float32"}, False),
        ("NA", {"type": "float32"}, True),
        ("1,5", {"type": "float32", "decimal": ","}, True),
        (1.5, {"type": "float32", "decimal": ","}, False),
        ("31/01/2013", {"type": "date", "format": "%d/%m/%Y"}, True),
        ("2013-01-31", {"type": "date"}, True),
        (" NA", {"type": "string", "takes_cells": True}, False),
        ("  NA", {"type": "string", "takes_cells": True}, True),
        ("NA", {"type": "string"}, True),
        ("a", {"type": "string"}, False),
        ("a|b", {"type": "string", "max_length": 3, "delimiter": "|"}, True),
        (None, {"type": "string"}, False),
    ],
)
def test_what_an_application_has_to_prepare_is_counted(cell, column, helped):
    settings = {"name": "a", "key": "a", "missing": MISSING} | column
    assert raw_cells.is_helped(cell, RawColumn(**settings)) is helped


def test_examples_get_the_cells_of_their_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text('n,s,d\n1, a,"1,5"\n?,b,2\n3,c,3\n')
    (tmp_path / "b.jsonl").write_text(json.dumps({"n": 4, "s": "d ", "d": 4}) + "\n")
    writer = origins.OriginWriter(tmp_path, "test", [])
    file = pa.DictionaryArray.from_arrays([0, 1, 0], ["a.csv", "b.jsonl"])
    fields = origins.fields([])
    writer.write(pa.Table.from_arrays([file, pa.array([2, 1, 1])], schema=fields))
    writer.close()
    columns = (
        RawColumn("n", "float32", "n", missing=("?",)),
        RawColumn("s", "string", "s", missing=("?",)),
        RawColumn("d", "float32", "d", missing=("?",), decimal=","),
    )
    stored = pd.DataFrame({"n": [None, 4.0, 1.0], "s": ["b", "d", "a"], "d": [2.0, 4.0, 1.5]})
    drawn = np.array([0, 1, 2])
    cells, places = raw_cells.replace_cells(stored, drawn, 3, tmp_path, data_of(), columns)
    assert places == [("a.csv", 2), ("b.jsonl", 1), ("a.csv", 1)]
    assert cells.to_dict("list") == {
        "n": ["?", 4.0, 1.0],
        "s": ["b", "d ", " a"],
        "d": ["2", 4, "1,5"],
    }
    parsed = raw_cells.as_columns({name: cells[name].to_numpy() for name in cells}, columns)
    np.testing.assert_array_equal(parsed["d"], np.array(stored["d"], np.float32))


def test_stored_times_are_sent_in_the_format_of_their_column(tmp_path):
    writer = origins.OriginWriter(tmp_path, "test", [])
    path = tmp_path / "a.csv"
    path.write_text("t,y\n01.02.2013 08:30,1\n")
    file = pa.DictionaryArray.from_arrays([0, 0], [str(path)])
    far = raw_cells.LAST_ROW + 1
    writer.write(pa.Table.from_arrays([file, pa.array([far, far])], schema=origins.fields([])))
    writer.close()
    column = RawColumn("t", "timestamp", "t", format="%d.%m.%Y %H:%M")
    stored = pd.DataFrame({"t": ["2013-01-31T08:30:00.000000Z", None]})
    drawn = np.arange(2)
    cells, places = raw_cells.replace_cells(stored, drawn, 2, tmp_path, data_of(), (column,))
    assert places == [None, None]
    assert cells["t"].to_list()[0] == "31.01.2013 08:30"
    assert pd.isna(cells["t"].to_list()[1])
