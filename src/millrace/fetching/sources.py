"""Finds, fetches and verifies the raw files under `data.files`."""

import difflib
import glob
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from millrace.config import addresses
from millrace.config.data import SplitFiles
from millrace.errors import MillraceError
from millrace.fetching import downloads
from millrace.fetching.bundled import write_flights
from millrace.fetching.source_names import TABLE, is_elsewhere, is_table, is_url
from millrace.files import sha256

Files: TypeAlias = str | Sequence[str] | SplitFiles


class RawSource(NamedTuple):
    """A raw file: its name in the config, and its split (None if its rows are to be split)."""

    name: str
    split: str | None


def named(files: Files, key: str = "data.files") -> Iterator[RawSource]:
    """Yields the sources under `data.files` in a fixed order, with globs and folders expanded.

    Raises MillraceError when a glob or a folder has no file; `key` names the config key.
    """
    for split, name in _by_split(files):
        yield from (RawSource(match, split) for match in _expand(name, key))


def present(files: Files) -> Iterator[str]:
    """Yields the sources as `named` does, without the globs and folders that have no file."""
    for name in written(files):
        with suppress(MillraceError):
            yield from _expand(name, "")


def written(files: Files) -> list[str]:
    """Returns the names under `data.files`, without expanding globs and folders."""
    return [name for _, name in _by_split(files)]


def _by_split(files: Files) -> Iterator[tuple[str | None, str]]:
    by_split = files.by_split() if isinstance(files, SplitFiles) else {None: files}
    for split, names in by_split.items():
        for name in [names] if isinstance(names, str) else names:
            yield split, name


def _expand(name: str, key: str) -> list[str]:
    if Path(name).is_dir():
        return _files_in(Path(name))
    if is_url(name) or Path(name).exists() or not glob.has_magic(name):
        return [name]
    # Path.glob takes no absolute patterns.
    found = glob.glob(name, recursive=True)
    matches = sorted(path for path in found if Path(path).is_file())
    if not matches:
        raise MillraceError(
            f"{key}: expected files that match {name}, found none.",
            note="check the pattern: it is relative to where snakemake runs.",
        )
    return matches


def _files_in(folder: Path) -> list[str]:
    """Returns the files below a folder, without those such as _SUCCESS and .part-0.crc."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise MillraceError(
            f"{folder}: expected files in this folder, found none.",
            note="put the files there; those that begin with . or _ do not count.",
        )
    return sorted(map(str, found))


def fetch(
    source: RawSource, folder: Path, expected: str | None, database: str | None = None
) -> tuple[Path, str]:
    """Fetches a source and returns the path and SHA-256 of its file.

    A local file is not copied. A URL, bundled data, a table of `database` and the result of a query
    in an .sql file are written into `folder`. `expected` is the file's SHA-256, required for a URL.
    Raises MillraceError when the source does not exist, is not a file, or has another checksum.
    """
    if source.name == "bundled:flights":
        path = folder / "flights.csv"
        write_flights(path)
    elif downloads.is_address(source.name):
        path = folder / (PurePosixPath(urlsplit(source.name).path).name or "data")
        shown = addresses.public(source.name)
        _check_download(shown, path, expected)
        downloads.download(addresses.resolved(source.name), path, shown)
    elif is_table(source.name):
        path = folder / f"{source.name.removeprefix(TABLE).replace('/', '_')}.parquet"
        _query(source, database, path)
    elif is_elsewhere(source.name):
        raise MillraceError(
            f"data.files: expected a path, an http(s) or s3 URL, table:name or "
            f"bundled:flights, found {addresses.public(source.name)}.",
            note="write a local file as a path, such as data/table.csv.",
        )
    else:
        path = Path(source.name)
        _check_local(path)
        if path.suffix == ".sql":
            path = folder / f"{path.stem}.parquet"
            _query(source, database, path)
    found = sha256(path)
    if expected not in (None, found):
        raise MillraceError(
            f"{addresses.public(source.name)}: expected SHA-256 {expected}, found {found}.",
            note="the file has changed since its checksum was written under data.sha256.",
        )
    return path, found


def _query(source: RawSource, database: str | None, path: Path) -> None:
    # Imported here because the Snakefile also imports this module, and DuckDB is optional.
    from millrace.fetching import queries

    _check_is_new(source.name, path)
    queries.write(source.name, database, path)


def _check_local(path: Path) -> None:
    if not path.exists():
        siblings = [item.name for item in path.parent.glob("*")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings)
        note = f"the same folder holds {', '.join(near)}" if near else None
        raise MillraceError(f"{path}: expected a file, found none.", note=note)
    if path.stat().st_size == 0:
        raise MillraceError(
            f"{path}: expected a table, found an empty file.",
            note="replace the file, or remove it from data.files.",
        )


def _check_download(url: str, path: Path, expected: str | None) -> None:
    if expected is None:
        raise MillraceError(
            f"{url}: expected its checksum under data.sha256, found none.",
            note="a download needs its SHA-256, so that it cannot change unnoticed.",
        )
    _check_is_new(url, path)


def _check_is_new(name: str, path: Path) -> None:
    if path.exists():
        raise MillraceError(
            f"{name}: expected a file name that no other source has, found {path.name} again.",
            note="rename one of the two files.",
        )
