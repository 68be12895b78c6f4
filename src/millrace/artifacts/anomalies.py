"""anomalies.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Anomaly(Record):
    """Something odd about the data.

    Attributes:
        severity: error, warning or info, as `data.anomalies` says of its kind.
        kind: its name in `data.anomalies`.
        column: the column; empty where it is about whole rows.
        split: the split in which it was found.
        message: what a person reads.
        value: the figure behind it, null where there is none.
        cells: the parts of the message that are text of cells, which may be rare.
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
    """What is odd about the data: what concerns whole rows first, then by column.

    Attributes:
        anomalies: all of them, but for those that the config ignores.
    """

    anomalies: list[Anomaly]
