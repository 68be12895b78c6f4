"""Monitors a model in use: compares new rows with the training examples and the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from scipy import stats

from millrace.artifacts.anomalies import Anomaly
from millrace.artifacts.metrics import Interval
from millrace.artifacts.monitoring import (
    ColumnDrift,
    MonitoredSlice,
    MonitoredWindow,
    Monitoring,
)
from millrace.artifacts.records import Value
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import (
    ColumnStatistics,
    TextStatistics,
)
from millrace.config.job import JobConfig
from millrace.evaluation import bootstrap, metrics
from millrace.results import Results
from millrace.serving import exported_models, windows
from millrace.serving.exported_models import Pool
from millrace.serving.labels import encode_labels
from millrace.serving.new_rows import Contract
from millrace.serving.reference import Reference, read_reference
from millrace.serving.windows import Window
from millrace.statistics import anomalies, drift_test
from millrace.statistics.anomalies import DATES, NEW_CATEGORIES
from millrace.statistics.statistics import describe_columns

# Half the width of a 95 % interval of a normal distribution, in standard deviations.
REACH = 1.959964

PREDICTION = "the prediction"


def monitor(job: JobConfig, results: Results, files: Sequence[str]) -> Monitoring:
    """Returns how new rows differ from the training examples, window by window.

    Args:
        job: the completed config.
        results: of the job, whose champion predicts them.
        files: paths or tables of new rows, with labels or without.

    Raises:
        MillraceError: the job has not been run to its end, or the rows cannot be read.
    """
    signature, schema = Signature.load(results.signature), Schema.load(results.schema)
    beside = [job.data.label, *job.evaluation.slices]
    beside += [x for x in (job.monitor.time, job.data.weight) if x]
    contract = Contract(job.data, schema, signature, beside)
    pool = Pool(exported_models.find(results, job.score.model), 1)
    watched = windows.collect(job, contract, files, pool)
    judge = Judge(job, contract, read_reference(results, signature))
    described = [judge.window(name, window) for name, window in watched.windows.items()]
    slices = list(judge.slices(list(watched.windows.values())))
    findings = [*judge.rejects(watched.rejected, watched.rows_read), *judge.worse_slices(slices)]
    every = [*findings, *(x for window in described for x in window.findings)]
    return Monitoring(
        alarm=any(x.severity in ("warning", "error") for x in every),
        model=signature.model,
        metric=judge.metric,
        false_alarm_rate=job.monitor.false_alarm_rate,
        rows_read=watched.rows_read,
        scored=watched.scored,
        rejected=watched.rejected,
        promised=judge.reference.promised.metrics,
        windows=described,
        slices=slices,
        findings=findings,
    )


class Labelled(NamedTuple):
    """The labelled rows of some windows.

    Attributes:
        labels: [n], as in `metrics`.
        predictions: [n] or [n, classes].
        weights: [n]; None when all are 1.
        slices: their values in the slicing columns that all windows have.
    """

    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray | None
    slices: dict[str, list[Value | None]]

    @classmethod
    def of(cls, every: Sequence[Window], signature: Signature) -> Self | None:
        """Returns the labelled rows; None if there are none."""
        parts = [part for window in every for part in window.labelled]
        if not parts:
            return None
        names = set.intersection(*({*part.slices} for part in parts))
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            encode_labels(signature, [x for part in parts for x in part.labels]),
            np.concatenate([part.predictions for part in parts]),
            np.concatenate(weights) if weights else None,
            {name: [x for part in parts for x in part.slices[name]] for name in sorted(names)},
        )


class Judge:
    """Compares windows with the reference."""

    def __init__(self, job: JobConfig, contract: Contract, reference: Reference) -> None:
        self.reference = reference
        self._job, self._contract = job, contract
        self._severities = job.data.anomalies.severities
        self.metric = metrics.selection_metric(job.selection.metric, contract.signature.task)
        # Bonferroni correction for all tests of a window: for each column the
        # distribution, missing and unseen values; for all rows the prediction and the metric.
        types = [column.type for column in contract.inputs]
        dates = sum(type_ in DATES for type_ in types)
        tests = 2 * len(types) - dates + types.count("string") + 2
        self._p = job.monitor.false_alarm_rate / tests

    def window(self, name: str, window: Window) -> MonitoredWindow:
        """Describes a window and its differences."""
        column = windows.predicted_column(self._contract.signature)
        reference = {column.name: self.reference.prediction}
        predicted = describe_columns(name, window.predictions, [column], reference)[column.name]
        found = describe_columns(
            name, window.columns, self._contract.inputs, self.reference.columns
        )
        drifts = [self._drift(None, self.reference.prediction, predicted)]
        drifts += [
            self._drift(each, self.reference.columns[each], statistics)
            for each, statistics in found.items()
        ]
        measured = self._measure([window])
        findings = [*self._of_drift(name, drifts), *self._of_cells(name, found)]
        findings += self._of_metric(name, measured.get(self.metric))
        return MonitoredWindow(
            name=name,
            rows=window.columns.rows,
            labelled=sum(len(part.labels) for part in window.labelled),
            columns=drifts,
            metrics=measured,
            findings=anomalies.graded(findings, self._severities),
        )

    def _drift(
        self, column: str | None, train: ColumnStatistics, now: ColumnStatistics
    ) -> ColumnDrift:
        found = anomalies.distance(train, now)
        unseen = now.unseen if isinstance(now, TextStatistics) and column else None
        return ColumnDrift(
            column=column,
            measure=found.measure,
            distance=found.value,
            threshold=found.threshold,
            # Later rows have later dates; that is not drift.
            p=None if train.type in DATES else drift_test.p_value(train, now),
            missing=now.missing / now.rows,
            unseen=None if unseen is None else unseen / now.rows,
        )

    def _of_drift(self, window: str, drifts: Sequence[ColumnDrift]) -> Iterator[Anomaly]:
        for found in drifts:
            if found.p is None or found.p >= self._p or found.distance <= found.threshold:
                continue
            name = PREDICTION if found.column is None else repr(found.column)
            message = (
                f"the distribution of {name} differs from training: {found.measure} "
                f"{found.distance:.3f}, threshold {found.threshold}"
            )
            value = round(found.distance, 6)
            yield Anomaly("warning", "drift", found.column or "", window, message, value)

    def _of_cells(self, window: str, found: dict[str, ColumnStatistics]) -> Iterator[Anomaly]:
        for name, now in found.items():
            train, test = self.reference.columns[name], self.reference.test[name]
            before = (train.missing, train.rows)
            if self._is_more(before, (now.missing, now.rows)):
                message = (
                    f"{name!r} is missing in {now.missing / now.rows:.1%} of the rows, in training "
                    f"in {train.missing / train.rows:.1%}"
                )
                yield Anomaly("warning", "missing", name, window, message, now.missing)
            if not (isinstance(now, TextStatistics) and isinstance(test, TextStatistics)):
                continue
            if now.type in DATES:
                continue
            unseen = now.unseen or 0
            if self._is_more((test.unseen or 0, test.rows), (unseen, now.rows)):
                message = (
                    f"{unseen:,} of {now.rows:,} rows have a value of {name!r} that is not in train"
                )
                yield Anomaly("warning", "new_categories", name, window, message, unseen)

    def _is_more(self, before: tuple[int, int], now: tuple[int, int]) -> bool:
        """Returns whether a share has grown significantly, and by more than NEW_CATEGORIES."""
        grown = now[0] / now[1] - before[0] / before[1] > NEW_CATEGORIES
        return grown and drift_test.more_often(before, now) < self._p

    def _measure(self, labelled: Sequence[Window]) -> dict[str, Interval | None]:
        """Returns the metrics of labelled rows with their intervals; none without labels."""
        rows = Labelled.of(labelled, self._contract.signature)
        return {} if rows is None else self._metrics(rows, np.arange(len(rows.labels)))

    def _metrics(self, all_rows: Labelled, rows: np.ndarray) -> dict[str, Interval | None]:
        signature = self._contract.signature
        labels, predictions = all_rows.labels[rows], all_rows.predictions[rows]
        weights = None if all_rows.weights is None else all_rows.weights[rows]
        threshold = signature.threshold or 0.5
        samples, seed = self._job.evaluation.bootstrap, self._job.seed
        return bootstrap.measured(
            signature.task, labels, predictions, threshold, samples, seed, weights
        )

    def _of_metric(self, window: str, found: Interval | None) -> Iterator[Anomaly]:
        promised = self.reference.promised.metrics[self.metric]
        if self._is_worse(promised, found, self._p):
            assert promised and found, "both are measured"
            message = (
                f"{self.metric} {found.value:.4f}, on the test {promised.value:.4f}: worse than "
                "promised"
            )
            yield Anomaly("warning", "metric", "", window, message, round(found.value, 6))

    def _is_worse(self, promised: Interval | None, found: Interval | None, least: float) -> bool:
        """Returns whether a metric is significantly worse than on the test rows (z-test)."""
        errors = [_error(x) for x in (promised, found)]
        if promised is None or found is None or None in errors:
            return False
        spread = math.hypot(*(x for x in errors if x is not None))
        by = metrics.improvement(self.metric, found.value, promised.value)
        return by < 0 and (spread == 0 or float(stats.norm.cdf(by / spread)) < least)

    def slices(self, every: Sequence[Window]) -> Iterator[MonitoredSlice]:
        """Yields the labelled rows of all windows by the slices that the report has."""
        rows = Labelled.of(every, self._contract.signature)
        if rows is None:
            return
        for promised in self.reference.slices.slices or []:
            if promised.column not in rows.slices:
                continue
            values = rows.slices[promised.column]
            here = np.flatnonzero([value == promised.value for value in values])
            if len(here):
                yield MonitoredSlice(
                    promised.column,
                    promised.value,
                    len(here),
                    promised.metrics.get(self.metric),
                    self._metrics(rows, here)[self.metric],
                )

    def worse_slices(self, slices: Sequence[MonitoredSlice]) -> Iterator[Anomaly]:
        """Yields findings for slices whose metric is worse than in the report."""
        least = self._job.monitor.false_alarm_rate / max(1, len(slices))
        for each in slices:
            if self._is_worse(each.promised, each.found, least):
                assert each.promised and each.found, "both are measured"
                message = (
                    f"{self.metric} {each.found.value:.4f} on a slice by {each.column!r} of "
                    f"{each.rows:,} rows, on the test {each.promised.value:.4f}"
                )
                yield Anomaly("warning", "metric", each.column, "", message, each.found.value)

    def rejects(self, rejected: int, rows: int) -> Iterator[Anomaly]:
        """Yields a finding if more rows are rejected than in training."""
        account = self.reference.account
        if rows and self._is_more((account.rejected, account.rows_read), (rejected, rows)):
            message = (
                f"{rejected:,} of {rows:,} rows were rejected, in training {account.rejected:,} of "
                f"{account.rows_read:,}"
            )
            yield Anomaly("warning", "rejects", "", "", message, rejected)


def _error(found: Interval | None) -> float | None:
    """Returns the standard error of a 95 % interval."""
    if found is None or found.low is None or found.high is None:
        return None
    return (found.high - found.low) / (2 * REACH)


def summary(found: Monitoring, path: Path) -> str:
    """Returns the text for a person: the findings, and the outcome."""
    lines = [f"{x.severity}: {x.message}" for x in found.findings]
    for window in found.windows:
        lines += [f"{x.severity}: {window.name}: {x.message}" for x in window.findings]
    outcome = "ALARM" if found.alarm else "no alarm"
    counts = f"{found.rows_read:,} rows = {found.scored:,} scored, {found.rejected:,} rejected"
    return "\n".join([*lines, f"{counts}, {len(found.windows)} windows: {outcome} ({path})"])
