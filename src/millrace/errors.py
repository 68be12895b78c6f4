"""The one kind of error that a user is meant to read, and how a stage script reports it."""

import errno
import os
import sys
from collections.abc import Callable
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


def run(main: Callable[[], None]) -> NoReturn:
    """Runs a stage's `main` and ends the process: with status 0, or 1 and the error's text alone.

    A programming error still ends with its traceback: only bad input is reported briefly.
    """
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
