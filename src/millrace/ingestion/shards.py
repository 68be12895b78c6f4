"""A split's examples, written as TFRecord shards of equal size."""

import gzip
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from millrace import examples
from millrace.examples import Encoder

Array = np.ndarray[Any, Any]


# Level 1 takes a fifth of the time of level 6, the usual one, for files a tenth larger.
GZIP_LEVEL = 1


class ShardWriter:
    """Writes the examples of one split into a folder, `examples_per_shard` to a file.

    `compression` is none or gzip. The files get their names, which say how many there are, in
    `close`.
    """

    def __init__(self, folder: Path, split: str, examples_per_shard: int, compression: str) -> None:
        self._suffix = ".gz" if compression == "gzip" else ""
        self._folder, self._split, self._most = folder, split, examples_per_shard
        self._counts: list[int] = []
        self._open_next()

    @property
    def rows(self) -> int:
        """How many examples have been written."""
        return sum(self._counts)

    def write(self, encoder: Encoder, rows: Array) -> None:
        """Writes some of a batch's rows (int64 [n]), in that order, as examples."""
        while len(rows):
            if self._counts[-1] == self._most:
                self._file.close()
                self._open_next()
            part = rows[: self._most - self._counts[-1]]
            self._file.write(encoder.records(part).data)
            self._counts[-1] += len(part)
            rows = rows[len(part) :]

    def close(self) -> list[dict[str, Any]]:
        """Names the shards and returns each one's name and number of rows."""
        self._file.close()
        shards = []
        for index, rows in enumerate(self._counts):
            name = examples.shard_name(self._split, index, len(self._counts), self._suffix)
            self._unnamed(index).rename(self._folder / name)
            shards.append({"file": name, "rows": rows})
        return shards

    def _open_next(self) -> None:
        path = self._unnamed(len(self._counts))
        # Without a time in its header a file's bytes depend on the examples alone.
        zipped = gzip.GzipFile(path, "wb", GZIP_LEVEL, mtime=0) if self._suffix else None
        self._file: IO[bytes] = cast(IO[bytes], zipped) if zipped else path.open("wb")
        self._counts.append(0)

    def _unnamed(self, index: int) -> Path:
        return self._folder / f"{self._split}-{index:05d}"
