"""The runners, each in its own process."""

import json
import subprocess
import sys

import numpy as np
import pytest

from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.features.raw_row import name_columns

COLUMNS = name_columns({"x (mm)": "float32", "n": "int64", "s": "string"})


def test_rows_keep_every_digit_and_mark_the_missing(tmp_path):
    raw = {
        "x (mm)": np.array([0.1, np.nan], np.float32),
        "n": np.array([2.0**24, np.nan], np.float32),
        "s": np.array(["ü", ""], object),
    }
    runtimes.write_rows(tmp_path / "rows.json", raw, COLUMNS)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert np.float32(rows["columns"]["x__mm_"][0]) == np.float32(0.1)
    assert rows["columns"] == {
        "x__mm_": [float(np.float32(0.1)), None],
        "n": [2.0**24, None],
        "s": ["ü", ""],
    }
    assert rows["types"] == {"x__mm_": "float32", "n": "float32", "s": "string"}
    assert rows["features"]["x__mm_"] == ["x (mm)", "float32", ""]


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
    (tmp_path / "rows.json").write_text("{}")
    with pytest.raises(MillraceError, match="expected predictions, found: "):
        runtimes.run_tflite(tmp_path / "no.tflite", tmp_path / "rows.json")
    # What Node prints last is its version.
    runner = tmp_path / "runner.mjs"
    runner.write_text('import "nowhere";')
    monkeypatch.setattr(runtimes, "_TFJS_RUNNER", runner)
    with pytest.raises(MillraceError, match=r"found: Error \[ERR_MODULE_NOT_FOUND\]: .*nowhere"):
        runtimes.run_tfjs(tmp_path, "cpu", tmp_path / "rows.json")
