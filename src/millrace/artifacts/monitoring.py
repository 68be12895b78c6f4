"""monitor.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.anomalies import Anomaly
from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class ColumnDrift(Record):
    """A column, or the prediction, in one window, compared with its reference.

    Attributes:
        column: the column; null for the prediction.
        measure: Jensen-Shannon divergence for numbers, L-infinity distance for other values.
        distance: the distance between the two distributions.
        threshold: the distance above which drift is an alarm.
        p: the probability of a difference this large by chance (chi-squared test); null if there
            are too few rows or values to tell.
        missing: the share of rows without a value.
        unseen: the share of rows whose value no training example has; null for numbers.
    """

    column: str | None
    measure: str
    distance: float
    threshold: float
    p: float | None
    missing: float
    unseen: float | None


@dataclass(frozen=True)
class MonitoredWindow(Record):
    """The rows of one window.

    Attributes:
        name: the start of its period, or the numbers of its rows.
        rows: the number of scored rows.
        labelled: the number of these that have a label.
        columns: the prediction first, then the columns that the model takes.
        metrics: each metric of the labelled rows; null if not defined, empty without labels.
        findings: differences from the reference, with the severities of `data.anomalies`.
    """

    name: str
    rows: int
    labelled: int
    columns: list[ColumnDrift]
    metrics: dict[str, Interval | None]
    findings: list[Anomaly]


@dataclass(frozen=True)
class MonitoredSlice(Record):
    """The labelled rows of all windows with one value in one column of `evaluation.slices`.

    Attributes:
        column: the column.
        value: the value, null for missing.
        rows: the number of labelled rows with it.
        promised: the selection metric of the slice on the test rows; null if it was not reported.
        found: the same on these rows; null if not defined.
    """

    column: str
    value: Value | None
    rows: int
    promised: Interval | None
    found: Interval | None


@dataclass(frozen=True)
class Monitoring(Artifact):
    """New rows, compared with the training examples and the report's metrics.

    Attributes:
        alarm: whether a finding is a warning or an error.
        model: the champion.
        metric: the selection metric; alarms about labelled rows are based on it.
        false_alarm_rate: the largest share of windows without drift that give an alarm.
        rows_read: the number of rows in the files.
        scored: the number of rows with a prediction.
        rejected: the number of rows that could not be read.
        promised: each metric on the test rows, as in the report.
        windows: in the order of time.
        slices: by column of `evaluation.slices`.
        findings: those that concern all windows together.
    """

    alarm: bool
    model: str
    metric: str
    false_alarm_rate: float
    rows_read: int
    scored: int
    rejected: int
    promised: dict[str, Interval | None]
    windows: list[MonitoredWindow]
    slices: list[MonitoredSlice]
    findings: list[Anomaly]
