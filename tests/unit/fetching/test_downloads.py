"""Downloads over HTTP and from a local S3 server; both can break off on request."""

import functools
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import MillraceError
from millrace.fetching import downloads, sources
from millrace.fetching.sources import RawSource

DATA = b"a,b\n" + b"1,2\n" * 50_000
BREAK = downloads.CHUNK_BYTES + 100
DIGEST = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves DATA, and breaks off or answers 503 as often as a test requests."""

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
    """The URL of a file, the faults that the server should have, and the requested ranges."""
    monkeypatch.setattr(downloads.time, "sleep", lambda _: None)
    faults: list[str] = []
    asked: list[str | None] = []
    handler = functools.partial(Handler, faults, asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/dir/table.csv?x=1", faults, asked
        http.shutdown()


def test_a_url_is_downloaded(server: tuple, tmp_path: Path) -> None:
    url, _, asked = server
    path, digest = sources.fetch(RawSource(url, None), tmp_path, DIGEST)
    assert (path, digest) == (tmp_path / "table.csv", DIGEST)
    assert path.read_bytes() == DATA
    assert asked == [None]


def test_a_broken_download_goes_on_where_it_stopped(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults += ["503", "break", "503"]
    path, _ = sources.fetch(RawSource(url, None), tmp_path, DIGEST)
    assert path.read_bytes() == DATA
    assert asked == [
        None,
        None,
        f"bytes={downloads.CHUNK_BYTES}-",
        f"bytes={downloads.CHUNK_BYTES}-",
    ]


def test_a_download_that_keeps_failing_is_given_up(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults += ["503"] * 9
    with pytest.raises(MillraceError, match="expected a file, found 503"):
        sources.fetch(RawSource(url, None), tmp_path, DIGEST)
    assert len(asked) == downloads.ATTEMPTS


def test_a_url_that_is_not_there_is_not_asked_for_again(server: tuple, tmp_path: Path) -> None:
    url, faults, asked = server
    faults.append("404")
    with pytest.raises(MillraceError, match="expected a file, found 404"):
        sources.fetch(RawSource(url, None), tmp_path, DIGEST)
    assert len(asked) == 1


def test_a_host_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.time, "sleep", lambda _: None)
    with pytest.raises(MillraceError, match=r"expected a file, found .* after 5 attempts"):
        sources.fetch(RawSource("http://127.0.0.1:1/x.csv", None), tmp_path, DIGEST)


def test_two_downloads_of_one_name_are_refused(server: tuple, tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    with pytest.raises(MillraceError, match=r"a file name that no other source has, found table"):
        sources.fetch(RawSource(server[0], None), tmp_path, DIGEST)


class FaultyS3:
    """moto's S3 server, which has the faults that a test requests when an object is read.

    `faults`: 503, or break for half of the body and then nothing. `asked`: the first bytes of the
    ranges that were asked for.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.faults: list[str] = []
        self.asked: list[int] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith("table.csv"):
            return self._app(environ, start)
        self.asked.append(int(environ.get("HTTP_RANGE", "bytes=0-")[6:].split("-")[0]))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "503":
            start("503 Slow Down", [("Content-Length", "0")])
            return []
        body = b"".join(self._app(environ, start))
        return [body[: len(body) // 2]] if fault == "break" else [body]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """A server with one object, s3://bucket/dir/table.csv, with the content DATA."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = FaultyS3(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(downloads.time, "sleep", lambda _: None)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="dir/table.csv", Body=DATA)
    yield app
    client.delete_object(Bucket="bucket", Key="dir/table.csv")
    client.delete_bucket(Bucket="bucket")
    server.shutdown()


OBJECT = RawSource("s3://bucket/dir/table.csv", None)


def test_an_object_is_downloaded(s3: FaultyS3, tmp_path: Path) -> None:
    path, digest = sources.fetch(OBJECT, tmp_path, DIGEST)
    assert (path, digest) == (tmp_path / "table.csv", DIGEST)
    assert path.read_bytes() == DATA


def test_an_object_needs_its_checksum(s3: FaultyS3, tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"expected its checksum under data\.sha256"):
        sources.fetch(OBJECT, tmp_path, None)
    with pytest.raises(MillraceError, match=f"expected SHA-256 {'0' * 64}, found {DIGEST}"):
        sources.fetch(OBJECT, tmp_path, "0" * 64)


def test_a_broken_object_is_asked_for_again(s3: FaultyS3, tmp_path: Path) -> None:
    s3.faults += ["503", "break"]
    path, _ = sources.fetch(OBJECT, tmp_path, DIGEST)
    assert path.read_bytes() == DATA
    assert len(s3.asked) > 2


def test_an_object_goes_on_where_it_stopped(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.csv").write_bytes(DATA[:150_000])
    downloads.download(OBJECT.name, tmp_path / "table.csv", OBJECT.name)
    assert (tmp_path / "table.csv").read_bytes() == DATA
    assert min(s3.asked) == 150_000


@pytest.mark.parametrize("name", ["s3://bucket/dir/none.csv", "s3://nothing/table.csv"])
def test_an_object_that_is_not_there_is_named(s3: FaultyS3, tmp_path: Path, name: str) -> None:
    with pytest.raises(MillraceError, match=f"{name}: expected a file that may be read, found"):
        sources.fetch(RawSource(name, None), tmp_path, DIGEST)


def test_an_s3_server_that_does_not_answer_is_given_up(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    with pytest.raises(MillraceError, match=r"table\.csv: expected a file, found .* 2 attempts"):
        sources.fetch(OBJECT, tmp_path, DIGEST)


@pytest.mark.parametrize("faults", [["404"], ["503"] * 5])
def test_the_secrets_of_an_address_are_in_no_error(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[str]
) -> None:
    address, shown, _ = server
    shown += faults
    monkeypatch.setenv("TOKEN", "s3cret/+")
    source = RawSource(address.replace("x=1", "sig=${TOKEN}"), None)
    with pytest.raises(MillraceError, match=f"expected a file, found {faults[0]}") as raised:
        sources.fetch(source, tmp_path, DIGEST)
    assert "s3cret" not in str(raised.value)
    assert "sig" not in str(raised.value)
    # Nothing listens on this port.
    source = RawSource("http://127.0.0.1:9/t.csv?sig=${TOKEN}", None)
    with pytest.raises(MillraceError, match="found ConnectionError") as raised:
        sources.fetch(source, tmp_path, DIGEST)
    assert "s3cret" not in str(raised.value)


def test_an_address_takes_its_secret_from_the_environment(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", server[0].removeprefix("http://").partition("/")[0])
    path, digest = sources.fetch(RawSource("http://${PLACE}/t.csv", None), tmp_path, DIGEST)
    assert (path.name, digest) == ("t.csv", DIGEST)
    assert path.read_bytes() == DATA
