"""Fits the feature columns to the statistics, and encodes every example once."""

import argparse
from pathlib import Path

from millrace import config
from millrace.artifacts.schema import Schema
from millrace.artifacts.statistics import Statistics
from millrace.errors import exit_with_status
from millrace.features import auto, encoded, preprocessing
from millrace.features.encoder import Encoder, Weight
from millrace.files import replacing
from millrace.progress import Progress
from millrace.tfrecord.examples import shard_paths
from millrace.training import devices


def main() -> None:
    """Reads examples, schema and statistics; writes preprocessing.json and encoded/."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "examples", "schema", "statistics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("preprocessing", "features", "encoded"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    features = config.load(arguments.config).features
    schema = Schema.load(arguments.schema)
    statistics = Statistics.load(arguments.statistics)
    learned = preprocessing.learn(features, schema, statistics)
    encoder = Encoder(learned, Weight.of(schema, statistics))
    for column, reason in learned.left_out.items():
        print(f"left out: {column} ({reason})")

    with replacing(arguments.encoded) as directory:
        directory.mkdir()
        for split in encoded.SPLITS:
            rows = statistics.splits[split].rows
            with Progress(rows, "examples", f"encode {split}") as progress:
                shards = shard_paths(arguments.examples, split)
                blocks = encoder.encode(shards, rows, progress)
                encoded.write(directory / f"{split}.tfrecord", blocks)
    with replacing(arguments.features) as path:
        path.write_text(auto.as_yaml(learned.features, learned.left_out), encoding="utf-8")
    learned.save(arguments.preprocessing)


if __name__ == "__main__":
    exit_with_status(main)
