"""A job may not read what it writes, nor write where somebody else's files are."""

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from millrace import files
from millrace.errors import MillraceError
from millrace.fetching import sources
from millrace.results import Results, RunFolder

LONGEST_PATH = 4096


def refuse_own(config: dict[str, Any], folders: Iterable[str | Path]) -> None:
    """Checks that no file that a job reads lies in or above a folder that it writes.

    Links are resolved. Nothing has to exist, on either side.

    Args:
        config: the completed config.
        folders: those that the job writes.

    Raises:
        MillraceError: an input lies there; the message names its key.
    """
    for key, name in _inputs(config):
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
                    f"found {name}, which takes in that folder.",
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
        results.web,
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


def _inputs(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each path that the config names, behind its key."""
    data = config["data"]
    written = [text for _, text in _texts(data["files"], "data.files")]
    for name in [*written, *(source.name for source in sources.named(data["files"]))]:
        if not sources.is_elsewhere(name):
            yield "data.files", name
    for key in ("schema", "previous", "database"):
        if path := data.get(key):
            yield f"data.{key}", path.partition(":///")[2] or path
    for key in ("features", "models", "training"):
        for where, text in _texts(config.get(key), key):
            if "/" in text.strip("/") and "\0" not in text and len(text) < LONGEST_PATH:
                yield where, text


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yields every string within a part of a config, with its key."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)
