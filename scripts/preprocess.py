"""Lets the feature columns learn from the statistics, and encodes every example once."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from millrace import config
from millrace.errors import MillraceError, run
from millrace.features import auto, encoded, preprocessing
from millrace.features.raw_row import RawColumn, parse_examples
from millrace.files import read_json, replacing
from millrace.progress import Progress
from millrace.tfrecord.examples import shard_paths
from millrace.training import devices

import tensorflow as tf

ROWS_PER_BLOCK = 4096


def main() -> None:
    """Reads examples, schema and statistics; writes what was learned and encoded/."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "examples", "schema", "statistics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("preprocessing", "features", "encoded"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    features = config.load(arguments.config)["features"]
    schema, statistics = read_json(arguments.schema), read_json(arguments.statistics)
    learned = preprocessing.learn(features, schema, statistics)
    weight = Weight.of(schema, statistics)
    for column, reason in learned.left_out.items():
        print(f"left out: {column} ({reason})")

    with replacing(arguments.encoded) as directory:
        directory.mkdir()
        for split in encoded.SPLITS:
            rows = statistics["splits"][split]["rows"]
            with Progress(rows, "examples", f"encode {split}") as progress:
                shards = shard_paths(arguments.examples, split)
                blocks = encode(learned, weight, shards, rows, progress)
                encoded.write(directory / f"{split}.tfrecord", blocks)
    with replacing(arguments.features) as path:
        path.write_text(auto.as_yaml(learned.features, learned.left_out), encoding="utf-8")
    learned.save(arguments.preprocessing)


@dataclass(frozen=True)
class Weight:
    """How much an example counts: the column's value, where the training examples' mean is 1."""

    column: RawColumn
    mean: float

    @classmethod
    def of(cls, schema: dict[str, Any], statistics: dict[str, Any]) -> Self | None:
        """Returns what `data.weight` names; None when all examples count the same."""
        if "weight" not in schema:
            return None
        name = schema["weight"]
        column = statistics["splits"]["train"]["columns"][name]
        if column["mean"] <= 0:
            raise MillraceError(
                f"data.weight: expected training examples that count, found 0 throughout {name!r}."
            )
        return cls(RawColumn(name, column["type"], key=name), column["mean"])


def encode(
    learned: preprocessing.Preprocessing,
    weight: Weight | None,
    shards: list[Path],
    rows: int,
    progress: Progress,
) -> Iterator[encoded.Encoded]:
    """Yields the encoded examples of the shards in their order, a block at a time.

    Raises MillraceError unless there are so many rows, and they have labels that were learned.
    """
    beside = (learned.label_column, *([weight.column] if weight else []))

    def encode_block(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        raw = parse_examples(serialized, (*learned.raw, *beside))
        labels = learned.task.encode_labels(raw[learned.label_column.name])
        weights = [raw[weight.column.name] / weight.mean] if weight else []
        return (learned.encode(raw), labels, *weights)

    done = 0
    compression = "GZIP" if shards[0].suffix == ".gz" else ""
    dataset = tf.data.TFRecordDataset([str(shard) for shard in shards], compression)
    blocks = dataset.batch(ROWS_PER_BLOCK).map(encode_block).as_numpy_iterator()
    for inputs, labels, *weights in blocks:
        if learned.task.kind != "regression" and (labels < 0).any():
            raise MillraceError(
                f"{shards[0].parent}: expected labels out of {list(learned.task.classes)}, found "
                f"another one in {shards[0].name.split('-')[0]}.",
                note="a class that the training examples lack cannot be learned: split by another "
                "column or share, or leave its rows out.",
            )
        progress.update(len(labels))
        done += len(labels)
        yield encoded.Encoded(inputs, labels, *weights)
    if done != rows:
        raise MillraceError(
            f"{shards[0].parent}: expected {rows:,} examples in {len(shards)} shards like "
            f"{shards[0].name}, as analyze has read, found {done:,}.",
            note="a shard is damaged or was replaced: run gather and analyze again.",
        )


if __name__ == "__main__":
    run(main)
