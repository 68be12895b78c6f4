"""Computes the statistics of the examples, finds anomalies and suggests a schema."""

import argparse
from pathlib import Path

from millrace import config, errors
from millrace.artifacts.account import Account
from millrace.artifacts.anomalies import Anomalies
from millrace.artifacts.schema import Schema
from millrace.artifacts.statistics import Statistics
from millrace.statistics import anomalies, statistics, suggested_schema
from millrace.tfrecord import examples

SPLITS = ("train", "validation", "test")


def main() -> None:
    """Reads examples, their schema and account; writes statistics, anomalies and a suggestion."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--account", type=Path, required=True, help="ingest.json")
    parser.add_argument("--statistics", type=Path, required=True)
    parser.add_argument("--anomalies", type=Path, required=True)
    parser.add_argument("--suggestion", type=Path, required=True, help="a schema to commit")
    args = parser.parse_args()

    data = config.load(args.config).data
    schema = Schema.load(args.schema)
    batches = {
        split: examples.read_batches(examples.shard_paths(args.examples, split), schema.types)
        for split in SPLITS
    }
    computed = statistics.compute(batches, schema, data.task, data.positive)
    account = Account.load(args.account)
    for split, shards in account.shards.items():
        examples.check_counts(args.examples, shards, computed.splits[split].rows)
    previous = read_previous(Path(data.previous)) if data.previous else None
    found = anomalies.of_cells(account.taken) + anomalies.find(computed, previous)
    found = anomalies.graded(found, data.anomalies.severities)
    if wrong := [anomaly.message for anomaly in found if anomaly.severity == "error"]:
        raise errors.MillraceError(
            f"{args.examples}: expected no anomaly that data.anomalies calls an error, "
            f"found {len(wrong)}:\n" + "\n".join(f"  {message}" for message in wrong),
            note="look at the column, leave it out with data.exclude, or call it a warning.",
        )
    computed.save(args.statistics)
    Anomalies(found).save(args.anomalies)
    suggested_schema.suggest(schema, computed).save(args.suggestion)

    label = computed.label
    print(f"label {label.name}: {label.task}, classes {label.classes}")
    for anomaly in found:
        print(f"{anomaly.severity}: {anomaly.message}")


def read_previous(path: Path) -> Statistics:
    """Reads the statistics of an earlier run."""
    try:
        return Statistics.load(path)
    except errors.MillraceError:
        raise errors.MillraceError(
            f"{path}: expected statistics as this stage writes them, found another file.",
            note="copy results/<name>/statistics.json, and name the copy under data.previous.",
        ) from None


if __name__ == "__main__":
    errors.exit_with_status(main)
