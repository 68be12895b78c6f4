"""Anomalies of the examples: uninformative columns, drift, leaks, rows in two splits."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from millrace.artifacts.account import Taken
from millrace.artifacts.anomalies import Anomaly
from millrace.artifacts.records import Value
from millrace.artifacts.statistics import (
    ColumnStatistics,
    Histogram,
    LabelStatistics,
    NumberStatistics,
    SplitStatistics,
    Statistics,
    TextStatistics,
)

# Far above chance. Google's model monitoring alerts at .01 and .02, but for data that arrives every
# day; here a column is checked once.
L_INFINITY = 0.1
JENSEN_SHANNON = 0.1

# With fewer rows chance alone can exceed the thresholds: 32 bins of 200 rows differ by about .03.
LEAST_ROWS = 200

# From 1 % on, values not seen in training start to cost accuracy.
NEW_CATEGORIES = 0.01

# From 1 % on, test rows that were seen in training make metrics optimistic.
REPEATED = 0.01

# A real feature hardly ever reaches this alone; a copy of the label does.
LEAK = 0.99

# A column with more distinct values is an id or free text, where similar values are normal.
MOST_COMPARED = 10_000
SHOWN_ALIKE = 3

# Separators between letters, and final punctuation. Others matter: A- and A+, 1.5 and 15.
_PUNCTUATION = re.compile(r"(?<=[^\W\d])[\s_.,'’-]+(?=[^\W\d])|[.,]$")

# Later rows naturally have later dates, which is not drift.
DATES = ("date", "timestamp")

_ALONE = {"binary": "an AUC", "multiclass": "an accuracy", "regression": "a squared correlation"}


def find(statistics: Statistics, previous: Statistics | None = None) -> list[Anomaly]:
    """Returns the anomalies: those of whole rows first, then in the order of the columns.

    Args:
        statistics: the statistics of the examples.
        previous: the statistics of an earlier job, for drift.
    """
    splits = statistics.splits
    found = [*_repeated_rows(splits), *_since(previous, statistics.train)]
    for name, train in statistics.train.columns.items():
        found += _uninformative(name, train)
        found += _spelled_alike(name, train)
        found += _leak(name, statistics.label, statistics.train)
        for split, others in splits.items():
            if name != statistics.label.name:
                found += _rounded(name, split, others.columns[name])
            if split != "train":
                found += _drift(name, train, split, others.columns[name])
                found += _new_categories(name, split, others.columns[name])
    return found


def of_cells(taken: list[Taken]) -> list[Anomaly]:
    """Returns ingest's interpretations of cells as anomalies, warnings first."""
    found = [
        Anomaly(note.severity, note.kind, note.column, "", note.message, None, note.cells)
        for note in taken
    ]
    return sorted(found, key=lambda anomaly: anomaly.severity != "warning")


def graded(found: list[Anomaly], severities: Mapping[str, str]) -> list[Anomaly]:
    """Returns the anomalies with the severities in `data.anomalies`.

    Ignored kinds are left out.
    """
    return [
        replace(anomaly, severity=severities.get(anomaly.kind, anomaly.severity))
        for anomaly in found
        if severities.get(anomaly.kind) != "ignore"
    ]


class Distance(NamedTuple):
    """The distance of two distributions.

    Attributes:
        measure: which distance it is.
        value: the distance, from 0 to 1.
        threshold: what it may be.
    """

    measure: str
    value: float
    threshold: float

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.3f}, threshold {self.threshold}"


def distance(train: ColumnStatistics, other: ColumnStatistics) -> Distance:
    """Returns the distance of a column's distributions, by the measure for its values."""
    if isinstance(train, NumberStatistics) and isinstance(other, NumberStatistics):
        value = jensen_shannon(train, other)
        return Distance("Jensen-Shannon divergence", value, JENSEN_SHANNON)
    return Distance("L-infinity distance", l_infinity(train, other), L_INFINITY)


