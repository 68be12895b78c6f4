"""With TensorFlow 1.15, if installed: makes the fixtures again, and runs the old code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NAMES = ("graphs", "adoption", "trees", "warm_start")
LIVE = [str(TESTS / "unit" / "tf1" / f"test_{name}.py") for name in NAMES]
OLD_CODE = TESTS / "fixtures" / "tf1_code" / "old"


def python37() -> str:
    """Returns a Python 3.7 with TensorFlow 1.15; skips the test if there is none."""
    python = os.environ.get("PYTHON37") or shutil.which("python3.7")
    if python is None:
        pytest.skip("no Python 3.7: set PYTHON37, or have python3.7 on the path")
    done = subprocess.run(
        [python, "-c", "import tensorflow; print(tensorflow.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("1.15"):
        pytest.skip(f"{python} has no TensorFlow 1.15: pip install tensorflow==1.15.5")
    return python


@pytest.mark.slow
def test_models_trained_now_are_adopted_alike(tmp_path: Path) -> None:
    made = tmp_path / "tf1"
    script = TESTS / "fixtures" / "make_tf1.py"
    subprocess.run([python37(), str(script), str(made)], capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *LIVE],
        env=os.environ | {"TF1_FIXTURES": str(made)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", ["session.py", "keras_model.py", "estimator.py"])
def test_the_old_code_runs_where_it_was_written_for(program: str, tmp_path: Path) -> None:
    """Checks that the code to upgrade works in TensorFlow 1."""
    python = python37()
    shutil.copytree(OLD_CODE, tmp_path / "old")
    done = subprocess.run(
        [python, program], cwd=tmp_path / "old", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (accuracy,) = re.findall(r"'?accuracy'?:? ([\d.]+)", done.stdout)
    assert float(accuracy) > 0.85
