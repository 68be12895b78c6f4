import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from millrace.errors import DRIVER, MillraceError


def end(body: str) -> subprocess.CompletedProcess[str]:
    """Runs a program whose `main` has the given body under exit_with_status."""
    program = "from millrace.errors import MillraceError, exit_with_status\n"
    program += f"def main():\n{textwrap.indent(body, '    ')}\nexit_with_status(main)\n"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_the_note_stands_on_its_own_line() -> None:
    error = MillraceError("a: expected b, found c.", note="look there.")
    assert str(error) == "a: expected b, found c.\nNote: look there."
    assert str(MillraceError("a.")) == "a."


def test_success_ends_with_status_0_and_all_output() -> None:
    done = end("print('done')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_bad_input_ends_with_its_text_alone() -> None:
    done = end("raise MillraceError('x.csv: expected a table, found none.', note='try y.')")
    assert done.returncode == 1
    assert done.stderr == "error: x.csv: expected a table, found none.\nNote: try y.\n"


def test_an_error_of_the_system_names_the_file_and_the_cause() -> None:
    done = end("open('/nowhere/at/all')")
    assert done.returncode == 1
    assert done.stderr == "error: /nowhere/at/all: No such file or directory\n"


def test_a_full_disk_is_the_systems_error_whoever_noticed_it() -> None:
    done = end("raise RuntimeError('a/b.tmp; No space left on device\\n [Op:Save]')")
    assert done.returncode == 1
    assert done.stderr == "error: a/b.tmp; No space left on device\n"


@pytest.mark.parametrize("mistake", ["1 / 0", "assert False", "{}['key']"])
def test_a_mistake_in_the_program_keeps_its_traceback(mistake: str) -> None:
    done = end(mistake)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


# In place of Snakemake: runs a stage with a child process in a shell.
DRIVER_PROGRAM = """
import os, subprocess, sys
os.environ["{variable}"] = str({driver})
subprocess.run([sys.executable + " -c '" + {stage!r} + "' 2>&1 | tee log"], shell=True)
"""
# In place of DVC, see dvc/stage/run.py.
DVC_PROGRAM = """
import os, subprocess, sys
os.environ |= {{"DVC_STAGE": "train", "SHELL": "/bin/sh"}}
subprocess.run(["/bin/sh", "-c", sys.executable + " -c '" + {stage!r} + "' > log{behind}"])
"""
STAGE = """
import os, subprocess, time
from millrace.errors import exit_with_status
def main():
    child = subprocess.Popen(["sleep", "60"])
    print(os.getpid(), child.pid, flush=True)
    time.sleep(60)
exit_with_status(main)
"""


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def start_driver(
    folder: Path, driver: str, program: str = DRIVER_PROGRAM, behind: str = ""
) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Starts a driver and its stage; returns the processes of the stage and its child."""
    stage = STAGE.replace("'", '"')
    program = program.format(variable=DRIVER, driver=driver, stage=stage, behind=behind)
    environment = {name: x for name, x in os.environ.items() if name != DRIVER}
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, cwd=folder, env=environment)
    log, deadline = folder / "log", time.monotonic() + 60
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, [int(word) for word in log.read_text().split()]


@pytest.mark.parametrize(
    ("program", "behind"),
    [(DRIVER_PROGRAM, ""), (DVC_PROGRAM, ""), (DVC_PROGRAM, "; true")],
    ids=["snakemake", "dvc, the shell became the stage", "dvc, the shell waits"],
)
def test_a_stage_ends_with_the_driver_that_was_killed_and_its_children_too(
    tmp_path: Path, program: str, behind: str
) -> None:
    driver, stage = start_driver(tmp_path, "os.getpid()", program, behind)
    assert all(map(alive, stage))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 60
    while any(map(alive, stage)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stage_of_no_such_driver_is_left_alone(tmp_path: Path) -> None:
    """On another machine or terminal, the number belongs to another process."""
    other = subprocess.Popen(["sleep", "60"])
    driver, stage = start_driver(tmp_path, str(other.pid))
    other.kill()
    other.wait()
    driver.kill()
    driver.wait()
    time.sleep(0.5)
    assert all(map(alive, stage))
    for process in reversed(stage):
        os.kill(process, signal.SIGKILL)
