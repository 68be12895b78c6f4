"""What a raw file is, found by looking at it: compression, encoding, delimiter."""

import bz2
import codecs
import io
import lzma
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
from isal import igzip

from millrace.errors import MillraceError
from millrace.ingestion import csv_kernels
from millrace.tfrecord.framing import DAMAGED_GZIP

SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 1000
DELIMITERS = ",\t;|"
QUOTE = ord('"')
ESCAPE = "\\"

DAMAGED = (OSError, lzma.LZMAError, zipfile.BadZipFile) + DAMAGED_GZIP  # noqa: RUF005 (mypy)
_MAGIC = {
    b"PAR1": "parquet",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_TEXT_CONTROLS = frozenset(b"\t\n\x0b\x0c\r\x1b")


class Dialect(NamedTuple):
    """How a CSV is written; `start` is how many bytes come before it: its byte order mark, and
    the lines that are to be skipped. `escape` is a backslash, or nothing."""

    compression: str | None
    encoding: str
    start: int
    delimiter: str
    escape: str


def container(path: Path) -> str | None:
    """Returns "parquet", the name of a compression, or None, by a file's first bytes.

    Raises MillraceError when there is no such file or it is empty.
    """
    if not path.is_file():
        found = "a directory" if path.is_dir() else "none"
        raise MillraceError(f"{path}: expected a file, found {found}.")
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise MillraceError(f"{path}: expected a table, found an empty file.")
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def detect(
    path: Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    escape: str | None = None,
) -> Dialect:
    """Looks at the first 256 KiB of a CSV, which begins behind so many lines.

    `delimiter`, `encoding` and `escape` override what would be found; a byte order mark overrides
    them.
    Raises MillraceError when the file is empty, damaged, or no text.
    """
    compression = container(path)
    sample = b"".join(_read(path, compression, SAMPLE_BYTES, SAMPLE_BYTES))
    encoding, mark = _encoding(sample, encoding)
    try:
        # A character may be cut in two at the sample's end.
        text = codecs.getincrementaldecoder(encoding)().decode(sample[mark:])
    except UnicodeError as error:
        raise _wrong_encoding(path, encoding, error) from None
    before = re.match(rf"(?>[^\r\n]*(?:\r\n|\r|\n)){{{skip_lines}}}", text)
    if before is None:
        raise MillraceError(
            f"{path}: expected a table behind {skip_lines} lines, found fewer lines.",
            note="data.skip_lines says how many to skip.",
        )
    text = text[before.end() :]
    start = mark + len(before[0].encode(encoding))
    if not text.strip():
        raise MillraceError(f"{path}: expected a table, found an empty file.")
    controls = {ord(letter) for letter in text if letter < " "} - _TEXT_CONTROLS
    if controls:
        raise MillraceError(
            f"{path}: expected text, found binary data (a byte {min(controls):#04x}).",
            note="a table can be CSV or JSON lines, compressed or not, or Parquet; "
            "UTF-16 without a byte order mark needs data.encoding.",
        )
    return Dialect(compression, encoding, start, *_delimiter(text.encode(), delimiter, escape))


def _encoding(sample: bytes, given: str | None) -> tuple[str, int]:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return encoding, len(mark)
    if given is not None:
        return _text_encoding(given), 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "latin-1", 0
    return "utf-8", 0


def _text_encoding(name: str) -> str:
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except LookupError:
        raise MillraceError(
            f"data.encoding: expected the name of a text encoding, found {name!r}.",
            note="such as utf-8, latin-1, cp1252, utf-16-le or shift_jis.",
        ) from None


def _wrong_encoding(path: Path, encoding: str, error: UnicodeError) -> MillraceError:
    return MillraceError(
        f"{path}: expected text in {encoding}, found {error}.",
        note="data.encoding names the encoding of a file.",
    )


def _delimiter(sample: bytes, delimiter: str | None, escape: str | None) -> tuple[str, str]:
    """Returns the delimiter that cuts most rows into as many cells as the first, at least two, and
    the escape with which it does so."""
    escapes = ["", ESCAPE] if escape is None and ESCAPE.encode() in sample else [escape or ""]
    candidates = [(d, e) for e in escapes for d in delimiter or DELIMITERS]
    return max(candidates, key=lambda pair: _agreement(sample, *pair))


def _agreement(sample: bytes, delimiter: str, escape: str) -> tuple[float, int, int]:
    """Says how well a delimiter fits, the better the greater: the share of the rows with as many
    cells as the first, how few quotes stand inside of cells, and how many cells there are."""
    first, _ = _split(sample, delimiter, escape, columns=0)
    columns = int(first[0])
    if columns < 2:
        return 0.0, 0, 0
    counts, stray_quotes = _split(sample, delimiter, escape, columns)
    # The last row of the sample may be cut off.
    whole = counts[:-1] if len(counts) > 1 and len(sample) > SAMPLE_BYTES // 2 else counts
    return float((whole == columns).mean()), -stray_quotes, columns


def _split(
    sample: bytes, delimiter: str, escape: str, columns: int
) -> tuple[np.ndarray[Any, Any], int]:
    """Returns how many cells each of the first rows has, and how many quotes stand in cells."""
    data = np.frombuffer(sample + bytes(len(sample)), np.uint8).copy()
    counts = np.zeros(SAMPLE_ROWS, np.int64)
    spans = np.zeros((columns, SAMPLE_ROWS, 2), np.int64)
    bounds = np.empty((SAMPLE_ROWS, 2), np.int64)
    dialect = (ord(delimiter), QUOTE, ord(escape or "\0"), columns)
    found, _ = csv_kernels.split_rows(data, 0, len(sample), True, *dialect, spans, bounds, counts)
    # Doubled quotes are no stray ones: their cells lie, unescaped, behind the sample.
    quotes = np.cumsum(np.append(0, data == QUOTE) * (np.arange(len(data) + 1) <= len(sample)))
    return counts[:found], int((quotes[spans[..., 1]] - quotes[spans[..., 0]]).sum())


def chunks(path: Path, dialect: Dialect, size: int) -> Iterator[bytes]:
    """Yields a CSV's text, decompressed, in UTF-8 and without byte order mark, by about `size`.

    Raises MillraceError when the file is damaged or its text breaks the encoding.
    """
    stream = _read(path, dialect.compression, size + dialect.start)
    first = next(stream, b"")[dialect.start :]
    if dialect.encoding == "utf-8":
        yield first
        yield from stream
        return
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in stream:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise _wrong_encoding(path, dialect.encoding, error) from None


def _read(
    path: Path, compression: str | None, size: int, limit: int | None = None
) -> Iterator[bytes]:
    """Yields the decompressed bytes of a file, at most `limit` of them."""
    done = 0
    try:
        with _open(path, compression) as stream:
            while (limit is None or done < limit) and (chunk := stream.read(size)):
                done += len(chunk)
                yield chunk
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's own fault
        raise MillraceError(
            f"{path}: expected {compression} data, found a damaged file ({error}).",
            note="it may have been cut off on its way here: compare its size or checksum.",
        ) from None


def _open(path: Path, compression: str | None) -> IO[bytes]:
    match compression:
        case "gzip":
            unzipped: IO[bytes] = igzip.open(path)
            return unzipped
        case "bzip2":
            return bz2.open(path)
        case "xz":
            return lzma.open(path)
        case "zstd":
            return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
        case "zip":
            return _open_zip(path)
        case _:
            return path.open("rb")


def _open_zip(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    members = [
        member
        for member in archive.infolist()
        # macOS puts notes of its own beside each file.
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise MillraceError(
            f"{path}: expected an archive of one file, found {len(members)} in it.",
            note="unpack it and name the files you want.",
        )
    return archive.open(members[0])
