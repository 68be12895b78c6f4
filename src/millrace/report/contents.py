"""The table of the files of a job, for the report."""

from dataclasses import dataclass
from pathlib import Path

from millrace.files import visible
from millrace.results import Entry, Results


@dataclass(frozen=True)
class Listed:
    """A file that the job has made.

    Attributes:
        path: the link to it, relative to the report.
        meaning: what it is.
        bytes: its size; None of what the report's own stage makes.
    """

    path: str
    meaning: str
    bytes: int | None


def listing(results: Results) -> list[Listed]:
    """Returns each artifact that is there.

    The last made, which people want first, comes first. What the report's own stage makes is listed
    without looking: a report must not depend on its own last run.
    """
    return [
        Listed(
            path=entry.path,
            meaning=entry.meaning,
            bytes=None if entry.is_last else _bytes(results.folder / entry.path),
        )
        for entry in reversed(list(Results.artifacts()))
        if entry is not Results.report and _is_listed(entry, results)
    ]


def _is_listed(entry: Entry, results: Results) -> bool:
    return entry.is_last or (results.folder / entry.path).exists()


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in visible(path))
