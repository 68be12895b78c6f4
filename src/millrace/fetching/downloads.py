"""Downloads from http(s) and s3 addresses; an interrupted transfer resumes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import requests

from millrace.errors import MillraceError
from millrace.progress import Progress

ATTEMPTS = 5
CHUNK_BYTES = 1 << 16  # a broken connection loses less than one chunk
BLOCK_BYTES = 8 << 20  # of one request to S3
TIMEOUT_SECONDS = 30
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _Broken(Exception):
    """A transfer failed, but may succeed when it is retried."""


class _Transfer(NamedTuple):
    """A response: the first byte that it starts with, the total size, and the content."""

    start: int
    total: int | None
    chunks: Iterator[bytes]


def is_address(name: str) -> bool:
    """Returns whether `download` can fetch this."""
    return name.startswith(("http://", "https://", "s3://"))


def download(url: str, path: Path, shown: str) -> None:
    """Writes the content of `url` to `path`; `shown` is the address without secrets, for errors.

    Raises MillraceError if it is missing or refused, or if the last attempt is interrupted.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _append(url, path, shown)
            return
        except _Broken as error:
            if attempt == ATTEMPTS:
                raise MillraceError(
                    f"{shown}: expected a file, found {error} after {ATTEMPTS} attempts.",
                    note="check the network and the address, and run fetch again.",
                ) from None
        time.sleep(2 ** (attempt - 1) / 2)


def _append(url: str, path: Path, shown: str) -> None:
    """Requests the bytes of `url` that `path` lacks and appends them."""
    have = path.stat().st_size if path.exists() else 0
    bring = _from_s3 if url.startswith("s3://") else _from_http
    start, total, chunks = bring(url, have, shown)
    with (
        path.open("ab" if start else "wb") as file,
        Progress(total, "B", path.name) as progress,
    ):
        progress.update(start)
        for chunk in chunks:
            file.write(chunk)
            progress.update(len(chunk))


def _from_http(url: str, have: int, shown: str) -> _Transfer:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return _Transfer(have, have, iter(()))  # complete; the checksum is verified later
        response.raise_for_status()
    except requests.HTTPError:
        # The error's own text contains the address, and may show its secrets.
        found = f"{response.status_code} {response.reason}"
        if response.status_code in TRANSIENT:
            raise _Broken(found) from None
        raise MillraceError(
            f"{shown}: expected a file, found {found}.",
            note="check the address, and that it needs no other credentials.",
        ) from None
    except requests.RequestException as error:
        raise _Broken(_cause(error)) from None
    start = have if response.status_code == requests.codes.partial_content else 0
    rest = int(response.headers.get("Content-Length", 0))
    return _Transfer(start, start + rest or None, _body(response))


def _body(response: requests.Response) -> Iterator[bytes]:
    try:
        with response:
            yield from response.iter_content(CHUNK_BYTES)
    except requests.RequestException as error:
        raise _Broken(_cause(error)) from None


def _cause(error: requests.RequestException) -> str:
    """Returns the cause of an error without the address."""
    inner = error.args[0] if error.args else None
    reason = str(getattr(inner, "reason", None) or inner or "")
    if isinstance(inner, str) or "url" in reason or "://" in reason:
        return type(error).__name__
    return f"{type(error).__name__} ({reason.rpartition('>: ')[2]})"


def _from_s3(url: str, have: int, shown: str) -> _Transfer:
    """Reads an object of S3; credentials and endpoint are found as by AWS' own tools."""
    # Planning imports this module too, and does not need these.
    import s3fs
    from botocore.exceptions import BotoCoreError, NoCredentialsError

    def chunks() -> Iterator[bytes]:
        try:
            with storage.open(url, "rb", block_size=BLOCK_BYTES) as source:
                source.seek(have)
                while chunk := source.read(CHUNK_BYTES):
                    yield chunk
        except (OSError, BotoCoreError) as error:
            raise _Broken(error) from None

    storage = s3fs.S3FileSystem(skip_instance_cache=True)
    try:
        return _Transfer(have, storage.size(url), chunks())
    except (FileNotFoundError, PermissionError, NoCredentialsError) as error:
        raise MillraceError(
            f"{shown}: expected a file that may be read, found {error!r}.",
            note="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; a public file "
            "also has an https address.",
        ) from None
    except (OSError, BotoCoreError) as error:
        raise _Broken(error) from None
