"""anomalies.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Anomaly(Record):
    """A finding about the data that a person should check.

    Attributes:
        severity: error, warning or info; `data.anomalies` sets it by kind.
        kind: its key in `data.anomalies`.
        column: the column; empty for findings about whole rows.
        split: the split in which it was found.
        message: the text for a person.
        value: the measured value; null if there is none.
        cells: texts of cells in the message, which may be rare.
    """

    severity: str
    kind: str
    column: str
    split: str
    message: str
    value: Value | None
    cells: list[str] | None = None


@dataclass(frozen=True)
class Anomalies(Artifact):
    """All findings about the data: those about whole rows first, then by column.

    Attributes:
        anomalies: the findings, without those that the config ignores.
    """

    anomalies: list[Anomaly]
