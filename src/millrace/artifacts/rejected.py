"""rejected.csv"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from millrace.artifacts import tables


@dataclass(frozen=True)
class Rejected:
    """A rejected row.

    Attributes:
        file: the raw file.
        row: its number in the file, from 1.
        byte_offset: the offset of its start in the file; empty if unknown.
        column: the faulty column; empty if the whole row is at fault.
        reason: what was expected, and what was found.
        raw: the row, verbatim.
    """

    file: str
    row: str
    byte_offset: str
    column: str
    reason: str
    raw: str

    @classmethod
    def load(cls, path: Path, most: int) -> list[Self]:
        """Returns the first rows, at most `most`."""
        rows = tables.read(path, list(cls.__dataclass_fields__))
        return [cls(**row) for row in islice(rows, most)]
