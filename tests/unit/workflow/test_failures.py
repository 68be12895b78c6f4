import os
import subprocess
import sys
from pathlib import Path

from millrace.workflow.failures import last_error

ERROR = "error: t.csv: expected a header, found none.\nNote: set data.header.\n"
TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'x'\n"


def test_the_error_of_a_log_is_what_it_ends_with(tmp_path: Path) -> None:
    log = tmp_path / "fetch.log"
    for text, expected in (
        ("reading\n" + ERROR, ERROR.rstrip()),
        ("reading\n" + TRACEBACK, "KeyError: 'x'"),
        ("an error: of no stage\nepoch 1\n", ""),
        ("", ""),
    ):
        log.write_text(text)
        assert last_error(log) == expected


def test_only_errors_of_this_run_are_printed_and_last(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name, text in (("old", ERROR), ("train/tabm", ERROR), ("train/dnn", "done\n")):
        (tmp_path / f"{name}.log").write_text(text)
    os.utime(tmp_path / "old.log", (1, 1))
    program = (
        "import sys; from pathlib import Path; from millrace.workflow import failures\n"
        "failures.print_last(Path('.'), 100)\n"
        "print('noise', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == f"noise\n\ntrain/tabm.log:\n{ERROR}"
