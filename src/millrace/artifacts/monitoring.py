"""monitor.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.anomalies import Anomaly
from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class ColumnDrift(Record):
    """A column, or the prediction, in one window beside its reference.

    Attributes:
        column: the column; null for the prediction.
        measure: jensen_shannon of numbers, l_infinity of other values.
        distance: the distance between the two distributions.
        threshold: the distance above which drift is an alarm.
        p: how often chance alone gives at least this difference (chi-squared test); null if there
            are too few rows or values to say.
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
        name: the start of its time, or the numbers of its rows.
        rows: how many were scored.
        labelled: how many of them have a label.
        columns: the prediction first, then the columns that the model takes.
        metrics: each metric of the labelled rows; null if not defined, empty without labels.
        findings: what differs from the reference, by the severities of `data.anomalies`.
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
        promised: the selection metric of the slice on the test; null if it was not reported.
        found: the same on these rows; null if not defined.
    """

    column: str
    value: Value | None
    rows: int
    promised: Interval | None
    found: Interval | None


@dataclass(frozen=True)
class Monitoring(Artifact):
    """New rows beside the training examples and the report's promises.

    Attributes:
        alarm: whether a finding is a warning or an error.
        model: the champion.
        metric: the selection metric, by which alarms about labelled rows are given.
        false_alarm_rate: how often a window without drift gives an alarm, at most.
        rows_read: how many rows the files have.
        scored: how many have a prediction.
        rejected: how many could not be read.
        promised: each metric on the test, as in the report.
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
