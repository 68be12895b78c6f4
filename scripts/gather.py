"""Joins the parts that ingest has written into one table, and checks its account.

The result is that of one job for all files, byte for byte.
"""

import argparse
import csv
import shutil
from collections import Counter
from pathlib import Path

from millrace import config
from millrace.artifacts.account import Account, PartAccount, Shard
from millrace.artifacts.schema import Schema
from millrace.errors import MillraceError, exit_with_status
from millrace.files import replacing
from millrace.ingestion import origins, shards, splits
from millrace.results import PartFolder

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
    accounts = [PartAccount.load(PartFolder(part).account) for part in parts]
    schema = Schema.load(PartFolder(parts[0]).schema)
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
        schema.save(arguments.schema)
        account.save(arguments.account)
    print(summary(account))


def join_rejected(parts: list[Path], rejected: Path) -> None:
    """Writes the rejected rows of all parts to one file, under one header."""
    with rejected.open("wb") as file:
        for number, part in enumerate(parts):
            with (part / "rejected.csv").open("rb") as source:
                if number:
                    source.readline()
                shutil.copyfileobj(source, file)


def total(accounts: list[PartAccount], shards: dict[str, list[Shard]]) -> Account:
    """Returns the account of the whole table."""
    files = [file for account in accounts for file in account.files]
    reasons: Counter[str] = Counter()
    for account in accounts:
        reasons.update(account.reasons)
    return Account(
        rows_read=sum(file.rows_read for file in files),
        written={split: sum(shard.rows for shard in shards[split]) for split in shards},
        rejected=reasons.total(),
        unlabelled=sum(account.unlabelled for account in accounts),
        duplicates_dropped=sum(account.duplicates_dropped for account in accounts),
        in_gap=sum(account.in_gap for account in accounts),
        files=files,
        shards=shards,
        reasons=dict(sorted(reasons.items())),
        taken=accounts[0].taken,
    )


def check(account: Account, max_rejected: float, rejected: Path) -> None:
    """Raises MillraceError when too many rows are rejected, a split is empty, or a row is lost."""
    limit = max_rejected * account.rows_read if max_rejected < 1 else max_rejected
    if account.rejected > limit:
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
            f"{account.rows_read:,}, found {account.rejected:,}. The first:\n{shown}",
            note="mend the file, give a column another type under data.types, "
            "or allow more under data.max_rejected.",
        )
    written = account.written
    if empty := [split for split, rows in written.items() if not rows]:
        raise MillraceError(
            f"data.split: expected rows in every split, found none for {', '.join(empty)} "
            f"({written}, {account.unlabelled:,} without a label).",
            note="change the shares or the first values under data.split, or add rows.",
        )
    left = account.rejected + account.unlabelled + account.duplicates_dropped + account.in_gap
    if account.rows_read != sum(written.values()) + left:
        raise MillraceError(
            f"expected an account that closes, found {account.rows_read:,} rows read, "
            f"{sum(written.values()):,} written and {left:,} left out.",
            note="a part may be damaged: run ingest again.",
        )


def summary(account: Account) -> str:
    written = ", ".join(f"{rows:,} {split}" for split, rows in account.written.items())
    taken = "".join(f"\n{taken.severity}: {taken.message}" for taken in account.taken)
    return (
        f"{account.rows_read:,} rows = {written}, "
        f"{account.unlabelled:,} without a label, {account.rejected:,} rejected, "
        f"{account.duplicates_dropped:,} duplicates dropped, "
        f"{account.in_gap:,} in a gap between splits{taken}"
    )


if __name__ == "__main__":
    exit_with_status(main)
