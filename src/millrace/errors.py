"""How a stage's process ends: with an error that a user is meant to read, or with its driver."""

import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn


class MillraceError(Exception):
    """Bad input: a config, a table, an artifact or an environment that a stage cannot work with.

    The message says what was expected, what was found, and where. `note`, printed on a line of
    its own, says the likely cause and what to do next.
    """

    def __init__(self, message: str, note: str | None = None) -> None:
        super().__init__(message if note is None else f"{message}\nNote: {note}")


class DivergedError(MillraceError):
    """A training whose numbers are not finite any more; a trial of a search may end so."""


# The environment variable in which a stage finds the process that runs the stages.
DRIVER = "MILLRACE_DRIVER"


def run(main: Callable[[], None]) -> NoReturn:
    """Runs a stage's `main` and ends the process: with status 0, or 1 and the error's text alone.

    A programming error still ends with its traceback: only bad input is reported briefly.
    """
    _end_with_driver()
    try:
        main()
    except MillraceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A full disk, a missing permission: the system's own words name the file and the cause.
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        # TensorFlow has its own class for it.
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(1)
    sys.stdout.flush()
    sys.exit(os.EX_OK)


def _end_with_driver() -> None:
    """Has this process end, children included, when the Snakemake that runs it is gone.

    One that was killed cannot stop its jobs, which would write beside those of the next run. Does
    nothing where the driver is no ancestor, as on another machine, or cannot be watched.
    """
    driver = int(os.environ.get(DRIVER, "0"))
    if driver not in _ancestors(os.getpid()) or not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        watched = os.pidfd_open(driver)
        threading.Thread(target=_end_after, args=(watched,), daemon=True).start()


def _end_after(watched: int) -> None:
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.poll()
    for child in _children(os.getpid()):
        os.kill(child, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _ancestors(process: int) -> Iterator[int]:
    """Yields the processes that a process comes from, the nearest first, without init."""
    while (process := _parent(process)) > 1:
        yield process


def _parent(process: int) -> int:
    """Returns the process that started one, 0 where that is not known."""
    try:
        # The name, in parentheses, may hold any character.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _children(process: int) -> list[int]:
    """Returns all that a process has started, directly or not."""
    found = []
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text().split()):
                found += [child, *_children(child)]
    return found
