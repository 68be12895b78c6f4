"""Joins the parts that ingest wrote into one table, and checks that the row counts add up."""

import csv
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from millrace.artifacts.account import Account, PartAccount, ReadFile, Shard, Taken
from millrace.config.data import DataConfig, SplitFiles
from millrace.errors import MillraceError
from millrace.ingestion import origins, shards, splits
from millrace.ingestion.blocks import UNCLOSED_QUOTE
from millrace.results import PartFolder

# The number of rejected rows that an error shows.
SHOWN = 5

# The largest relative deviation of a group split's share that gives no warning.
UNEVEN = 0.25


def gather(parts: Sequence[Path], data: DataConfig, folder: Path, rejected: Path) -> Account:
    """Joins the parts; the result equals that of a single part, byte for byte.

    Args:
        parts: the directories of the parts, in the order of `data.parts`.
        data: `data` of the config.
        folder: a new directory for the examples.
        rejected: the output file for the rejected rows.

    Raises:
        MillraceError: too many rows are rejected, a split is empty, or a part is damaged.
    """
    accounts = [PartAccount.load(PartFolder(part).account) for part in parts]
    folder.mkdir()
    written = {
        split: shards.join(parts, folder, split, data.examples_per_shard, data.compression)
        for split in splits.SPLITS
    }
    for split in splits.SPLITS:
        origins.join(parts, folder, split)
    _join_rejected(parts, rejected)
    account = _total(accounts, written)
    _check(account, data.max_rejected, rejected)
    notes = [*line_notes(account.files), *_uneven(account.written, data)]
    return replace(account, taken=[*account.taken, *notes])


def summary(account: Account) -> str:
    """Returns the row counts on one line, followed by the interpretations of cells."""
    written = ", ".join(f"{rows:,} {split}" for split, rows in account.written.items())
    taken = "".join(f"\n{taken.severity}: {taken.message}" for taken in account.taken)
    return (
        f"{account.rows_read:,} rows = {written}, "
        f"{account.unlabelled:,} without a label, {account.rejected:,} rejected, "
        f"{account.duplicates_dropped:,} duplicates dropped, "
        f"{account.in_gap:,} in a gap between splits{taken}"
    )


def _join_rejected(parts: Sequence[Path], rejected: Path) -> None:
    """Writes the rejected rows of all parts to one file, under one header."""
    with rejected.open("wb") as file:
        for number, part in enumerate(parts):
            with (part / "rejected.csv").open("rb") as source:
                if number:
                    source.readline()
                shutil.copyfileobj(source, file)


def _total(accounts: list[PartAccount], shards: dict[str, list[Shard]]) -> Account:
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


def line_notes(files: Sequence[ReadFile]) -> Iterator[Taken]:
    """Yields a note for each text file with lines that are not rows or its header."""
    for file in files:
        lines = file.lines
        if lines is None or lines.total == lines.skipped + lines.header + file.rows_read:
            continue
        others = {
            "skipped": lines.skipped,
            "for the header": lines.header,
            "inside cells that hold several lines": lines.in_cells,
            "empty": lines.empty,
            "unexplained": lines.unexplained,
        }
        listed = ", ".join(f"{count:,} {what}" for what, count in others.items() if count)
        message = f"{file.path}: {lines.total:,} lines hold {file.rows_read:,} rows; {listed}"
        if lines.unexplained:
            message += ": rows may be lost or cut, compare rejected.csv with the file"
        yield Taken("warning" if lines.unexplained else "info", "lines", "", message)


def _uneven(written: Mapping[str, int], data: DataConfig) -> Iterator[Taken]:
    """Yields a warning for each group split whose share is far from that in `data.split`.

    Groups are kept whole, so a large one moves many rows at once.
    """
    if data.split.by != "group":
        return
    named = data.files.by_split() if isinstance(data.files, SplitFiles) else {}
    drawn = [split for split in ("validation", "test") if split not in named]
    rows = written["train"] + sum(written[split] for split in drawn)
    shares = splits.shares(data.split)
    test = shares.test if "test" in drawn else 0.0
    validation = (1 - test) / shares.folds if shares.folds else shares.validation
    for split in drawn:
        wanted, found = {"validation": validation, "test": test}[split], written[split] / rows
        if abs(found - wanted) > UNEVEN * wanted:
            message = (
                f"{split} has {found:.1%} of the rows, where data.split asks for {wanted:.1%}: "
                f"groups of {data.split.column!r} are kept whole, and there are few or large ones"
            )
            yield Taken("warning", "split_shares", str(data.split.column), message)


def _advice(reasons: Mapping[str, int]) -> str:
    """Returns what to do about the most frequent reason for rejecting rows."""
    reason = max(reasons, key=lambda reason: reasons[reason])
    if reason == UNCLOSED_QUOTE:
        return "set data.quote to none if quotes are text in this file, close the quotes"
    if re.fullmatch(r"expected \d+ cells", reason):
        return "check data.delimiter, data.quote and data.skip_lines, correct the file"
    return "correct the file, give a column another type under data.types"


def _check(account: Account, max_rejected: float, rejected: Path) -> None:
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
            note=f"{_advice(account.reasons)}, or allow more under data.max_rejected.",
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
            f"expected rows read = written + left out, found {account.rows_read:,} rows read, "
            f"{sum(written.values()):,} written and {left:,} left out.",
            note="a part may be damaged: run ingest again.",
        )
