"""The raw files that `data.files` names: found, fetched and verified."""

import difflib
import glob
from collections.abc import Iterator, Sequence
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
    """One raw file: what the config calls it, and the split it belongs to (None: not divided)."""

    name: str
    split: str | None


def named(files: Files, key: str = "data.files") -> Iterator[RawSource]:
    """Yields the sources that `data.files` names, globs and folders expanded, in a fixed order.

    Raises MillraceError when a glob or a folder holds no file; `key` says what named it.
    """
    for split, name in _by_split(files):
        yield from (RawSource(match, split) for match in _expand(name, key))


def written(files: Files) -> list[str]:
    """Returns what `data.files` says, globs and folders as they are."""
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
    """Returns the files in a folder and those below it; _SUCCESS, .crc and their like are none."""
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
    """Brings one source within reach and returns its file's path and SHA-256.

    A local file stays where it lies; a URL, bundled data, a table of `database`, and what a query
    in an .sql file gives when it runs there, are written into `folder`. `expected` is the file's
    SHA-256, which a URL must have. Raises MillraceError when the source is not there, is no file,
    or has another checksum.
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
    # DuckDB is for those who want it: the Snakefile imports this module too.
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
