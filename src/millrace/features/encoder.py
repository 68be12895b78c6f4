"""Encodes the examples of a split with the feature columns, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import tensorflow as tf

from millrace.artifacts.schema import Schema
from millrace.artifacts.statistics import NumberStatistics, Statistics
from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import RawColumn, parse_examples
from millrace.progress import Progress

ROWS_PER_BLOCK = 4096


@dataclass(frozen=True)
class Weight:
    """The weight of an example: the value of a column, divided by its mean in training."""

    column: RawColumn
    mean: float

    @classmethod
    def of(cls, schema: Schema, statistics: Statistics) -> Self | None:
        """Returns the weight for `data.weight`; None if all examples count equally."""
        if schema.weight is None:
            return None
        name, column = schema.weight, statistics.train.columns[schema.weight]
        assert isinstance(column, NumberStatistics), "ingest requires numbers"
        if column.figures.mean <= 0:
            raise MillraceError(
                f"data.weight: expected a weight above 0, found only 0 in {name!r} in training.",
                note="check the column, or remove data.weight.",
            )
        return cls(RawColumn(name, column.type, key=name), column.figures.mean)


class Encoder:
    """The feature columns as one graph on serialized examples, traced once for all splits."""

    def __init__(self, learned: Preprocessing, weight: Weight | None) -> None:
        self._learned, self._weight = learned, weight
        signature = [tf.TensorSpec([None], tf.string)]
        self._encode_block = tf.function(self._encode, input_signature=signature)

    def _encode(self, serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        learned, weight = self._learned, self._weight
        beside = (learned.label_column, *([weight.column] if weight else []))
        raw = parse_examples(serialized, (*learned.raw, *beside))
        labels = learned.task.encode_labels(raw[learned.label_column.name])
        weights = [raw[weight.column.name] / weight.mean] if weight else []
        return (learned.encode(raw), labels, *weights)

    def encode(self, shards: list[Path], rows: int, progress: Progress) -> Iterator[Encoded]:
        """Yields the encoded examples of the shards in order, block by block.

        Raises MillraceError when the shards do not have `rows` examples, or a label is unknown.
        """
        done = 0
        compression = "GZIP" if shards[0].suffix == ".gz" else ""
        dataset = tf.data.TFRecordDataset([str(shard) for shard in shards], compression)
        blocks = dataset.batch(ROWS_PER_BLOCK).map(self._encode_block).as_numpy_iterator()
        for inputs, labels, *weights in blocks:
            if self._learned.task.kind != "regression" and (labels < 0).any():
                raise self._unknown_label(shards[0])
            progress.update(len(labels))
            done += len(labels)
            yield Encoded(inputs, labels, *weights)
        if done != rows:
            raise MillraceError(
                f"{shards[0].parent}: expected {rows:,} examples in {len(shards)} shards like "
                f"{shards[0].name}, as analyze has read, found {done:,}.",
                note="a shard is damaged or was replaced: run gather and analyze again.",
            )

    def _unknown_label(self, shard: Path) -> MillraceError:
        return MillraceError(
            f"{shard.parent}: expected labels out of {list(self._learned.task.classes)}, found "
            f"another one in {shard.name.split('-')[0]}.",
            note="a class that the training examples lack cannot be learned: split by another "
            "column or share, or leave its rows out.",
        )
