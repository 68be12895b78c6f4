"""leaderboard.csv"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.artifacts import tables
from millrace.artifacts.metrics import Interval

ENDS = ("", "_low", "_high")
# Groups of three columns that are not metrics on the test.
RANKING, BEHIND = "ranking", "behind"
SIZES = ("parameters", "bytes", "epochs")


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard.

    Attributes:
        rank: its rank, from 1.
        model: its name.
        kind: its kind.
        metrics: each metric on the test; three columns of the table: the value, `_low` and `_high`.
            None, and empty in the table, if it is not defined.
        ranked_by: the selection metric.
        ranked_on: the rows used for the comparison: `validation`, or `folds` of the training rows.
        ranking: the selection metric on these rows, in three columns.
        behind: how much worse it is there than the first model, with the 95 % interval of the
            paired differences, in three columns; empty for the first. If the interval includes 0,
            the difference is not significant.
        over: what the interval of `ranking` is over: rows, seeds or folds.
        runs: the number of runs behind the metrics.
        parameters: the number of weights.
        bytes: the size of the weights on disk.
        epochs: the epochs, or rounds of trees, of its training.
    """

    rank: int
    model: str
    kind: str
    metrics: dict[str, Interval | None]
    ranked_by: str
    ranked_on: str
    ranking: Interval | None
    behind: Interval | None
    over: str
    runs: int
    parameters: int
    bytes: int
    epochs: int

    def cells(self) -> dict[str, object]:
        """Returns the cells of its row by column."""
        row: dict[str, object] = {"rank": self.rank, "model": self.model, "kind": self.kind}
        for name, metric in self.metrics.items():
            row |= _columns(name, metric)
        row |= {"ranked_by": self.ranked_by, "ranked_on": self.ranked_on}
        row |= _columns(RANKING, self.ranking) | _columns(BEHIND, self.behind)
        row |= {"over": self.over, "runs": self.runs}
        return row | {key: getattr(self, key) for key in SIZES}


def _columns(name: str, figure: Interval | None) -> dict[str, object]:
    values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    return {name + end: value for end, value in zip(ENDS, values, strict=True)}


@dataclass(frozen=True)
class Leaderboard:
    """All models, the best first.

    Attributes:
        entries: one row per model.
    """

    entries: list[Entry]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file; raises MillraceError if it is missing or not a leaderboard."""
        of_ranking = ["ranked_by", "ranked_on", RANKING, BEHIND]
        rows = tables.read(path, ["rank", "model", "kind", *of_ranking, "over", "runs", *SIZES])
        figures = [key.removesuffix("_low") for key in (rows[0] if rows else {}) if "_low" in key]
        names = [name for name in figures if name not in (RANKING, BEHIND)]

        def whole(row: dict[str, str], column: str) -> int:
            return int(tables.number(path, row, column))

        def metric(row: dict[str, str], name: str) -> Interval | None:
            if not row[name]:
                return None
            ends = [name + end for end in ENDS[1:]]
            low, high = (tables.number(path, row, x) if row[x] else None for x in ends)
            return Interval(tables.number(path, row, name), low, high)

        return cls(
            [
                Entry(
                    rank=whole(row, "rank"),
                    model=row["model"],
                    kind=row["kind"],
                    metrics={name: metric(row, name) for name in names},
                    ranked_by=row["ranked_by"],
                    ranked_on=row["ranked_on"],
                    ranking=metric(row, RANKING),
                    behind=metric(row, BEHIND),
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
        """Writes the file atomically."""
        rows = [entry.cells() for entry in self.entries]
        tables.write(path, list(rows[0]), rows)
