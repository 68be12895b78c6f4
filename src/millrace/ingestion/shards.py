"""Writes the examples of a split as TFRecord shards of equal size."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from millrace.artifacts.account import PartAccount, Shard
from millrace.results import PartFolder
from millrace.tfrecord import examples, framing
from millrace.tfrecord.framing import Bytes

Array = np.ndarray[Any, Any]


class RecordSource(Protocol):
    """Rows that are, or can be converted to, TFRecord bytes."""

    def records(self, rows: Array) -> Bytes:
        """Returns the records of these rows (int64 [n]), in that order: uint8 [bytes]."""
        ...


class ShardWriter:
    """Writes the examples of one split into a folder, `examples_per_shard` per file.

    `compression` is none or gzip. `close` gives the files their final names, which contain the
    number of shards.
    """

    def __init__(self, folder: Path, split: str, examples_per_shard: int, compression: str) -> None:
        self._folder, self._split, self._most = folder, split, examples_per_shard
        self._compression = compression
        self._counts: list[int] = []
        self._open_next()

    @property
    def rows(self) -> int:
        """The number of examples written so far."""
        return sum(self._counts)

    def write(self, source: RecordSource, rows: Array) -> None:
        """Writes these rows of a source (int64 [n]), in that order."""
        while len(rows):
            if self._counts[-1] == self._most:
                self._file.close()
                self._open_next()
            part = rows[: self._most - self._counts[-1]]
            self._file.write(source.records(part).data)
            self._counts[-1] += len(part)
            rows = rows[len(part) :]

    def close(self) -> list[Shard]:
        """Gives the shards their final names, and returns them."""
        self._file.close()
        suffix = ".gz" if self._compression == "gzip" else ""
        shards = []
        for index, rows in enumerate(self._counts):
            name = examples.shard_name(self._split, index, len(self._counts), suffix)
            self._unnamed(index).rename(self._folder / name)
            shards.append(Shard(name, rows))
        return shards

    def _open_next(self) -> None:
        self._file = framing.create(self._unnamed(len(self._counts)), self._compression)
        self._counts.append(0)

    def _unnamed(self, index: int) -> Path:
        return self._folder / f"{self._split}-{index:05d}"


def join(
    folders: Sequence[Path], folder: Path, split: str, examples_per_shard: int, compression: str
) -> list[Shard]:
    """Joins the shards of a split from several folders; equals the output of a single writer.

    Raises MillraceError when a shard is damaged.
    """
    if len(folders) == 1:
        return _take(folders[0], folder, split)
    writer = ShardWriter(folder, split, examples_per_shard, compression)
    for part in folders:
        for path in examples.shard_paths(part, split):
            for records in framing.read(path):
                writer.write(records, np.arange(len(records.spans)))
    return writer.close()


def _take(source: Path, folder: Path, split: str) -> list[Shard]:
    """Links the shards of a split into another folder."""
    shards = PartAccount.load(PartFolder(source).account).shards[split]
    for shard in shards:
        try:
            (folder / shard.file).hardlink_to(source / shard.file)
        except OSError:  # a file system without links
            shutil.copyfile(source / shard.file, folder / shard.file)
    return shards
