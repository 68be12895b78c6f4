"""The versions of a model under `serving/<name>`, in the layout that TensorFlow Serving polls.

    serving/flights/
      4/                                  what is served: the largest number
        saved_model.pb, variables/        what TensorFlow Serving loads
        assets.extra/                     what it does not load:
          tf_serving_warmup_requests        but for the requests that it sends itself first
          millrace/                         the other forms, the signature, the certificate
      3/                                  the version before
      .5.withdrawn/                       rolled back

The server passes over names that are no numbers, so a version appears and disappears by one rename.
"""

from __future__ import annotations

import re
from pathlib import Path

from millrace.errors import MillraceError
from millrace.results import ServedVersion

_WITHDRAWN = re.compile(r"\.(\d+)\.withdrawn")


class Versions:
    """The versions of one model.

    Attributes:
        folder: `serving/<name>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def numbers(self) -> list[int]:
        """The versions that a server sees, ascending."""
        return sorted(int(path.name) for path in self._paths() if path.name.isdecimal())

    @property
    def withdrawn(self) -> list[int]:
        """The versions that were rolled back, ascending."""
        found = (_WITHDRAWN.fullmatch(path.name) for path in self._paths())
        return sorted(int(match[1]) for match in found if match)

    def _paths(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if path.is_dir()]

    @property
    def next(self) -> int:
        """A number that no version had, also none that was rolled back."""
        return max([0, *self.numbers, *self.withdrawn]) + 1

    def version(self, number: int) -> ServedVersion:
        """Returns the folder of a version that a server sees."""
        return ServedVersion(self.folder / str(number))

    def withdrawn_version(self, number: int) -> ServedVersion:
        """Returns the folder of a version that was rolled back."""
        return ServedVersion(self.folder / f".{number}.withdrawn")

    def in_use(self) -> int | None:
        """Returns the version that is served, or None where there is none.

        Raises:
            MillraceError: push did not write it.
        """
        if not (numbers := self.numbers):
            return None
        found = self.version(numbers[-1])
        if not found.manifest.is_file():
            raise MillraceError(
                f"{found.folder}: expected a version that `make push` wrote, found none: there is "
                f"no {found.manifest.relative_to(found.folder)}.",
                note="move it to another folder: the largest number is served.",
            )
        return numbers[-1]


def served(job: str) -> Path:
    """Returns the folder of a job's versions, relative to the working directory."""
    return Path("serving", job)
