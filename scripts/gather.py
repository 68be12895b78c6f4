"""Joins the parts that ingest has written into one table, and checks its account.

The result is that of one job for all files, byte for byte.
"""

import argparse
import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from millrace import config
from millrace.errors import MillraceError, exit_with_status
from millrace.files import read_json, replacing, write_json
from millrace.ingestion import origins, shards, splits

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--parts", type=Path, required=True, help="directory of the parts")
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--account", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    arguments = parser.parse_args()

    data = config.load(arguments.config).data
    parts = [arguments.parts / str(part) for part in data.parts]
    accounts = [read_json(part / "ingest.json") for part in parts]
    schema = read_json(parts[0] / "schema.json")
    with replacing(arguments.examples) as folder, replacing(arguments.rejected) as rejected:
        folder.mkdir()
        written = {
            split: shards.join(parts, folder, split, data.examples_per_shard, data.compression)
            for split in splits.SPLITS
        }
        for split in splits.SPLITS:
            origins.join(parts, folder, split)
        join_rejected(parts, rejected)
        account = total(accounts, written)
        check(account, data.max_rejected, rejected)
        write_json(arguments.schema, schema)
        write_json(arguments.account, account)
    print(summary(account))


def join_rejected(parts: list[Path], rejected: Path) -> None:
    """Writes the rejected rows of all parts to one file, under one header."""
    with rejected.open("wb") as file:
        for number, part in enumerate(parts):
            with (part / "rejected.csv").open("rb") as source:
                if number:
                    source.readline()
                shutil.copyfileobj(source, file)


def total(accounts: list[dict[str, Any]], written: dict[str, Any]) -> dict[str, Any]:
    """Returns the account of the whole table."""
    files = [file for account in accounts for file in account["files"]]
    reasons: Counter[str] = Counter()
    for account in accounts:
        reasons.update(account["reasons"])
    left = {
        key: sum(account[key] for account in accounts)
        for key in ("unlabelled", "duplicates_dropped", "in_gap")
    }
    return {
        "rows_read": sum(file["rows_read"] for file in files),
        "written": {split: sum(shard["rows"] for shard in written[split]) for split in written},
        "rejected": reasons.total(),
        **left,
        "files": files,
        "shards": written,
        "reasons": dict(sorted(reasons.items())),
        "taken": accounts[0]["taken"],
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
            note="change the shares or the first values under data.split, or add rows.",
        )
    left = sum(account[key] for key in ("rejected", "unlabelled", "duplicates_dropped", "in_gap"))
    if account["rows_read"] != sum(written.values()) + left:
        raise MillraceError(
            f"expected an account that closes, found {account['rows_read']:,} rows read, "
            f"{sum(written.values()):,} written and {left:,} left out.",
            note="a part may be damaged: run ingest again.",
        )


def summary(account: dict[str, Any]) -> str:
    written = ", ".join(f"{rows:,} {split}" for split, rows in account["written"].items())
    taken = "".join(f"\n{taken['severity']}: {taken['message']}" for taken in account["taken"])
    return (
        f"{account['rows_read']:,} rows = {written}, "
        f"{account['unlabelled']:,} without a label, {account['rejected']:,} rejected, "
        f"{account['duplicates_dropped']:,} duplicates dropped, "
        f"{account['in_gap']:,} in a gap between splits{taken}"
    )


if __name__ == "__main__":
    exit_with_status(main)
