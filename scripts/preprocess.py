"""Lets the feature columns learn from the statistics, and encodes every example once."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from millrace import config, encoded, preprocessing, proposal
from millrace.errors import MillraceError, run
from millrace.examples import shard_paths
from millrace.files import read_json, replacing
from millrace.progress import Progress
from millrace.raw import parse_examples

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

    features = config.load(arguments.config)["features"]
    statistics = read_json(arguments.statistics)
    learned = preprocessing.learn(features, read_json(arguments.schema), statistics)
    for column, reason in learned.left_out.items():
        print(f"left out: {column} ({reason})")

    with replacing(arguments.encoded) as directory:
        directory.mkdir()
        for split in encoded.SPLITS:
            rows = statistics["splits"][split]["rows"]
            with Progress(rows, "examples", f"encode {split}") as progress:
                blocks = encode(learned, shard_paths(arguments.examples, split), progress)
                encoded.write(directory / f"{split}.tfrecord", blocks)
    with replacing(arguments.features) as path:
        path.write_text(proposal.as_yaml(learned.features, learned.left_out), encoding="utf-8")
    learned.save(arguments.preprocessing)


def encode(
    learned: preprocessing.Preprocessing, shards: list[Path], progress: Progress
) -> Iterator[encoded.Encoded]:
    """Yields the encoded examples of the shards in their order, a block at a time."""

    def encode_block(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        raw = parse_examples(serialized, (*learned.raw, learned.label_column))
        labels = learned.task.encode_labels(raw[learned.label_column.name])
        return learned.encode(raw), labels

    compression = "GZIP" if shards[0].suffix == ".gz" else ""
    dataset = tf.data.TFRecordDataset([str(shard) for shard in shards], compression)
    for inputs, labels in dataset.batch(ROWS_PER_BLOCK).map(encode_block).as_numpy_iterator():
        if learned.task.kind != "regression" and (labels < 0).any():
            raise MillraceError(
                f"{shards[0].parent}: expected labels out of {list(learned.task.classes)}, found "
                f"another one in {shards[0].name.split('-')[0]}.",
                note="a class that the training examples lack cannot be learned: split by another "
                "column or share, or leave its rows out.",
            )
        progress.update(len(labels))
        yield encoded.Encoded(inputs, labels)


if __name__ == "__main__":
    run(main)
