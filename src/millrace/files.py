"""Artifacts on disk: written completely or not at all, with bytes that depend only on content."""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from millrace.errors import MillraceError

# A directory that contains one of these was made by Millrace, or by Snakemake for it, and may be
# replaced. The markers are empty so that the bytes of an artifact stay reproducible.
MARKERS = (".millrace", ".snakemake_timestamp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there becomes `path` on success.

    Works for files and directories. On an error the temporary path is removed and `path` keeps its
    previous content, so readers never see a half-written artifact. A directory gets a marker that
    allows it to be replaced the next time.

    Raises MillraceError when `path` is a directory with files that Millrace did not make.
    """
    refuse_foreign(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        if temporary.is_dir():
            (temporary / MARKERS[0]).touch()
        if path.is_dir():
            _remove(path)
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:  # a full disk, found while writing
            error.filename = str(path)
        raise
    finally:
        _remove(temporary)


def refuse_foreign(path: Path) -> None:
    """Raises MillraceError when `path` is a directory with files that Millrace did not make."""
    if not path.is_dir() or any((path / marker).exists() for marker in MARKERS):
        return
    if found := next(path.iterdir(), None):
        raise MillraceError(
            f"{path}: expected a directory that Millrace made, found {found.name} in it and no "
            f"file {MARKERS[0]}.",
            note="its content would be deleted: move it, write to another directory, or "
            "give the job another name.",
        )


def _sweep(path: Path) -> None:
    """Removes the temporary files of killed processes beside `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.partial"):
        pid = int(left.name.split(".")[-2])
        # A live process may be the child of a killed run, and still be writing.
        if pid == os.getpid() or not Path(f"/proc/{pid}").exists():
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as JSON in one canonical form: keys in their order, floats in shortest form.

    A dataclass is written as its fields; fields that default to None are left out when they are
    None. NaN and infinity have no JSON form and raise ValueError.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=json_fields)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def json_fields(value: Any) -> Any:
    """Converts an object for `json.dumps(default=…)` as `write_json` does: a dataclass by fields.

    Sections of the config define their own `json_form`.
    """
    if hasattr(value, "json_form"):
        return value.json_form()
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    found = ((field, getattr(value, field.name)) for field in fields(value))
    return {field.name: x for field, x in found if x is not None or field.default is not None}


def read_json(path: Path) -> Any:
    """Reads a JSON artifact that an earlier stage wrote.

    Raises MillraceError when the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MillraceError(
            f"{path}: expected an artifact of an earlier stage, found no file.",
            note="run the stage that makes it, or the whole workflow with `snakemake --cores 2`.",
        ) from None
    except (ValueError, IsADirectoryError) as error:
        raise MillraceError(
            f"{path}: expected JSON, found something else ({error}).",
            note="rerun the stage that writes it.",
        ) from None


def lines(text: str) -> list[str]:
    """Splits a text at newlines only: unlike str.splitlines, which cuts at other separators too."""
    if not text:
        return []
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def visible(path: Path) -> list[Path]:
    """Returns a file, or all files below a folder, sorted.

    Skips hidden files, which Snakemake and interrupted runs leave behind.
    """
    if path.is_file():
        return [path]
    return sorted(
        file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")
    )


def checksums(form: str, folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Returns the SHA-256 of the files of an exported form, by `form/path in its folder`."""
    return {f"{form}/{file.relative_to(folder).as_posix()}": sha256(file) for file in files}


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
