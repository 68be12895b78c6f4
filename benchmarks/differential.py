"""Reads thousands of synthetic tables with Millrace and with other readers, cell by cell.

`python benchmarks/differential.py --tables 5000` resumes where it stopped; its findings are in
differential.json, from which docs/testing.md is written. It ends with status 1 on a fault.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pages

from tests.helpers.differential import Findings, compare, make_table

RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
TABLES_AT_ONCE = 100
# What each rule makes of a cell's text.
RULES = {
    "date": "ISO 8601, the same day",
    "empty": "nothing but spaces, missing",
    "integer": "the same number",
    "marker": "a text of `data.missing_values`, missing",
    "number": "the same number, exactly",
    "number in float32": "the float32 next to the number",
    "stripped text": "the text without the spaces around it",
    "text": "the same text",
    "time": "ISO 8601, the same time",
    "truth value": "`true` or `false`, in any case",
    "written as comma": "`1,25` is 1.25",
    "written as dayfirst": "`31/12/2021` is 31 December",
    "written as debt": "`(300.00)` is -300",
    "written as european": "`1.234,50` is 1234.5",
    "written as money": "`$1,234.50` is 1234.5",
    "written as monthfirst": "`12/31/2021` is 31 December",
    "written as percent": "`12.5%` is 12.5",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=5000, help="seeds from 0 up to this")
    parser.add_argument("--again", action="store_true", help="start with seed 0")
    arguments = parser.parse_args()
    done, found = (0, Findings()) if arguments.again or not RESULT.exists() else _read()
    while done < arguments.tables and not found.faults:
        until = min(done + TABLES_AT_ONCE, arguments.tables)
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(done, until):
                compare(make_table(seed), Path(folder, str(seed)), found)
        done = until
        _write(done, found)
        print(f"{done:,} tables, {found.rules.total():,} cells, {len(found.faults)} faults")
    sys.exit(bool(found.faults))


def _read() -> tuple[int, Findings]:
    kept = json.loads(RESULT.read_text())
    counters = {name: Counter(kept[name]) for name in ("rules", "refused", "readers")}
    return kept["tables"], Findings(faults=kept["faults"], **counters)


def _write(done: int, found: Findings) -> None:
    counts = {
        name: dict(sorted(vars(found)[name].items())) for name in ("rules", "refused", "readers")
    }
    kept = {"tables": done, "cells": found.rules.total(), **counts, "faults": found.faults[:20]}
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")
    pages.fill(PAGE, "differential.py", table(kept))


def table(kept: dict[str, Any]) -> str:
    """Returns the findings as docs/testing.md shows them."""
    rules = [f"| {rule} | {RULES[rule]} | {cells:,} |" for rule, cells in kept["rules"].items()]
    refused = sum(kept["refused"].values())
    unlike = ", ".join(f"{what} in {cells:,}" for what, cells in kept["readers"].items())
    lead = (
        f"{kept['tables']:,} tables, {kept['cells']:,} cells; {len(kept['faults'])} faults, "
        f"{refused} tables refused. Cells in which other readers differ: {unlike}."
    )
    return "\n".join(["", "| rule | value | cells |", "|---|---|--:|", *rules, "", lead, ""])


if __name__ == "__main__":
    main()
