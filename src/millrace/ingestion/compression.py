"""Decompresses files as a stream; a damaged file is always an error, never a short stream."""

import bz2
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
from isal import igzip

from millrace.errors import MillraceError
from millrace.tfrecord.framing import DAMAGED_GZIP

READ_BYTES = 1 << 18

DAMAGED = (OSError, lzma.LZMAError, zipfile.BadZipFile) + DAMAGED_GZIP  # noqa: RUF005 (mypy)
_MAGIC = {
    b"PAR1": "parquet",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty archive
    b"\xd0\xcf\x11\xe0": "spreadsheet",  # of Excel before 2007, or with a password
}
# Members by which archives of Excel and LibreOffice are recognized.
_OF_SHEETS = {"[Content_Types].xml", "META-INF/manifest.xml"}
_ENCRYPTED = 1

_Decompressor = bz2.BZ2Decompressor | lzma.LZMADecompressor


def container(path: Path) -> str | None:
    """Detects the format by a file's first bytes: "parquet", a compression, or None.

    Raises MillraceError when there is no such file or it is empty.
    """
    if not path.is_file():
        found = "a directory" if path.is_dir() else "none"
        raise MillraceError(
            f"{path}: expected a file, found {found}.",
            note="check the path under data.files, and run fetch again.",
        )
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise MillraceError(
            f"{path}: expected a table, found an empty file.",
            note="replace the file, or remove it from data.files.",
        )
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def read(path: Path, compression: str | None, size: int) -> Iterator[bytes]:
    """Yields the decompressed bytes of a file, at most `size` at a time.

    Raises MillraceError when any part of it is damaged, even after some has been yielded, or when
    the compressed data is followed by something else.
    """
    try:
        match compression:
            case "bzip2":
                yield from _streams(path, bz2.BZ2Decompressor, size)
            case "xz":
                yield from _streams(path, lzma.LZMADecompressor, size)
            case _:
                with _open(path, compression) as stream:
                    while chunk := stream.read(size):
                        yield chunk
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the file's content
        raise MillraceError(
            f"{path}: expected {compression} data, found a damaged file ({error}).",
            note="the transfer may have been interrupted: compare its size or checksum.",
        ) from None


def _streams(path: Path, start: Callable[[], _Decompressor], size: int) -> Iterator[bytes]:
    """Yields the content of the concatenated compressed streams of a file.

    Python's own file readers silently stop at a stream with a bad beginning.
    """
    with path.open("rb") as file:
        decompressor = start()
        data = file.read(READ_BYTES)
        while True:
            if chunk := decompressor.decompress(data, size):
                yield chunk
            data = b""
            if decompressor.eof:
                # Padding with zeros is allowed.
                data = decompressor.unused_data.lstrip(b"\0")
                while not data and (more := file.read(READ_BYTES)):
                    data = more.lstrip(b"\0")
                if not data:
                    return
                decompressor = start()
            elif decompressor.needs_input and not (data := file.read(READ_BYTES)):
                raise EOFError("it ends too early")


def _open(path: Path, compression: str | None) -> IO[bytes]:
    match compression:
        case "gzip":
            unzipped: IO[bytes] = igzip.open(path)
            return unzipped
        case "zstd":
            return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
        case "zip":
            return _open_zip(path)
        case "spreadsheet":
            raise _spreadsheet(path)
        case _:
            return path.open("rb")


def _spreadsheet(path: Path) -> MillraceError:
    return MillraceError(
        f"{path}: expected CSV, JSON lines or Parquet, found a spreadsheet or another "
        "document of Excel or LibreOffice.",
        note="save the sheet as CSV UTF-8 (File, Save As), and name that file.",
    )


def _open_zip(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    members = [
        member
        for member in archive.infolist()
        # macOS adds a metadata file for each file.
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if any(member.filename in _OF_SHEETS for member in members):
        raise _spreadsheet(path)
    if len(members) != 1:
        raise MillraceError(
            f"{path}: expected an archive of one file, found {len(members)} in it.",
            note="unpack it and name the files you want.",
        )
    if members[0].flag_bits & _ENCRYPTED:
        raise MillraceError(
            f"{path}: expected an archive that anybody can read, found an encrypted one.",
            note="unpack it with its password, and name the file.",
        )
    try:
        return archive.open(members[0])
    except NotImplementedError as error:
        raise MillraceError(
            f"{path}: expected a zip archive that Python can unpack, found {error}.",
            note="unpack it, and name the file.",
        ) from None