def l_infinity(train: ColumnStatistics, other: ColumnStatistics) -> float:
    """Returns the largest difference of a value's share of the rows; missing counts as a value.

    Exact except for values that the other split's statistics do not list, each with a share below
    1/1000. Source: the L-infinity distance of TensorFlow Data Validation.
    """
    p, q = _counts(train), _counts(other)
    return float(max(abs(p.get(v, 0) / train.rows - q.get(v, 0) / other.rows) for v in p | q))


def _counts(column: ColumnStatistics) -> dict[Value | None, int]:
    """Returns the rows by value, None for missing."""
    return {**dict(column.values), None: column.missing}


def jensen_shannon(train: NumberStatistics, other: NumberStatistics) -> float:
    """Returns the Jensen-Shannon divergence of two histograms, in bits, from 0 to 1.

    Missing values count as one more bin. Source: Lin, Divergence Measures Based on the Shannon
    Entropy, 1991; used likewise by TensorFlow Data Validation.
    """
    counts = rows_by_bin(train, other)
    p, q = counts[0] / train.rows, counts[1] / other.rows
    middle = (p + q) / 2
    return float(_entropy(middle) - (_entropy(p) + _entropy(q)) / 2)


def rows_by_bin(train: NumberStatistics, other: NumberStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows in each bin, the missing ones last: two arrays of one length."""
    counts = [[*x.histogram.counts, x.missing] for x in (train, other)]
    if len(counts[0]) != len(counts[1]):  # one has no values, and so no bins
        counts = [[x.rows - x.missing, x.missing] for x in (train, other)]
    return np.array(counts[0], np.float64), np.array(counts[1], np.float64)


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def _uninformative(name: str, train: ColumnStatistics) -> Iterator[Anomaly]:
    if train.distinct == 0:
        message = f"every value of {name!r} is missing in train; no model can use it"
        yield Anomaly("warning", "all_missing", name, "train", message, train.missing)
    elif train.distinct == 1 and train.missing == 0:
        value = train.values[0][0]
        message = f"{name!r} is {value!r} in every row of train; no model can use it"
        yield Anomaly("warning", "constant", name, "train", message, value)


def _leak(name: str, label: LabelStatistics, train: SplitStatistics) -> Iterator[Anomaly]:
    alone = (label.alone or {}).get(name)
    if alone is None or alone <= LEAK:
        return
    if label.task == "multiclass":
        _, most = train.columns[label.name].values[0]
        if most / train.rows > LEAK:
            return
    message = (
        f"{name!r} alone predicts {label.name!r} with {_ALONE[label.task]} of {alone:.4f}; "
        "if it is known only after the label, list it in data.exclude"
    )
    yield Anomaly("warning", "label_leak", name, "validation", message, alone)


def _drift(
    name: str, train: ColumnStatistics, split: str, other: ColumnStatistics
) -> Iterator[Anomaly]:
    if distance := _distance(train, other):
        message = f"the distribution of {name!r} in {split} differs from train: {distance[0]}"
        yield Anomaly("warning", "drift", name, split, message, distance[1])


def _distance(column: ColumnStatistics, other: ColumnStatistics) -> tuple[str, float] | None:
    """Returns the distance of two distributions, as text and number, or None if it is small."""
    if column.type in DATES or min(column.rows, other.rows) < LEAST_ROWS:
        return None
    found = distance(column, other)
    return (str(found), round(found.value, 6)) if found.value > found.threshold else None


def _since(previous: Statistics | None, train: SplitStatistics) -> Iterator[Anomaly]:
    """Compares the training rows with those of an earlier job."""
    if previous is None:
        return
    before, now = previous.train.columns, train.columns
    for name in [*now, *(name for name in before if name not in now)]:
        kinds = [
            columns[name].type if name in columns else "not there" for columns in (before, now)
        ]
        if kinds[0] != kinds[1]:
            message = f"{name!r} was {kinds[0]} in the previous run, and is {kinds[1]}"
            yield Anomaly("warning", "previous_drift", name, "train", message, None)
        elif distance := _distance(*_on_one_scale(before[name], now[name])):
            message = f"the distribution of {name!r} differs from the previous run: {distance[0]}"
            yield Anomaly("warning", "previous_drift", name, "train", message, distance[1])


def _on_one_scale(
    before: ColumnStatistics, now: ColumnStatistics
) -> tuple[ColumnStatistics, ColumnStatistics]:
    """Returns the columns with histograms of the same edges, if both are numbers.

    The histograms are computed from the 1,025 quantiles.
    """
    if not (isinstance(before, NumberStatistics) and isinstance(now, NumberStatistics)):
        return before, now
    edges = before.histogram.edges or now.histogram.edges or [0, 1]
    return _binned(before, edges), _binned(now, edges)


def _binned(column: NumberStatistics, edges: list[float]) -> NumberStatistics:
    inside = np.clip(column.quantiles, edges[0], edges[-1])
    share = (column.rows - column.missing) / max(1, len(inside))
    counts = np.histogram(inside, edges)[0] * share
    return replace(column, histogram=Histogram(edges, counts.tolist()))


def _repeated_rows(splits: dict[str, SplitStatistics]) -> Iterator[Anomaly]:
    for split, other in splits.items():
        repeated, rows = other.repeated or 0, other.rows
        if repeated:
            severity = "warning" if repeated / rows > REPEATED else "info"
            message = (
                f"{repeated:,} of the {rows:,} rows of {split} ({repeated / rows:.1%}) have the"
                " same features as a row of an earlier split; if those are copies of one row, set"
                " data.split.copies to together, or data.drop_duplicates"
            )
            share = round(repeated / rows, 6)
            yield Anomaly(severity, "repeated_rows", "", split, message, share)


def _new_categories(name: str, split: str, other: ColumnStatistics) -> Iterator[Anomaly]:
    unseen = (other.unseen or 0) if isinstance(other, TextStatistics) else 0
    rows = other.rows
    share = unseen / rows
    if share > 0 and other.type not in DATES:
        severity = "warning" if share > NEW_CATEGORIES else "info"
        message = (
            f"{unseen:,} of the {rows:,} rows of {split} have a value of {name!r} that is not in"
            " train"
        )
        yield Anomaly(severity, "new_categories", name, split, message, round(share, 6))


def _rounded(name: str, split: str, column: ColumnStatistics) -> Iterator[Anomaly]:
    """Warns of whole numbers that float32 cannot represent."""
    rounded = column.rounded if isinstance(column, NumberStatistics) else None
    rows = column.rows
    if rounded:
        message = (
            f"{rounded:,} of the {rows:,} rows of {split} have a whole number in {name!r} that"
            " float32 cannot hold; models get the nearest one that it can, seven digits"
        )
        is_id = column.distinct == rows - column.missing  # an id is not a feature
        severity = "info" if is_id else "warning"
        yield Anomaly(severity, "rounded", name, split, message, round(rounded / rows, 6))


def _spelled_alike(name: str, train: ColumnStatistics) -> Iterator[Anomaly]:
    """Warns of values that differ only in case, spaces or punctuation."""
    if not isinstance(train, TextStatistics) or train.type != "string":
        return
    if train.distinct > MOST_COMPARED:
        return
    alike: dict[str, list[str]] = {}
    for value, _ in train.values:
        alike.setdefault(_PUNCTUATION.sub("", value.casefold()), []).append(value)
    groups = [values for values in alike.values() if len(values) > 1]
    if groups:
        examples = [list(map(repr, values[:3])) for values in groups[:SHOWN_ALIKE]]
        shown = "; ".join(" and ".join(values) for values in examples)
        message = (
            f"{name!r} has {len(groups):,} values in several spellings, which count as different"
            f" values: {shown}"
        )
        cells = [text for values in examples for text in values]
        yield Anomaly("warning", "spelled_alike", name, "train", message, len(groups), cells)
