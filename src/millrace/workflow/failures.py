"""Repeats the errors of failed stages at the end of Snakemake's output."""

import atexit
import sys
from pathlib import Path


def print_last(logs: Path, since: float) -> None:
    """Prints the errors in the logs of failed stages when this process ends.

    Args:
        logs: the folder of a job's logs.
        since: the start of the run, in seconds since the epoch; older logs are ignored.
    """
    found = [
        f"{path}:\n{error}"
        for path in sorted(logs.rglob("*.log"))
        if path.stat().st_mtime >= since and (error := last_error(path))
    ]
    if found:
        atexit.register(print, "\n" + "\n".join(found), file=sys.stderr, flush=True)


def last_error(log: Path) -> str:
    """Returns the error at the end of a stage's log; "" for none.

    For bad input a log ends with `error: ` and optionally a note; for a programming error it ends
    with a traceback.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        return "\n".join(lines[starts[-1] :])
    traceback = any(line.startswith("Traceback (most recent call last)") for line in lines)
    return lines[-1] if traceback else ""
