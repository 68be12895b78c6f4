"""Encoded examples on disk: what the feature columns made, written once, read by every model.

One TFRecord file a split. A record is a tf.train.Example that holds a block of rows as raw
little-endian bytes (`numbers` float32, `ids` int32, `labels` float32), because reading a row a
record costs a hundred times more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.preprocessing import EncodedSpec

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Encoded:
    """Encoded examples in memory.

    Attributes:
        inputs: `numbers` float32 [n, width] and `ids` int32 [n, width], as `Preprocessing.encode`
            returns them.
        labels: float32 [n], as `Task.encode_labels` returns them.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def write(path: Path, blocks: Iterable[Encoded]) -> int:
    """Writes blocks of encoded examples, one record a block; returns the number of rows."""
    rows = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for block in blocks:
            parts = {**block.inputs, "labels": block.labels}
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
    widths = {"numbers": len(spec.numbers), "ids": spec.ids_width}
    dtypes = {"numbers": np.float32, "ids": np.int32}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in widths if widths[name]}
    labels = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            block = np.frombuffer(features["labels"].bytes_list.value[0], np.float32)
            labels.append(block)
            for name, part in parts.items():
                values = np.frombuffer(features[name].bytes_list.value[0], dtypes[name])
                part.append(values.reshape(len(block), widths[name]))
    except (tf.errors.OpError, ValueError, IndexError) as error:
        raise MillraceError(
            f"{path}: expected blocks of encoded examples with {widths}, found something else "
            f"({str(error).splitlines()[0]}).",
            note="run preprocess again.",
        ) from None
    inputs = {name: np.concatenate(part) for name, part in parts.items()}
    return Encoded(inputs, np.concatenate(labels))
