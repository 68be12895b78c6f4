"""TFRecord files, plain, compressed and damaged, compared with TensorFlow and gzip."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.tfrecord import examples, framing

tf = pytest.importorskip("tensorflow")

BATCH = pa.RecordBatch.from_pydict({"n": [1, 2, 3], "s": ["a", "bb", None]})
PLAIN = examples.serialize(BATCH).tobytes()
FUZZ = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    path.write_bytes(PLAIN)
    return path


def compressed(path: Path, data: bytes) -> Path:
    with framing.create(path, "gzip") as file:
        file.write(data)
    return path


def contents(path: Path) -> list[bytes]:
    """Returns the data of all records of a file."""
    return [
        records.data[start:end].tobytes()
        for records in framing.read(path)
        for start, end in records.spans
    ]


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_tensorflow_reads_the_same_records(tmp_path: Path, whole: Path, kind: str) -> None:
    path = compressed(tmp_path / "x.tfrecord.gz", PLAIN) if kind else whole
    expected = list(tf.data.TFRecordDataset(str(path), kind).as_numpy_iterator())
    assert contents(path) == expected
    assert framing.count([path, path]) == 6
    (records,) = framing.read(path)
    assert records.records(np.array([0, 1, 2])).tobytes() == PLAIN
    assert records.records(np.array([1])).tobytes() in PLAIN


def test_records_may_lie_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compressed(tmp_path / "x.tfrecord.gz", PLAIN * 50)
    expected = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    for size in (1, 7, 16, 100):
        monkeypatch.setattr(framing, "PIECE_BYTES", size)
        assert contents(path) == expected


def test_gzip_bytes_do_not_depend_on_how_they_are_written(tmp_path: Path) -> None:
    text = "".join(f"{n * n},{n % 7},word {n % 13}\n" for n in range(200_000)).encode()
    assert len(text) > 2 * framing.PIECE_BYTES
    found = set()
    for size in (1, 100, 288, 290, 5000, framing.PIECE_BYTES + 7, len(text)):
        with framing.create(tmp_path / "x.gz", "gzip") as file:
            file.write(text[:size])
            for start in range(size, len(text), 300_001):
                file.write(text[start : start + 300_001])
        found.add((tmp_path / "x.gz").read_bytes())
    assert [gzip.decompress(data) for data in found] == [text]


def test_gzip_bytes_hold_no_time(tmp_path: Path) -> None:
    data = compressed(tmp_path / "x.gz", PLAIN).read_bytes()
    assert data[4:8] == bytes(4)
    assert gzip.decompress(data) == PLAIN


def test_any_flipped_bit_is_found(whole: Path) -> None:
    for bit in range(0, 8 * len(PLAIN), 5):
        damaged = bytearray(PLAIN)
        damaged[bit // 8] ^= 1 << bit % 8
        whole.write_bytes(bytes(damaged))
        with pytest.raises(MillraceError, match=rf"{whole.name}: record [012] \(byte \d+\)"):
            contents(whole)


def test_any_cut_tail_is_found(whole: Path) -> None:
    ends = {0, *np.cumsum([16 + len(record) for record in contents(whole)]).tolist()}
    for length in sorted(set(range(len(PLAIN))) - ends):
        whole.write_bytes(PLAIN[:length])
        with pytest.raises(MillraceError, match=r"record [012].*whole record, found the end"):
            contents(whole)


@FUZZ
@given(st.integers(0), st.integers(0, 7), st.booleans())
def test_a_damaged_gzip_file_gives_its_records_or_names_one(
    tmp_path: Path, place: int, bit: int, cut: bool
) -> None:
    path = compressed(tmp_path / "x.tfrecord.gz", PLAIN * 20)
    data = bytearray(path.read_bytes())
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        found = contents(path)
    except MillraceError as error:
        assert str(error).startswith(f"{path}: record ")
    else:
        # Its header has irrelevant bits: a time, and the operating system.
        assert not cut or place == 0
        assert len(found) in (0, 60)


@pytest.mark.parametrize("rows", [300, 100_000])  # less than one chunk, and several
@pytest.mark.parametrize("share", [0.1, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_record_at_the_damage_is_named(
    tmp_path: Path, rows: int, share: float, flipped: bool
) -> None:
    """Yields all records that zlib can still decompress; the error names the next one."""
    rng = np.random.default_rng(0)
    batch = pa.RecordBatch.from_pydict({"x": rng.normal(size=rows)})
    plain = examples.serialize(batch).tobytes()
    path = compressed(tmp_path / "x.tfrecord.gz", plain)
    whole = path.read_bytes()
    place = int(share * len(whole))
    flip = bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
    path.write_bytes(whole[:place] + flipped * flip)
    read = bytearray()
    with pytest.raises(MillraceError) as error:
        for records in framing.read(path):
            read += records.records(np.arange(len(records.spans))).tobytes()
    record = len(plain) // rows  # all have the same size
    before = zlib.decompressobj(31).decompress(whole[:place])
    assert plain.startswith(read)
    assert len(read) // record in range(len(before) // record, len(before) // record + 1 + flipped)
    assert f"record {len(read) // record} (byte {len(read)})" in str(error.value)


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_give_records_or_an_error(tmp_path: Path, data: bytes) -> None:
    for name in ("x.tfrecord", "x.tfrecord.gz"):
        path = tmp_path / name
        path.write_bytes(data)
        try:
            assert not contents(path) or data
        except MillraceError as error:
            assert str(error).startswith(f"{path}: record 0 (byte 0): ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"no\.tfrecord: expected a TFRecord file, found none"):
        contents(tmp_path / "no.tfrecord")
