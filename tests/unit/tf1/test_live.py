"""The fixtures made again by TensorFlow 1.15, where there is one, and compared live."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
LIVE = [str(TESTS / "unit" / name) for name in ("test_tf1.py", "test_tf1_adoption.py")]


def python37() -> str:
    """Returns a Python 3.7 with TensorFlow 1.15; skips the test when there is none."""
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
