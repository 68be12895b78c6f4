"""score, run as a program."""

import subprocess
import sys
from pathlib import Path

from tests.helpers.scorings import Scored

ROOT = Path(__file__).parents[3]


def test_new_rows_are_scored_without_tensorflow(made_job, tmp_path):
    scored = Scored(made_job("binary").until("convert_tflite"), tmp_path)
    arguments = ["--config", str(scored.config), "--results", str(scored.results.folder)]
    arguments += ["--rows", str(made_job("binary").results / "test.csv")]
    arguments += ["--output", str(scored.folder / "scored.csv")]
    program = (
        "import runpy, sys\ntry:\n    runpy.run_path('scripts/score.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()\n"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "400 rows = 400 scored, 0 rejected" in done.stdout
