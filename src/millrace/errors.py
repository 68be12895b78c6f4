"""The error type for bad input, and how the process of a stage exits."""

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
    """Bad input: a config, a table, an artifact or an environment that a stage cannot use.

    The message says what was expected, what was found, and where. `note`, printed on its own line,
    gives the likely cause and the next step.
    """

    def __init__(self, message: str, note: str | None = None) -> None:
        super().__init__(message if note is None else f"{message}\nNote: {note}")


class DivergedError(MillraceError):
    """A loss or a weight is no longer finite; a search counts such a trial as the worst."""


# The environment variable that holds the process ID of Snakemake, which runs the stages.
DRIVER = "MILLRACE_DRIVER"
# The environment variable in which DVC passes a command the name of its stage.
DVC_STAGE = "DVC_STAGE"


def exit_with_status(main: Callable[[], None]) -> NoReturn:
    """Calls a stage's `main` and exits: with status 0, or with 1 and only the error's message.

    A programming error still shows its traceback: only bad input is reported briefly.
    """
    _end_with_driver()
    try:
        main()
    except MillraceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A full disk or a missing permission: the system's message names the cause.
        file = f"{error.filename}: " if error.filename else ""
        print(f"error: {file}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        # TensorFlow reports a full disk with its own exception class.
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(1)
    sys.stdout.flush()
    sys.exit(os.EX_OK)


def _end_with_driver() -> None:
    """Kills this process and its children as soon as the driver that started it is gone.

    A killed Snakemake or DVC cannot stop its jobs, which would keep writing while the next driver
    runs. Does nothing if the driver is not an ancestor, as on another machine, or cannot be
    watched.
    """
    driver = _driver()
    if driver not in _ancestors(os.getpid()) or not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        watched = os.pidfd_open(driver)
        threading.Thread(target=_end_after, args=(watched,), daemon=True).start()


def _driver() -> int:
    """Returns the process ID of the driver, or 0 if there is none."""
    if DRIVER in os.environ:
        return int(os.environ[DRIVER])
    if DVC_STAGE not in os.environ:
        return 0
    # DVC runs a command in the user's shell, which either waits for it or replaces itself with it.
    shell = Path(os.environ.get("SHELL") or "/bin/sh").name
    return next((x for x in _ancestors(os.getpid()) if _name(x) != shell), 0)


def _name(process: int) -> str:
    """Returns the name of a process, or "" if it is unknown."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def _end_after(watched: int) -> None:
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.poll()
    for child in _children(os.getpid()):
        os.kill(child, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _ancestors(process: int) -> Iterator[int]:
    """Yields the ancestors of a process, nearest first, without init."""
    while (process := _parent(process)) > 1:
        yield process


def _parent(process: int) -> int:
    """Returns the parent of a process, or 0 if it is unknown."""
    try:
        # The name, in parentheses, may contain any character.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _children(process: int) -> list[int]:
    """Returns the descendants of a process."""
    found = []
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text().split()):
                found += [child, *_children(child)]
    return found
