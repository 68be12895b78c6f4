"""The runners, each in its own process."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.export.parity import as_cells
from millrace.export.signature import describe_input
from millrace.features.raw_row import RawColumn, raw_columns
from tests.helpers.artifacts import as_json


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
)
# A cell, and what the models get for it.
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
}


def client_of(name: str) -> dict[str, list[object]]:
    """What a client makes of the cells, by the client's own code."""
    cells = {column: [cell for cell, _ in pairs] for column, pairs in SENT.items()}
    inputs = as_json([describe_input(column) for column in COLUMNS])
    if name == "predict.mjs":
        source = runtimes._TFJS_RUNNER.read_text().split("try {\n  await main();")[0]
        script = f"{source};\nconst [inputs, cells] = {json.dumps([inputs, cells])};" + (
            "const made = inputs.map((x) => [x.key, cells[x.name].map((y) => modelValue(x, y))]);"
            "console.log(JSON.stringify(Object.fromEntries(made)));"
        )
        command = [str(runtimes.NODE), "--input-type=module", "--eval", script]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=runtimes._TFJS_RUNNER.parent
        )
        made: dict[str, list[object]] = json.loads(done.stdout)
        return made
    return runpy.run_path(str(runtimes._HERE / name))["tensors"](cells, inputs)


@pytest.mark.parametrize("client", ["saved_model.py", "tflite.py", "predict.mjs"])
def test_clients_make_of_a_cell_what_the_signature_says(client):
    found = client_of(client)
    for name, pairs in SENT.items():
        expected = [wanted for _, wanted in pairs]
        if name in ("n", "yes", "d", "t"):
            # JSON has null for NaN.
            numbers = [np.array(x, np.float64) for x in (found[name], expected)]
            np.testing.assert_allclose(*numbers, atol=1e-9, err_msg=name)
        else:
            assert found[name] == expected, name


def test_the_reference_makes_the_same_of_a_cell():
    table = pd.DataFrame({name: as_cells(x for x, _ in pairs) for name, pairs in SENT.items()})
    found = raw_columns(table, COLUMNS)
    for name in ("n", "yes", "d", "t"):
        expected = np.array([wanted for _, wanted in SENT[name]], np.float32)
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
    for name in ("old", "plain", "list", "text"):
        assert found[name].tolist() == [wanted for _, wanted in SENT[name]], name


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["saved_model", "tflite"])
def test_runners_import_nothing_of_millrace(runner):
    path = runtimes._HERE / f"{runner}.py"
    program = (
        f"import sys, runpy; sys.argv = ['x', '--help']\n"
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
    # What Node prints last is its version.
    runner = tmp_path / "runner.mjs"
    runner.write_text('import "nowhere";')
    monkeypatch.setattr(runtimes, "_TFJS_RUNNER", runner)
    with pytest.raises(MillraceError, match=r"found: Error \[ERR_MODULE_NOT_FOUND\]: .*nowhere"):
        runtimes.run_tfjs(tmp_path, "cpu", request)
