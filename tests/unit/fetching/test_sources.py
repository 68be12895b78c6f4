"""Raw files found, fetched and checked."""

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.fetching import sources
from millrace.fetching.sources import Source

DATA = b"a,b\n" + b"1,2\n" * 50_000
BREAK = sources.CHUNK_BYTES + 100
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
        ("http://host/x?*", [("http://host/x?*", None)]),
        ("no.csv", [("no.csv", None)]),
        (".", [("a.csv", None), ("b.csv", None), ("sub/c.csv", None)]),
    ],
)
def test_sources_are_named_in_order(folder: Path, files: object, expected: list) -> None:
    assert [tuple(source) for source in sources.named(files)] == expected


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
    assert list(sources.named("[x].csv")) == [Source("[x].csv", None)]


def test_local_files_stay_where_they_lie(folder: Path) -> None:
    found = sources.fetch(Source("sub/c.csv", None), folder / "raw", DIGEST)
    assert found == (Path("sub/c.csv"), DIGEST)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aa.csv", r"aa\.csv: expected a file, found none\.\nNote: the same folder holds a\.csv"),
        ("no/x.csv", r"no/x\.csv: expected a file, found none\."),
        ("ftp://host/x", "expected a path, an http"),
        ("bundled:trains", "expected a path, an http"),
        ("http://host/x.csv", r"expected its checksum under data\.sha256, found none"),
    ],
)
def test_what_cannot_be_fetched(folder: Path, name: str, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        sources.fetch(Source(name, None), folder, None)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "empty.csv").touch()
    with pytest.raises(MillraceError, match="found an empty file"):
        sources.fetch(Source("empty.csv", None), folder, None)


def test_another_checksum_is_refused(folder: Path) -> None:
    with pytest.raises(MillraceError, match=f"expected SHA-256 {'0' * 64}, found {DIGEST}"):
        sources.fetch(Source("a.csv", None), folder, "0" * 64)


class Handler(BaseHTTPRequestHandler):
    """Serves DATA, and breaks off or answers 503 as often as the test asks for."""

    def __init__(self, faults: list[str], asked: list[str | None], *rest: object) -> None:
        self.faults, self.asked = faults, asked
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Range"])
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        start = int(self.headers["Range"][6:-1]) if self.headers["Range"] else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start:BREAK] if fault == "break" else DATA[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str], list[str | None]]]:
    """The address of a file, the faults that the server is to show, and the ranges asked for."""
    monkeypatch.setattr(sources.time, "sleep", lambda _: None)
    faults: list[str] = []
    asked: list[str | None] = []
    handler = functools.partial(Handler, faults, asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/dir/table.csv?x=1", faults, asked
        http.shutdown()


def test_a_url_is_downloaded(server: tuple, tmp_path: Path) -> None:
    url, _, asked = server
    path, digest = sources.fetch(Source(url, None), tmp_path, DIGEST)
    assert (path, digest) == (tmp_path / "table.csv", DIGEST)
    assert path.read_bytes() == DATA
    assert asked == [None]


def test_a_broken_download_goes_on_where_it_stopped(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults += ["503", "break", "503"]
    path, _ = sources.fetch(Source(url, None), tmp_path, DIGEST)
    assert path.read_bytes() == DATA
    assert asked == [None, None, f"bytes={sources.CHUNK_BYTES}-", f"bytes={sources.CHUNK_BYTES}-"]


def test_a_download_that_keeps_failing_is_given_up(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults += ["503"] * 9
    with pytest.raises(MillraceError, match="expected a file, found 503"):
        sources.fetch(Source(url, None), tmp_path, DIGEST)
    assert len(asked) == sources.ATTEMPTS


def test_a_url_that_is_not_there_is_not_asked_for_again(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults.append("404")
    with pytest.raises(MillraceError, match="expected a file, found 404"):
        sources.fetch(Source(url, None), tmp_path, DIGEST)
    assert len(asked) == 1


def test_a_host_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources.time, "sleep", lambda _: None)
    with pytest.raises(MillraceError, match=r"expected an answer, found .* after 5 attempts"):
        sources.fetch(Source("http://127.0.0.1:1/x.csv", None), tmp_path, DIGEST)


def test_two_downloads_of_one_name_are_refused(server: tuple, tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    with pytest.raises(MillraceError, match=r"a file name that no other source has, found table"):
        sources.fetch(Source(server[0], None), tmp_path, DIGEST)
