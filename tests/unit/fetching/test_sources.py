"""Raw files found, fetched and checked."""

import hashlib
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.fetching import sources
from millrace.fetching.sources import RawSource
from tests.helpers.configs import data_config

DATA = b"a,b\n" + b"1,2\n" * 50_000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(DATA)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("a.csv", [("a.csv", None)]),
        ("*.csv", [("a.csv", None), ("b.csv", None)]),
        ("**/*.csv", [("a.csv", None), ("b.csv", None), ("sub/c.csv", None)]),
        (["b.csv", "sub/*"], [("b.csv", None), ("sub/c.csv", None)]),
        ({"train": "a.csv", "test": ["b.csv"]}, [("a.csv", "train"), ("b.csv", "test")]),
        ("http://host/x*", [("http://host/x*", None)]),
        ("no.csv", [("no.csv", None)]),
        (".", [("a.csv", None), ("b.csv", None), ("sub/c.csv", None)]),
    ],
)
def test_sources_are_named_in_order(folder: Path, files: object, expected: list) -> None:
    found = sources.named(data_config(files=files).files)
    assert [tuple(source) for source in found] == expected


def test_a_glob_that_matches_nothing_is_named(folder: Path) -> None:
    with pytest.raises(MillraceError, match=r"files that match \*\.tsv, found none"):
        list(sources.named("*.tsv"))


def test_files_that_begin_with_a_dot_or_an_underscore_are_no_data(folder: Path) -> None:
    for name in ("sub/_SUCCESS", "sub/.c.csv.crc", "sub/_temporary/d.csv"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(DATA)
    assert [source.name for source in sources.named("sub")] == ["sub/c.csv"]
    (folder / "empty").mkdir()
    with pytest.raises(MillraceError, match="empty: expected files in this folder, found none"):
        list(sources.named("empty"))


def test_brackets_may_be_part_of_a_name(folder: Path) -> None:
    (folder / "[x].csv").write_bytes(DATA)
    assert list(sources.named("[x].csv")) == [RawSource("[x].csv", None)]


def test_local_files_stay_where_they_lie(folder: Path) -> None:
    found = sources.fetch(RawSource("sub/c.csv", None), folder / "raw", DIGEST)
    assert found == (Path("sub/c.csv"), DIGEST)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aa.csv", r"aa\.csv: expected a file, found none\.\nNote: the same folder holds a\.csv"),
        ("no/x.csv", r"no/x\.csv: expected a file, found none\."),
        ("ftp://host/x", "expected a path, an http"),
        ("bundled:trains", "expected a path, an http"),
        ("table:trips", "table:trips: expected data.database, where the table is, found null"),
        ("http://host/x.csv", r"expected its checksum under data\.sha256, found none"),
    ],
)
def test_what_cannot_be_fetched(folder: Path, name: str, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        sources.fetch(RawSource(name, None), folder, None)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "empty.csv").touch()
    with pytest.raises(MillraceError, match="found an empty file"):
        sources.fetch(RawSource("empty.csv", None), folder, None)


def test_another_checksum_is_refused(folder: Path) -> None:
    with pytest.raises(MillraceError, match=f"expected SHA-256 {'0' * 64}, found {DIGEST}"):
        sources.fetch(RawSource("a.csv", None), folder, "0" * 64)


def test_two_queries_of_one_name_are_refused(folder: Path) -> None:
    for name in ("q.sql", "sub/q.sql"):
        (folder / name).write_text("select 1 as n")
    sources.fetch(RawSource("q.sql", None), folder, None)
    with pytest.raises(MillraceError, match=r"sub/q\.sql: expected a file name that no other"):
        sources.fetch(RawSource("sub/q.sql", None), folder, None)
