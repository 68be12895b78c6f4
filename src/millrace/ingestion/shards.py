"""A split's examples, written as TFRecord shards of equal size."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from millrace import examples, tfrecords
from millrace.tfrecords import Bytes

Array = np.ndarray[Any, Any]


class Source(Protocol):
    """Rows that are, or can be, TFRecord bytes."""

    def records(self, rows: Array) -> Bytes:
        """Returns some of the rows (int64 [n]), in that order: uint8 [bytes]."""
        ...


class ShardWriter:
    """Writes the examples of one split into a folder, `examples_per_shard` to a file.

    `compression` is none or gzip. The files get their names, which say how many there are, in
    `close`.
    """

    def __init__(self, folder: Path, split: str, examples_per_shard: int, compression: str) -> None:
        self._folder, self._split, self._most = folder, split, examples_per_shard
        self._compression = compression
        self._counts: list[int] = []
        self._open_next()

    @property
    def rows(self) -> int:
        """How many examples have been written."""
        return sum(self._counts)

    def write(self, source: Source, rows: Array) -> None:
        """Writes some of the rows of a source (int64 [n]), in that order."""
        while len(rows):
            if self._counts[-1] == self._most:
                self._file.close()
                self._open_next()
            part = rows[: self._most - self._counts[-1]]
            self._file.write(source.records(part).data)
            self._counts[-1] += len(part)
            rows = rows[len(part) :]

    def close(self) -> list[dict[str, Any]]:
        """Names the shards and returns each one's name and number of rows."""
        self._file.close()
        suffix = ".gz" if self._compression == "gzip" else ""
        shards = []
        for index, rows in enumerate(self._counts):
            name = examples.shard_name(self._split, index, len(self._counts), suffix)
            self._unnamed(index).rename(self._folder / name)
            shards.append({"file": name, "rows": rows})
        return shards

    def _open_next(self) -> None:
        self._file = tfrecords.create(self._unnamed(len(self._counts)), self._compression)
        self._counts.append(0)

    def _unnamed(self, index: int) -> Path:
        return self._folder / f"{self._split}-{index:05d}"
