"""TensorFlow is imported without its words about oneDNN, and nothing else is kept back."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

NOISE = b"I0000 port.cc:153] oneDNN custom operations are on. You may see\n"
MESSAGE = b"f\xfcr AVX\n"


def imported(code: str, *shell: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs code behind `import millrace`, without the settings of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    command = [*shell, sys.executable, "-c", f"import os, millrace\n{code}"]
    return subprocess.run(command, env=own | environment, capture_output=True, check=False)


def stub(folder: Path, code: str) -> str:
    """Writes a module in place of TensorFlow; returns a PYTHONPATH that has it first."""
    text = f"import os\nos.write(2, {NOISE + MESSAGE!r})\n{code}\n"
    (folder / "tensorflow.py").write_text(text)
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorFlow has oneDNN on Linux with x86-64",
)
def test_tensorflow_has_onednn_and_does_not_say_so() -> None:
    done = imported(
        "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])\n"
        "import tensorflow\n"
        "from tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())"
    )
    assert (done.returncode, done.stdout) == (0, b"1\nTrue\n")
    assert b"oneDNN" not in done.stderr
    assert b"absl" not in done.stderr


@pytest.mark.parametrize(("end", "status"), [("", 0), ("os.abort()", -6)])
def test_other_words_come_through(tmp_path: Path, end: str, status: int) -> None:
    path = stub(tmp_path, end)
    done = imported(
        "import tensorflow\nos.write(2, b'oneDNN custom operations are on')", PYTHONPATH=path
    )
    assert done.returncode == status
    assert done.stderr == MESSAGE + b"oneDNN custom operations are on" * (not end)


def test_an_import_that_fails_leaves_standard_error_as_it_was(tmp_path: Path) -> None:
    path = stub(tmp_path, "raise ImportError('oneDNN custom operations are on')")
    done = imported("import tensorflow", PYTHONPATH=path)
    assert done.stderr.endswith(b"ImportError: oneDNN custom operations are on\n")


def test_a_process_that_goes_on_does_not_hold_the_import_up(tmp_path: Path) -> None:
    path = stub(tmp_path, "import subprocess\nchild = subprocess.Popen(['sleep', '20'])")
    code = "from tensorflow import child\nprint(child.poll())\nchild.kill()"
    assert imported(code, PYTHONPATH=path).stdout == b"None\n"


def test_without_grep_or_standard_error_the_import_is_as_ever(tmp_path: Path) -> None:
    path = stub(tmp_path, "")
    done = imported("import tensorflow", PYTHONPATH=path, PATH="")
    assert (done.returncode, done.stderr) == (0, NOISE + MESSAGE)
    (tmp_path / "tensorflow.py").write_text("")
    closed = imported("import tensorflow", "sh", "-c", 'exec "$@" 2>&-', "sh", PYTHONPATH=path)
    assert closed.returncode == 0
