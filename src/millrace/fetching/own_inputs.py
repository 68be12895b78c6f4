"""Checks that a job does not read what it writes, or write over other files."""

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from millrace import files
from millrace.config.job import JobConfig
from millrace.config.values import CodePath, local_paths
from millrace.errors import MillraceError
from millrace.fetching import source_names, sources
from millrace.results import Results, RunFolder


def refuse_own(job: JobConfig, folders: Iterable[str | Path]) -> None:
    """Checks that no file that a job reads lies in or above a folder that it writes.

    Links are resolved. Nothing has to exist, on either side.

    Args:
        job: the config.
        folders: those that the job writes.

    Raises:
        MillraceError: an input lies there; the message names its key.
    """
    for key, name in _inputs(job):
        path = Path(os.path.realpath(name))
        for folder in folders:
            written = Path(os.path.realpath(folder))
            if path.is_relative_to(written):
                raise MillraceError(
                    f"{key}: expected a path outside {folder}, which this job writes, "
                    f"found {name}.",
                    note="move or copy the file to another folder, such as data, and name it "
                    "there.",
                )
            if _takes_in(path, written):
                raise MillraceError(
                    f"{key}: expected a path apart from {folder}, which this job writes, "
                    f"found {name}, which contains that folder.",
                    note="put the files into a folder of their own, such as data, and name that.",
                )


def refuse_foreign(results: Results) -> None:
    """Checks that each directory that Snakemake empties before a stage is one that Millrace made.

    Raises MillraceError when one holds files and no marker.
    """
    for directory in directories(results):
        files.refuse_foreign(directory)


def directories(results: Results) -> list[Path]:
    """Returns the directories that rules write; of parts and runs, those that are there."""
    return [
        results.raw,
        *sorted(results.parts.glob("*")),
        results.examples,
        results.encoded,
        *sorted(results.models.glob(f"**/{RunFolder.training.path}")),
        results.saved_model,
        results.tflite,
        results.tfjs,
    ]


def _takes_in(path: Path, written: Path) -> bool:
    """Whether a directory, or a pattern, holds or matches files in a folder."""
    if path.exists() or not glob.has_magic(str(path)):
        return path.is_dir() and written.is_relative_to(path)
    for part, folder in zip(path.parts, written.parts, strict=False):
        if part == "**":
            return True
        if not fnmatch.fnmatchcase(folder, part):
            return False
    return len(path.parts) > len(written.parts)


def _inputs(job: JobConfig) -> Iterator[tuple[str, str]]:
    """Yields each path that the config names, behind its key."""
    data = job.data
    for name in [*sources.written(data.files), *(x.name for x in sources.named(data.files))]:
        if not source_names.is_elsewhere(name):
            yield "data.files", name
    if data.database and not data.database.files():
        # A file that SQLAlchemy opens, behind its driver.
        yield "data.database", data.database.partition(":///")[2] or data.database
    for name in job.score.files:
        yield "score.files", name
    for key, path in local_paths(job):
        yield key, path.file if isinstance(path, CodePath) else path
