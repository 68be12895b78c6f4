"""Turns raw tables into TFRecord shards of tf.train.Example, and accounts for every row."""

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import Any

from millrace import config
from millrace.errors import MillraceError, run
from millrace.examples import Encoder
from millrace.files import read_json, replacing, write_json
from millrace.ingestion import splits
from millrace.ingestion.blocks import Reject
from millrace.ingestion.plan import Plan
from millrace.ingestion.shards import ShardWriter
from millrace.progress import Progress

import numpy as np

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--raw", type=Path, required=True, help="directory that fetch made")
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--account", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    data = job["data"]
    files = read_json(arguments.raw / "manifest.json")["files"]
    plan = Plan(files, data, job["seed"])
    with replacing(arguments.examples) as folder, replacing(arguments.rejected) as rejected:
        folder.mkdir()
        writers = {
            split: ShardWriter(folder, split, data["examples_per_shard"], data["compression"])
            for split in splits.SPLITS
        }
        account = write(plan, files, writers, rejected)
        check(account, data["max_rejected"], rejected)
        write_json(arguments.schema, plan.schema())
        write_json(arguments.account, account)
    print(summary(account))


def write(
    plan: Plan, files: list[dict[str, Any]], writers: dict[str, ShardWriter], rejected: Path
) -> dict[str, Any]:
    """Writes the shards and the rejected rows, and returns the account."""
    reasons: Counter[str] = Counter()
    unlabelled, duplicates, in_gap, rows_read = 0, 0, 0, [0] * len(files)
    with (
        rejected.open("w", encoding="utf-8", newline="") as file,
        Progress(plan.rows, "rows", "ingest") as progress,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", *Reject._fields))
        for index, entry in enumerate(files):
            for count, part in plan.parts(index):
                encoder = Encoder(part.examples)
                for number, writer in enumerate(writers.values()):
                    writer.write(encoder, np.flatnonzero(part.splits == number))
                table.writerows((entry["path"], *reject) for reject in part.rejected)
                reasons.update(
                    f"{reject.column}: {reject.kind}" if reject.column else reject.kind
                    for reject in part.rejected
                )
                unlabelled += part.unlabelled
                duplicates += part.duplicates
                in_gap += int((part.splits == splits.LEFT_OUT).sum())
                rows_read[index] += count
                progress.update(count)
    shards = {split: writer.close() for split, writer in writers.items()}
    return {
        "rows_read": sum(rows_read),
        "written": {split: writer.rows for split, writer in writers.items()},
        "rejected": reasons.total(),
        "unlabelled": unlabelled,
        "duplicates_dropped": duplicates,
        "in_gap": in_gap,
        "files": [
            {"path": entry["path"], "rows_read": count}
            | {key: entry[key] for key in ("bytes", "sha256")}
            for entry, count in zip(files, rows_read, strict=True)
        ],
        "shards": shards,
        "reasons": dict(sorted(reasons.items())),
        "mixed_columns": plan.mixed,
    }


def check(account: dict[str, Any], max_rejected: float, rejected: Path) -> None:
    """Raises MillraceError when too many rows are rejected, a split is empty, or a row is lost."""
    limit = max_rejected * account["rows_read"] if max_rejected < 1 else max_rejected
    if account["rejected"] > limit:
        with rejected.open(encoding="utf-8", newline="") as file:
            first = [row for row, _ in zip(csv.DictReader(file), range(SHOWN), strict=False)]
        shown = "\n".join(
            f"  {row['file']}, row {row['row']}"
            + (f", column {row['column']!r}" if row["column"] else "")
            + f": {row['reason']}\n    {row['raw'][:200]!r}"
            for row in first
        )
        raise MillraceError(
            f"data.max_rejected: expected at most {limit:,.0f} bad rows out of "
            f"{account['rows_read']:,}, found {account['rejected']:,}. The first:\n{shown}",
            note="mend the file, give a column another type under data.types, "
            "or allow more under data.max_rejected.",
        )
    written = account["written"]
    if empty := [split for split, rows in written.items() if not rows]:
        raise MillraceError(
            f"data.split: expected rows in every split, found none for {', '.join(empty)} "
            f"({written}, {account['unlabelled']:,} without a label).",
        )
    left = sum(account[key] for key in ("rejected", "unlabelled", "duplicates_dropped", "in_gap"))
    if account["rows_read"] != sum(written.values()) + left:
        raise AssertionError(f"the account does not close: {account}")


def summary(account: dict[str, Any]) -> str:
    written = ", ".join(f"{rows:,} {split}" for split, rows in account["written"].items())
    mixed = "".join(
        f"\n{name!r} is text, though most of its cells are numbers; data.types can make it one"
        for name in account["mixed_columns"]
    )
    return (
        f"{account['rows_read']:,} rows = {written}, "
        f"{account['unlabelled']:,} without a label, {account['rejected']:,} rejected, "
        f"{account['duplicates_dropped']:,} duplicates dropped, "
        f"{account['in_gap']:,} in a gap between splits{mixed}"
    )


if __name__ == "__main__":
    run(main)
