"""Compressed files, written by Python's modules: all their content, or an error."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import compression

DATA = "".join(f"{n},{n * n % 9973}\n" for n in range(3000)).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return bytes(sink.getvalue())


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


def read(path: Path, size: int = 1 << 16) -> bytes:
    chunks = list(compression.read(path, compression.container(path), size))
    assert all(0 < len(chunk) <= size for chunk in chunks)
    return b"".join(chunks)


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("size", [1 << 10, 1 << 20])
def test_streams_behind_one_another_are_one_file(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / "table"
    path.write_bytes(PACK[name](DATA[:7]) + PACK[name](b"") + PACK[name](DATA[7:]))
    assert read(path, size) == DATA


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("damage", ["damaged", "cut", "junk", "letter"])
def test_damage_behind_the_first_stream_is_an_error(tmp_path: Path, name: str, damage: str) -> None:
    first, second = PACK[name](DATA[:5000]), PACK[name](DATA[5000:])
    behind = {
        "damaged": bytes([second[0] ^ 64]) + second[1:],
        "cut": second[: len(second) // 2],
        "junk": b"more,rows\n" * 9,
        "letter": b"x",
    }[damage]
    path = tmp_path / "table"
    path.write_bytes(first + behind)
    with pytest.raises(MillraceError, match=f"expected {name} data, found a damaged file"):
        read(path)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_zeros_pad_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(PACK[name](DATA) + bytes(400_000))
    assert read(path) == DATA


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["bzip2", "xz", "zstd", "gzip"]),
    st.integers(0),
    st.binary(min_size=1, max_size=4),
    st.booleans(),
)
def test_changed_bytes_give_the_data_or_an_error(
    tmp_path: Path, name: str, place: int, noise: bytes, cut: bool
) -> None:
    whole = PACK[name](DATA[:500]) + PACK[name](DATA[500:1000])
    place %= len(whole)
    changed = whole[:place] if cut else whole[:place] + noise + whole[place + len(noise) :]
    path = tmp_path / "table"
    path.write_bytes(changed)
    try:
        found = b"".join(compression.read(path, name, 1 << 16))
    except MillraceError as error:
        assert str(path) in str(error)
    else:
        # Only insignificant bytes may differ; a cut after the first stream loses the second.
        whole_first = cut and place == len(PACK[name](DATA[:500]))
        # ISA-L ignores the date of a gzip file, and zstd ignores a checksum.
        assert name == "zstd" or found == (DATA[:500] if whole_first else DATA[:1000]) or not place


def test_zip_archives_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "table.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", DATA)
    whole = bytearray(path.read_bytes())
    assert read(path) == DATA
    directory = whole.rindex(b"PK\x01\x02")
    for offset, value, message in [
        (8, 1, "found an encrypted one"),
        (8, 32, "that Python can unpack, found compressed patched data"),
        (10, 9, "that Python can unpack, found That compression method"),
        (16, 255, "expected zip data, found a damaged file"),
    ]:
        changed = bytearray(whole)
        changed[directory + offset] ^= value if offset == 8 else changed[directory + offset] ^ value
        path.write_bytes(changed)
        with pytest.raises(MillraceError, match=message):
            read(path)


@pytest.mark.parametrize(
    "names",
    [("[Content_Types].xml", "xl/workbook.xml"), ("mimetype", "META-INF/manifest.xml"), ()],
    ids=["xlsx", "ods", "xls"],
)
def test_a_spreadsheet_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "book"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504))
    if names:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "<x/>")
    with pytest.raises(MillraceError, match=r"found a spreadsheet.*\nNote: save the sheet as CSV"):
        read(path)
