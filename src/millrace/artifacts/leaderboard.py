"""leaderboard.csv"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.artifacts import tables
from millrace.artifacts.metrics import Interval

ENDS = ("", "_low", "_high")
SIZES = ("parameters", "bytes", "epochs")


@dataclass(frozen=True)
class Entry:
    """A model.

    Attributes:
        rank: its place, from 1.
        model: its name.
        kind: its kind.
        metrics: each metric; three columns of the table: the value, `_low` and `_high`. None, and
            empty in the table, where it is not defined.
        over: what the intervals are over: rows, seeds or folds.
        runs: how many trainings they come from.
        parameters: the number of weights.
        bytes: the size of the weights on disk.
        epochs: how many epochs, or rounds of trees, it was trained for.
    """

    rank: int
    model: str
    kind: str
    metrics: dict[str, Interval | None]
    over: str
    runs: int
    parameters: int
    bytes: int
    epochs: int

    def cells(self) -> dict[str, object]:
        """Returns the cells of its row by column."""
        row: dict[str, object] = {"rank": self.rank, "model": self.model, "kind": self.kind}
        for name, metric in self.metrics.items():
            values = (metric.value, metric.low, metric.high) if metric else (None, None, None)
            row |= {name + end: value for end, value in zip(ENDS, values, strict=True)}
        row |= {"over": self.over, "runs": self.runs}
        return row | {key: getattr(self, key) for key in SIZES}


@dataclass(frozen=True)
class Leaderboard:
    """All models, the best first.

    Attributes:
        entries: a row for each model.
    """

    entries: list[Entry]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file; raises MillraceError when it is missing, or is no such table."""
        rows = tables.read(path, ["rank", "model", "kind", "over", "runs", *SIZES])
        names = [key.removesuffix("_low") for key in (rows[0] if rows else {}) if "_low" in key]

        def whole(row: dict[str, str], column: str) -> int:
            return int(tables.number(path, row, column))

        def metric(row: dict[str, str], name: str) -> Interval | None:
            if not row[name]:
                return None
            return Interval(*(tables.number(path, row, name + end) for end in ENDS))

        return cls(
            [
                Entry(
                    rank=whole(row, "rank"),
                    model=row["model"],
                    kind=row["kind"],
                    metrics={name: metric(row, name) for name in names},
                    over=row["over"],
                    runs=whole(row, "runs"),
                    parameters=whole(row, "parameters"),
                    bytes=whole(row, "bytes"),
                    epochs=whole(row, "epochs"),
                )
                for row in rows
            ]
        )

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        rows = [entry.cells() for entry in self.entries]
        tables.write(path, list(rows[0]), rows)
