"""Shards of a split."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from millrace.artifacts.account import Shard
from millrace.errors import MillraceError
from millrace.ingestion.shards import ShardWriter
from millrace.tfrecord import examples
from millrace.tfrecord.examples import Serializer

TYPES = {"n": "int64"}


def write(folder: Path, per_shard: int, sizes: list[int], compression: str = "none") -> list[Shard]:
    writer = ShardWriter(folder, "train", per_shard, compression)
    start = 0
    for size in sizes:
        batch = pa.RecordBatch.from_pydict({"n": range(start, start + size)})
        writer.write(Serializer(batch), np.arange(size))
        start += size
    assert writer.rows == start
    return writer.close()


def test_shards_are_filled_in_order(tmp_path: Path) -> None:
    shards = write(tmp_path, 4, [3, 0, 7, 1])
    assert shards == [
        Shard("train-00000-of-00003.tfrecord", 4),
        Shard("train-00001-of-00003.tfrecord", 4),
        Shard("train-00002-of-00003.tfrecord", 3),
    ]
    paths = examples.shard_paths(tmp_path, "train")
    assert sorted(tmp_path.iterdir()) == paths
    rows = [batch["n"].to_pylist() for batch in examples.read_batches(paths, TYPES)]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 7]])
def test_bytes_do_not_depend_on_the_batches(tmp_path: Path, sizes: list[int]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(tmp_path / "a", 5, [4, 8])
    write(tmp_path / "b", 5, sizes)
    found = [[path.read_bytes() for path in sorted((tmp_path / x).iterdir())] for x in "ab"]
    assert found[0] == found[1]


def test_a_full_last_shard_is_followed_by_none(tmp_path: Path) -> None:
    assert [shard.rows for shard in write(tmp_path, 5, [5, 5])] == [5, 5]


def test_no_rows_make_one_empty_shard(tmp_path: Path) -> None:
    assert write(tmp_path, 5, []) == [Shard("train-00000-of-00001.tfrecord", 0)]


@pytest.mark.parametrize("sizes", [[20_000], [7, 19_993], [5000] * 4])
def test_gzip_holds_the_same_bytes_and_has_its_own(tmp_path: Path, sizes: list[int]) -> None:
    for name in ("plain", "one", "two"):
        (tmp_path / name).mkdir()
    plain = write(tmp_path / "plain", 6000, sizes)
    assert [shard.rows for shard in write(tmp_path / "one", 6000, sizes, "gzip")] == [
        shard.rows for shard in plain
    ]
    write(tmp_path / "two", 6000, [20_000], "gzip")
    paths = examples.shard_paths(tmp_path / "one", "train")
    assert paths[-1].name == "train-00003-of-00004.tfrecord.gz"
    for path in paths:
        expected = (tmp_path / "plain" / path.stem).read_bytes()
        assert gzip.decompress(path.read_bytes()) == expected
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert path.stat().st_size < len(expected) / 3
    rows = [n for batch in examples.read_batches(paths, TYPES) for n in batch["n"].to_pylist()]
    assert rows == list(range(20_000))


def test_a_cut_gzip_shard_is_damaged(tmp_path: Path) -> None:
    write(tmp_path, 5000, [5000], "gzip")
    (path,) = examples.shard_paths(tmp_path, "train")
    path.write_bytes(path.read_bytes()[:-100])
    whole = zlib.decompressobj(wbits=31).decompress(path.read_bytes())
    start = first = 0
    while start + 16 <= len(whole):
        end = start + 16 + int.from_bytes(whole[start : start + 8], "little")
        if end > len(whole):
            break
        start, first = end, first + 1
    where = rf"{path.name}: record {first} \(byte {start}\): expected gzip data from here on"
    with pytest.raises(MillraceError, match=where):
        list(examples.read_batches([path], TYPES))


def test_an_empty_gzip_shard_has_no_rows(tmp_path: Path) -> None:
    write(tmp_path, 5, [], "gzip")
    assert not list(examples.read_batches(examples.shard_paths(tmp_path, "train"), TYPES))
