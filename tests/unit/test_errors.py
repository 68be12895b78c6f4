import subprocess
import sys
import textwrap

import pytest

from millrace.errors import MillraceError


def end(body: str) -> subprocess.CompletedProcess[str]:
    """Runs a program whose `main` has the given body under millrace.errors.run."""
    program = "from millrace.errors import MillraceError, run\n"
    program += f"def main():\n{textwrap.indent(body, '    ')}\nrun(main)\n"
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
