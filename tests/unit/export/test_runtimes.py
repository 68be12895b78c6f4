"""The runners, each in its own process."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.export.raw_cells import as_cells, as_columns
from millrace.export.signature import describe_input
from millrace.features.raw_row import RawColumn
from millrace.ingestion import formats
from tests.helpers.artifacts import as_json
from tests.helpers.differential import run_script
from tests.helpers.runner_requests import CLIENTS, model_values


def test_rows_keep_every_digit_and_mark_the_missing(tmp_path):
    cells = {
        "x (mm)": np.array([0.1, np.nan, np.inf], np.float32),
        "s": np.array(["ü", "", None], object),
    }
    runtimes.write_rows(tmp_path / "rows.json", cells)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows == {
        "x (mm)": [float(np.float32(0.1)), None, "Infinity"],
        "s": ["ü", "", None],
    }


MARKERS = ("", "NA", "-1")
COLUMNS = (
    RawColumn("n", "float32", "n", missing=MARKERS),
    RawColumn("yes", "bool", "yes", missing=MARKERS),
    RawColumn("s", "string", "s", missing=MARKERS, takes_cells=True),
    RawColumn("old", "string", "old", missing=MARKERS),
    RawColumn("plain", "string", "plain"),
    RawColumn("list", "string", "list", 3, "|", MARKERS),
    RawColumn("text", "string", "text", 3, "", MARKERS),
    RawColumn("d", "date", "d", missing=MARKERS),
    RawColumn("t", "timestamp", "t", missing=MARKERS),
    RawColumn("money", "float64", "money", missing=MARKERS, decimal=".", thousands=","),
    RawColumn("preis", "float64", "preis", missing=MARKERS, decimal=",", thousands="."),
    RawColumn("gap", "int64", "gap", missing=MARKERS, decimal=".", thousands=" "),
    RawColumn("franken", "float64", "franken", missing=MARKERS, thousands="'"),
    RawColumn("share", "float64", "share", missing=MARKERS, decimal=",", thousands=""),
    RawColumn("day", "date", "day", missing=MARKERS, format="%d/%m/%Y"),
    RawColumn("us", "timestamp", "us", missing=MARKERS, format="%m/%d/%Y %I:%M %p"),
    RawColumn("utc", "timestamp", "utc", missing=MARKERS, format="%Y-%m-%d %H:%M:%S %Z"),
    RawColumn("month", "date", "month", missing=MARKERS, format="%b-%Y"),
    RawColumn("short", "date", "short", missing=MARKERS, format="%d.%m.%y"),
    RawColumn("mail", "timestamp", "mail", format="%a, %d %b %Y %H:%M:%S %z"),
    RawColumn("seconds", "timestamp", "seconds", missing=MARKERS, format="%s"),
    RawColumn("millis", "timestamp", "millis", missing=MARKERS, format="%Q"),
)
# A cell, and the value that the models get for it.
SENT = {
    "n": [(" 1.5 ", 1.5), ("NA", None), (None, None), (-1.0, -1.0), ("-1", None), ("1e3", 1000.0)],
    "yes": [("True", 1.0), ("false", 0.0), ("1", 1.0), (" NA", None), (0, 0.0), (True, 1.0)],
    "s": [(" NA", " NA"), ("NA ", "NA "), ("   NA", ""), ("\ta", "a"), (" a ", " a "), (None, "")],
    "old": [(" NA", ""), ("a b ", "a b"), ("-1", ""), ("", ""), (" ", ""), (None, "")],
    "plain": [(" NA", " NA"), ("NA", "NA"), ("\t", "\t"), ("", ""), (" a ", " a "), (None, "")],
    "list": [
        (" a | b|", ["a", "b", ""]),
        ("NA", ["", "", ""]),
        ("NA|b", ["NA", "b", ""]),
        ("a|b|c|d", ["a", "b", "c"]),
        (None, ["", "", ""]),
        ("|", ["", "", ""]),
    ],
    "text": [
        ("Mind the_gap!", ["mind", "the", "gap"]),
        ("NA", ["", "", ""]),
        ("ÉTÉ e\u0301 ½", ["été", "e\u0301", "½"]),
        ("", ["", "", ""]),
        ("a b c d", ["a", "b", "c"]),
        (None, ["", "", ""]),
    ],
    "d": [
        ("1970-01-02", 1.0),
        ("NA", None),
        (" 2000-02-29 ", 11_016.0),
        ("0001-01-01", -719_162.0),
        ("9999-12-31", 2_932_896.0),
        (None, None),
    ],
    "t": [
        ("1970-01-02T00:00:01Z", [1.0, 1.0]),
        ("1970-01-01 12:00", [0.0, 43_200.0]),
        ("1970-01-01T00:00:00.250+01:00", [-1.0, 82_800.25]),
        ("1970-01-01T00:30:00-0100", [0.0, 5400.0]),
        ("NA", [None, None]),
        ("1969-12-31T23:59:59.000001", [-1.0, 86_399.000001]),
    ],
    "money": [
        ("$1,234.50", 1234.5),
        ("12.5%", 12.5),
        ("(300)", -300.0),
        ("($1,000)", -1000.0),
        ("$(1,234.50)", -1234.5),
        ("$ (5)", -5.0),
        ("-$5", -5.0),
        ("$-5", -5.0),
        ("300-", -300.0),
        ("\u22127", -7.0),
        (" US$ 12,34,567.25 ", 1_234_567.25),
        ("99 kr", 99.0),
        ("5EUR", 5.0),
        ("1,234EUR", 1234.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        (1234.5, 1234.5),
        ("NA", None),
        ("-1", None),
        (None, None),
    ],
    "preis": [("1.234,50 €", 1234.5), ("12,5 %", 12.5), ("1.234", 1234.0), ("\t7 ", 7.0)],
    "gap": [("1 234 567", 1_234_567.0), ("1\u00a0234", 1234.0), ("1\u202f234", 1234.0), (7, 7.0)],
    "franken": [("CHF 1'234.5", 1234.5), ("1’234", 1234.0)],
    "share": [("0,25", 0.25), ("12,5 %", 12.5)],
    "day": [
        ("31/12/2021", 18_992.0),
        (" 1/3/1970", 59.0),
        ("29/02/2000", 11_016.0),
        ("01/01/0001", -719_162.0),
        ("NA", None),
        (None, None),
    ],
    "us": [
        ("1/5/2021 3:07 PM", [18_632.0, 54_420.0]),
        ("01/05/2021 12:00 am", [18_632.0, 0.0]),
        ("01/05/2021  12:30 PM", [18_632.0, 45_000.0]),
        ("", [None, None]),
    ],
    "utc": [("2021-05-07 19:52:06 UTC", [18_754.0, 71_526.0]), ("NA", [None, None])],
    "month": [("Dec-2015", 16_770.0), ("sept-1970", 243.0), ("MAY-1970", 120.0)],
    "short": [("31.12.69", -1.0), ("1.1.68", 35_794.0)],
    "mail": [("Thu, 01 Jan 1970 00:30:00 +0100", [-1.0, 84_600.0])],
    "seconds": [("86401", [1.0, 1.0]), (86_401, [1.0, 1.0]), ("-1.5", [-1.0, 86_398.5])],
    "millis": [("86401500", [1.0, 1.5])],
}
NUMBERS = [column.name for column in COLUMNS if column.is_number]
# Cells that a column does not take. A client must not make another value of them, or none.
REFUSED = {
    "n": ["1,5", "1_000", "0x10", "abc", "1 000", "$5", "\u0663", "constructor", ["1"], {}],
    "s": [1.5, True, ["a"], {}, "\ud800", "a\udfff"],
    "list": [1.5, ["a"], "a|\ud800"],
    "text": [0.0, False],
    "d": ["31/12/2021", "12/11/2021", "2021-02-29", "May 7 2021", "20210507"],
    "t": ["1/5/2021 3:07 PM", "2021-05-07 24:00", "yesterday"],
    "money": [
        *("1.234,5", "1,23", "12,3456", "1,2345", "5 USD $", "(-5)", "-5-", "$", "1,000e3", "007"),
        *("($(5))", "$(5", "($5", "-$(5)", "5E", "5 E", "5e1 e"),
    ],
    "preis": ["1.5", "1,234.5", "12.34"],
    "gap": ["1 23", "1,234", "1  234"],
    "day": ["12/31/2021", "29/02/2021", "2021-12-31", "31/12/21", "0/1/2021"],
    "us": ["1/5/2021 13:07 PM", "1/5/2021 0:07 AM", "1/5/2021 3:61 PM", "1/5/2021 3:07"],
    "month": ["Dezember-2015", "De-2015"],
    "seconds": ["1e9", "now", "--1"],
}


INPUTS = [describe_input(column) for column in COLUMNS]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_make_of_a_cell_what_the_signature_says(client):
    sent = {name: [cell for cell, _ in pairs] for name, pairs in SENT.items()}
    found = model_values(client, sent, INPUTS)
    for name, pairs in SENT.items():
        expected = [wanted for _, wanted in pairs]
        if name in NUMBERS:
            # JSON has null instead of NaN.
            numbers = [np.array(x, np.float64) for x in (found[name], expected)]
            np.testing.assert_allclose(*numbers, atol=1e-9, err_msg=name)
        else:
            assert found[name] == expected, name


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_refuse_what_ingest_refuses(client):
    found = model_values(client, REFUSED, INPUTS)
    for name, cells in REFUSED.items():
        for cell, said in zip(cells, found[name], strict=True):
            assert str(said).startswith(f"column '{name}': expected a "), (name, cell, said)


UNFIT_ROWS = {
    "not JSON": b'{"n": [1]',
    "not UTF-8": b'{"n": [1], "s": ["\xff"]}',
    "no JSON number": b'{"n": [NaN], "s": [null]}',
    "too deep": b"[" * 100_000,
    "no object": b"[1, 2]",
    "no list": b'{"n": 1, "s": ["a"]}',
    "a column too few": b'{"n": [1]}',
    "a column too many": b'{"n": [1], "s": ["a"], "x\\ud800": [1]}',
    "two lengths": b'{"n": [1, 2], "s": ["a"]}',
    "a cell of another type": b'{"n": [1], "s": [1]}',
}


@pytest.mark.parametrize("client", ["tflite", "onnx_runtime"])
@pytest.mark.parametrize("content", UNFIT_ROWS.values(), ids=UNFIT_ROWS)
def test_rows_that_do_not_fit_the_signature_are_one_error(tmp_path, content, client):
    (tmp_path / "rows.json").write_bytes(content)
    inputs = as_json([describe_input(x) for x in COLUMNS if x.name in ("n", "s")])
    (tmp_path / "signature.json").write_text(json.dumps({"inputs": inputs}))
    options = {"model": "none", "signature": "signature.json", "rows": "rows.json"}
    given = [x for name, file in options.items() for x in (f"--{name}", str(tmp_path / file))]
    said = run_script(runtimes._HERE / f"{client}.py", [*given, "--output", str(tmp_path / "out")])
    assert re.fullmatch(r"error: .*expected .*, found .*\n", said)
    assert not (tmp_path / "out").exists()


def test_ingest_reads_formatted_cells_as_the_clients_do():
    for column in COLUMNS:
        way = formats.of_column(column)
        if way is None:
            continue
        refused = [cell.encode() for cell in REFUSED.get(column.name, [])]
        assert formats.read_texts(refused, way) == [None] * len(refused), column.name


def test_the_reference_makes_the_same_of_a_cell():
    cells = {name: as_cells(x for x, _ in pairs) for name, pairs in SENT.items()}
    for column in COLUMNS:
        found = as_columns({column.name: cells[column.name]}, (column,))[column.name]
        expected = [wanted for _, wanted in SENT[column.name]]
        if column.name in NUMBERS:
            wanted = np.array(expected, np.float32)
            np.testing.assert_array_equal(found, wanted, err_msg=column.name)
        elif not column.takes_cells:
            assert found.tolist() == expected, column.name


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["saved_model", "tflite", "onnx_runtime"])
def test_runners_import_nothing_of_millrace(runner):
    path = runtimes._HERE / f"{runner}.py"
    program = (
        f"import sys, runpy; sys.argv = ['x', '--help']; sys.path.insert(0, {str(path.parent)!r})\n"
        f"try: runpy.run_path({str(path)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(any(name.startswith('millrace') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip().endswith("False")


def test_a_runner_that_fails_says_why(tmp_path, monkeypatch):
    request = runtimes.Request(tmp_path / "rows.json", tmp_path / "signature.json")
    for path in request:
        path.write_text('{"inputs": []}')
    with pytest.raises(MillraceError, match="expected predictions, found: "):
        runtimes.run_tflite(tmp_path / "no.tflite", request)
    # Node prints its version last.
    runner = tmp_path / "runner.mjs"
    runner.write_text('import "nowhere";')
    monkeypatch.setattr(runtimes, "_TFJS_RUNNER", runner)
    with pytest.raises(MillraceError, match=r"found: Error \[ERR_MODULE_NOT_FOUND\]: .*nowhere"):
        runtimes.run_tfjs(tmp_path, "cpu", request)
