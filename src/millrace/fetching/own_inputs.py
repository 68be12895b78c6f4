"""Checks that a job does not read its own output or overwrite foreign files."""

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
    """Checks that no input of a job is inside, or contains, a folder that the job writes.

    Links are resolved. Neither inputs nor folders need to exist.

    Args:
        job: the config.
        folders: the folders that the job writes.

    Raises:
        MillraceError: an input is there; the message names its key.
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
    """Checks that every directory that Snakemake empties before a stage was made by Millrace.

    Raises MillraceError when one has files but no marker.
    """
    for directory in directories(results):
        files.refuse_foreign(directory)


def directories(results: Results) -> list[Path]:
    """Returns the directories that rules write; for parts and runs, the existing ones."""
    return [
        results.raw,
        *sorted(results.parts.glob("*")),
        results.examples,
        results.encoded,
        *sorted(results.models.glob(f"**/{RunFolder.training.path}")),
        results.saved_model,
        results.tflite,
        results.tfjs,
        results.onnx,
    ]


def _takes_in(path: Path, written: Path) -> bool:
    """Returns whether a directory or pattern may contain files of a folder that is written."""
    if path.exists() or not glob.has_magic(str(path)):
        return path.is_dir() and written.is_relative_to(path)
    for part, folder in zip(path.parts, written.parts, strict=False):
        if part == "**":
            return True
        if not fnmatch.fnmatchcase(folder, part):
            return False
    return len(path.parts) > len(written.parts)


def _inputs(job: JobConfig) -> Iterator[tuple[str, str]]:
    """Yields (key, path) for each path in the config."""
    data = job.data
    for name in [*sources.written(data.files), *sources.present(data.files)]:
        if not source_names.is_elsewhere(name):
            yield "data.files", name
    if data.database and not data.database.files():
        # An SQLAlchemy URL of a database file has its path after the driver.
        yield "data.database", data.database.partition(":///")[2] or data.database
    for name in job.score.files:
        yield "score.files", name
    for key, path in local_paths(job):
        yield key, path.file if isinstance(path, CodePath) else path
