"""Rejected rows, written to rejected.csv without excluded columns and safe for spreadsheets."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from millrace.ingestion.blocks import Block, Reject, text

# First characters that make a spreadsheet treat a cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without(block: Block, names: Sequence[str], exclude: Collection[str]) -> Callable[[int], str]:
    """Returns a function from a row of a block to its text without the columns of `exclude`.

    The text is JSON if the row is an object, else CSV. It is empty if the row has another number of
    cells than `names`, because then the cells of excluded columns cannot be identified.
    """

    def kept(row: int) -> str:
        found = _object(block.raw(row))
        if found is not None:
            return json.dumps(
                {key: value for key, value in found.items() if key not in exclude},
                ensure_ascii=False,
            )
        if block.counts[row] != len(names):
            return ""
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(
            text(block.data, block.spans[index, row])
            for index, name in enumerate(names)
            if name not in exclude
        )
        return line.getvalue()

    return kept


def _object(raw: str) -> dict[str, Any] | None:
    if not raw.startswith("{"):
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def safe(cell: str) -> str:
    """Returns a cell that is safe in spreadsheets: formulas get a leading quote, numbers do not."""
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


class RejectedRows:
    """Writes rejected.csv, and counts the reasons."""

    def __init__(self, path: Path, exclude: Collection[str]) -> None:
        self.reasons: Counter[str] = Counter()
        self._exclude = exclude
        self._file = path.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._file, lineterminator="\n")
        self._table.writerow(("file", *Reject._fields))

    def write(self, file: str, rejected: Iterable[Reject]) -> None:
        """Writes the rejected rows of a file."""
        for reject in rejected:
            reason = reject.reason
            if reject.column in self._exclude:
                reason = f"{reject.kind}, found another value"
            texts = (safe(reject.column), safe(reason), safe(reject.raw))
            self._table.writerow((safe(file), reject.row, reject.byte_offset, *texts))
            self.reasons[f"{reject.column}: {reject.kind}" if reject.column else reject.kind] += 1

    def close(self) -> None:
        self._file.close()
