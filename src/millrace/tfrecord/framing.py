"""TFRecord files: framing, checksums and compression."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from isal import igzip, isal_zlib

from millrace import tfrecord
from millrace.errors import MillraceError
from millrace.tfrecord import decoding

RECORDS_PER_BATCH = 32768
PIECE_BYTES = 1 << 20

# ISA-L's default level; the highest takes 1.5 times as long for files that are 2 % smaller.
GZIP_LEVEL = 2

_PROBLEMS = {
    decoding.CUT_OFF: "expected a whole record, found the end of the file",
    decoding.LENGTH_CHECKSUM: "expected a length that matches its checksum, found another",
    decoding.DATA_CHECKSUM: "expected data that matches its checksum, found other data",
}

# The cast is needed because the stubs declare isal's exception as an instance.
DAMAGED_GZIP = cast(
    tuple[type[Exception], ...], (EOFError, zlib.error, isal_zlib.error, igzip.BadGzipFile)
)

Array = np.ndarray[Any, Any]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Records(NamedTuple):
    """Some records of a TFRecord file.

    `data` (uint8) holds bytes of the file, `spans` (int64 [n, 2]) the start and end of each
    record's data in them, and `numbers` (int64 [n]) the records' numbers in the file, from 0.
    """

    data: Array
    spans: Array
    numbers: Array

    def records(self, rows: Array) -> Bytes:
        """Returns the bytes of consecutive records (int64 [n]) as in the file: uint8 [bytes]."""
        start = self.spans[rows[0], 0] - tfrecord.HEADER_BYTES
        found: Bytes = self.data[start : self.spans[rows[-1], 1] + tfrecord.FOOTER_BYTES]
        return found


def create(path: Path, compression: str) -> IO[bytes]:
    """Opens a file for writing; `compression` is none or gzip."""
    if compression == "none":
        return path.open("wb")
    zipped: IO[bytes] = _GzipInPieces(path)
    return zipped


class _GzipInPieces(igzip.IGzipFile):
    """A gzip file whose bytes depend on its content and its name alone.

    Its header has no time, and it is compressed in pieces of a fixed size because ISA-L's output
    depends on the sizes of the writes.
    """

    def __init__(self, path: Path) -> None:
        self._held = bytearray()
        super().__init__(path, "wb", GZIP_LEVEL, mtime=0)

    def write(self, data: Any) -> int:
        self._held += data
        while len(self._held) >= PIECE_BYTES:
            super().write(bytes(self._held[:PIECE_BYTES]))
            del self._held[:PIECE_BYTES]
        return len(data)

    def close(self) -> None:
        try:
            if self._held:
                super().write(bytes(self._held))
        finally:
            self._held.clear()
            super().close()


def count(paths: Sequence[Path]) -> int:
    """Returns the number of records in TFRecord files. Raises MillraceError as `read` does."""
    return sum(len(records.spans) for path in paths for records in read(path))


def read(path: Path) -> Iterator[Records]:
    """Yields the records of a file in batches; a file that ends in .gz is decompressed.

    Raises MillraceError, naming file and record, when the file is missing or damaged.
    """
    if not path.is_file():
        raise MillraceError(
            f"{path}: expected a TFRecord file, found none.",
            note="run the stage that writes it again.",
        )
    number, offset = 0, 0  # of the first record that is not yet found
    rest = np.empty(0, np.uint8)
    try:
        for piece in _pieces(path):
            data = np.concatenate([rest, piece]) if len(rest) else piece
            position, problem = 0, decoding.OK
            while position < len(data) and problem == decoding.OK:
                spans = np.empty((RECORDS_PER_BATCH, 2), np.int64)
                n, position, problem = decoding.find_records(data, position, spans)
                if n:
                    yield Records(data, spans[:n], np.arange(number, number + n))
                number += n
            rest, offset = data[position:], offset + position
            if problem not in (decoding.OK, decoding.CUT_OFF):
                raise _damaged(path, number, offset, _PROBLEMS[problem])
    except DAMAGED_GZIP as error:
        found = f"expected gzip data from here on, found a damaged file ({error})"
        raise _damaged(path, number, offset, found) from None
    if len(rest):
        raise _damaged(path, number, offset, _PROBLEMS[decoding.CUT_OFF])


def _pieces(path: Path) -> Iterator[Array]:
    """Yields a file's bytes, decompressed: uint8 [bytes]."""
    if path.suffix == ".gz":
        position = 0
        with igzip.open(path) as file:
            try:
                while piece := file.read(PIECE_BYTES):
                    yield np.frombuffer(piece, np.uint8)
                    position += len(piece)
            except DAMAGED_GZIP:
                yield _before_damage(path, position)
                raise
    elif path.stat().st_size:
        yield np.memmap(path, np.uint8, mode="r")


def _before_damage(path: Path, start: int) -> Array:
    """Returns the readable content of a damaged gzip file from byte `start` on: uint8 [bytes].

    A decompressor discards the output of the call that hits the damage, so near the damage it is
    fed, and asked for, single bytes.
    """
    found, position = bytearray(), 0
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with gzip's header
    with path.open("rb") as file, suppress(zlib.error):
        while compressed := inflate.unconsumed_tail or file.read(64 if position < start else 1):
            some = inflate.decompress(compressed, max(1, start - position))
            found += some if position >= start else b""
            position += len(some)
        found += inflate.flush()
    return np.frombuffer(bytes(found), np.uint8)


def _damaged(path: Path, number: int, offset: int, problem: str) -> MillraceError:
    return MillraceError(
        f"{path}: record {number} (byte {offset}): {problem}.",
        note="it is damaged or not a TFRecord file: run the stage that writes it again.",
    )
