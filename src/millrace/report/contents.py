"""The table of the files of a job, for the report."""

from dataclasses import dataclass
from pathlib import Path

from millrace.files import visible
from millrace.results import Entry, Results


@dataclass(frozen=True)
class Listed:
    """An artifact of the job.

    Attributes:
        path: the link to it, relative to the report.
        meaning: its description.
        bytes: its size; None for files that the report stage writes.
    """

    path: str
    meaning: str
    bytes: int | None


def listing(results: Results) -> list[Listed]:
    """Returns the existing artifacts, the last ones first, which people want most.

    Files that the report stage writes are always listed, because a report must not depend on the
    output of its previous run.
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
