"""blessing.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class ComparedRows(Record):
    """The new model compared with the model in use, on the same rows.

    Attributes:
        column: the column of a slice; null for all rows.
        value: its value in the slice, null for missing; null for all rows.
        rows: the number of rows.
        new: the metric of the new model; null if not defined.
        in_use: that of the model in use; null if not defined.
        difference: how much better the new one is, with the interval of the paired bootstrap;
            below 0 if it is worse. Null if not defined.
        margin: how much worse it may be, in the metric's unit.
        passed: whether it is within the margin; null if there are too few rows to tell.
    """

    column: str | None
    value: Value | None
    rows: int
    new: float | None
    in_use: float | None
    difference: Interval | None
    margin: float
    passed: bool | None


@dataclass(frozen=True)
class BlessingCheck(Record):
    """One condition of a blessing.

    Attributes:
        check: parity, files, warm_up, columns, overall or slices.
        passed: whether it is met; null if there is no model in use to compare with.
        message: the text for a person.
    """

    check: str
    passed: bool | None
    message: str


@dataclass(frozen=True)
class Blessing(Artifact):
    """Whether the champion may replace the model in use, and why.

    Attributes:
        blessed: whether every check passed.
        model: the champion.
        in_use: the version that it was compared with; null if there was none.
        metric: the metric of the comparison.
        checks: the conditions.
        compared: all rows first, then the slices; empty if there was no model in use.
        files: the SHA-256 of each file that was judged, by form and path, such as
            `saved_model/saved_model.pb`. Only these files can be pushed.
    """

    blessed: bool
    model: str
    in_use: int | None
    metric: str
    checks: list[BlessingCheck]
    compared: list[ComparedRows]
    files: dict[str, str]
