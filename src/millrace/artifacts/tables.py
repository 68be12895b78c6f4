"""CSV artifacts: rows of text under a header."""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from millrace.artifacts.records import MAKE_AGAIN, missing
from millrace.errors import MillraceError
from millrace.files import replacing


def read(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Returns the rows by column.

    Raises:
        MillraceError: the file is missing or is not UTF-8, its header lacks a required column, or a
            row has more or fewer cells than the header.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        raise missing(path) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise MillraceError(
            f"{path}: expected a CSV file, found another ({error}).", note=f"{MAKE_AGAIN}."
        ) from None
    require(path, header, required)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise MillraceError(
                f"{path}: row {number}: expected {len(header)} cells, found {len(row)}.",
                note=f"{MAKE_AGAIN}.",
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def require(path: Path, header: Collection[str], names: Sequence[str]) -> None:
    """Raises MillraceError when a table lacks one of these columns."""
    if absent := [name for name in names if name not in header]:
        raise MillraceError(
            f"{path}: expected the columns {', '.join(names)}; found none named "
            f"{', '.join(absent)}.",
            note=f"{MAKE_AGAIN}.",
        )


def number(path: Path, row: Mapping[str, str], column: str) -> float:
    """Returns a cell as a number; raises MillraceError if it is not one."""
    try:
        return float(row[column])
    except ValueError:
        raise MillraceError(
            f"{path}: column {column!r}: expected a number, found {row[column]!r}.",
            note=f"{MAKE_AGAIN}.",
        ) from None


def write(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    terminator: str = "\n",
) -> None:
    """Writes rows, given by column, atomically; None becomes an empty cell."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator=terminator)
        writer.writeheader()
        writer.writerows(rows)
