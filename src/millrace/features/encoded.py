"""Encoded examples on disk, written once and read by every model.

There is one TFRecord file per split. A record is a tf.train.Example with a block of rows as raw
little-endian bytes (`numbers` float32, `ids` int32, `labels` and optionally `weights` float32),
because one record per row takes a hundred times as long to read.
"""

from __future__ import annotations

import copy
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from millrace.errors import MillraceError
from millrace.features.preprocessing import EncodedSpec
from millrace.tfrecord.byte_kernels import masked_crc

SPLITS = ("train", "validation", "test")
DTYPES = {"numbers": np.float32, "ids": np.int32}


@dataclass(frozen=True)
class Encoded:
    """Encoded examples in memory.

    Attributes:
        inputs: `numbers` float32 [n, width] and `ids` int32 [n, width], as `Preprocessing.encode`
            returns them.
        labels: float32 [n], as `Task.encode_labels` returns them.
        weights: the weight of each example, float32 [n]; None if all are equal.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


def write(path: Path, blocks: Iterable[Encoded]) -> int:
    """Writes blocks of encoded examples, one record per block; returns the number of rows."""
    rows = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for block in blocks:
            parts = {**block.inputs, "labels": block.labels}
            if block.weights is not None:
                parts["weights"] = block.weights
            features = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[part.tobytes()]))
                for name, part in parts.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString(deterministic=True))
            rows += len(block)
    return rows


def read(path: Path, spec: EncodedSpec) -> Encoded:
    """Reads all encoded examples of a file into memory.

    Raises MillraceError when the file is damaged or was encoded for other feature columns.
    """
    return Blocks(path, spec).first()


class Blocks:
    """The blocks of examples in a file, each read on access.

    Attributes:
        rows: the number of examples in each block.

    Raises:
        MillraceError: the file is damaged, or was encoded for other feature columns.
    """

    def __init__(self, path: Path, spec: EncodedSpec) -> None:
        self._path = path
        self._widths = {"numbers": len(spec.numbers), "ids": spec.ids_width}
        self._places: list[tuple[int, int]] = []
        self._left_out: list[np.ndarray] = []
        size = path.stat().st_size
        with path.open("rb") as file:
            while file.tell() < size:
                (length,) = struct.unpack("<Q4x", self._take(file, 12))
                self._places.append((file.tell(), length))
                file.seek(min(length, size), os.SEEK_CUR)
                self._take(file, 4)
        # Blocks of the same length have the same number of rows.
        firsts = {length: place for place, (_, length) in enumerate(self._places)}
        rows = {length: len(self[place]) for length, place in firsts.items()}
        self.rows = [rows[length] for _, length in self._places]

    def without(self, rows: np.ndarray) -> Blocks:
        """Returns the blocks without the examples `rows`, int [m], numbered over all blocks."""
        starts = np.cumsum([0, *self.rows])
        parts = np.split(np.sort(rows), np.searchsorted(np.sort(rows), starts[1:-1]))
        fewer = copy.copy(self)
        fewer._left_out = [part - start for part, start in zip(parts, starts, strict=False)]
        fewer.rows = [n - len(x) for n, x in zip(self.rows, fewer._left_out, strict=True)]
        return fewer

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> Encoded:
        offset, length = self._places[place]
        with self._path.open("rb") as file:
            file.seek(offset)
            record = self._take(file, length)
            (expected,) = struct.unpack("<I", self._take(file, 4))
        if masked_crc(np.frombuffer(record, np.uint8), 0, length) != expected:
            raise self._damaged("a checksum that does not fit")
        try:
            features = tf.train.Example.FromString(record).features.feature
            parts = {name: part.bytes_list.value[0] for name, part in features.items()}
            labels = np.frombuffer(parts["labels"], np.float32)
            inputs = {
                name: np.frombuffer(parts[name], DTYPES[name]).reshape(len(labels), width)
                for name, width in self._widths.items()
                if width
            }
            weights = np.frombuffer(parts["weights"], np.float32) if "weights" in parts else None
        except (ValueError, LookupError, DecodeError) as error:
            raise self._damaged(str(error)) from None
        if not self._left_out:
            return Encoded(inputs, labels, weights)
        kept = np.delete(np.arange(len(labels)), self._left_out[place])
        inputs = {name: part[kept] for name, part in inputs.items()}
        return Encoded(inputs, labels[kept], None if weights is None else weights[kept])

    def __iter__(self) -> Iterator[Encoded]:
        return (self[place] for place in range(len(self)))

    def first(self, rows: int | None = None) -> Encoded:
        """Reads the first `rows` examples into memory, or all if `rows` is None."""
        parts: list[Encoded] = []
        for block in self:
            if rows is not None and sum(map(len, parts)) >= rows:
                break
            parts.append(block)
        inputs = {
            name: np.concatenate([part.inputs[name] for part in parts])[:rows]
            for name in parts[0].inputs
        }
        labels = np.concatenate([part.labels for part in parts])[:rows]
        weights = [part.weights for part in parts if part.weights is not None]
        return Encoded(inputs, labels, np.concatenate(weights)[:rows] if weights else None)

    def _take(self, file: BinaryIO, length: int) -> bytes:
        taken = file.read(length)
        if len(taken) < length:
            raise self._damaged("the end of the file")
        return taken

    def _damaged(self, found: str) -> MillraceError:
        return MillraceError(
            f"{self._path}: expected blocks of encoded examples with {self._widths}, found "
            f"something else ({found}).",
            note="run preprocess again.",
        )
