"""The sections of the report on the task and the data."""

from dataclasses import dataclass, replace

from millrace.artifacts.account import Account, ReadFile
from millrace.artifacts.records import Value
from millrace.artifacts.signature import Input, Signature
from millrace.artifacts.statistics import (
    ColumnStatistics,
    NumberStatistics,
    Statistics,
    TextStatistics,
)
from millrace.config.data import SplitFiles
from millrace.config.job import JobConfig
from millrace.files import read_json
from millrace.report.privacy import Privacy
from millrace.results import Results
from millrace.statistics.anomalies import DATES, distance

# The most values in a chart that is still readable.
SHOWN_VALUES = 20

ALONE = {"binary": "AUC", "multiclass": "accuracy", "regression": "R²"}


@dataclass(frozen=True)
class ClassShare:
    """A class of the label, with its share of the rows of each split."""

    value: Value
    shares: dict[str, float]


@dataclass(frozen=True)
class Question:
    """The task of the job.

    Attributes:
        label: the label's column.
        task: binary, multiclass or regression.
        classes: the classes of the label; empty for a regression.
        split: a sentence on how the rows were split.
        inputs: the inputs of the exported models.
        left_out: raw columns that no feature reads, with the reasons.
        alone: the name of the measure of how well a column alone predicts the label.
        rows: the number of examples in each split.
    """

    label: str
    task: str
    classes: list[ClassShare]
    split: str
    inputs: list[Input]
    left_out: dict[str, str]
    alone: str
    rows: dict[str, int]


@dataclass(frozen=True)
class Flow:
    """The outcome of some of the raw rows, and whether models see them."""

    to: str
    rows: int
    kept: bool


@dataclass(frozen=True)
class Flows:
    """The outcomes of all raw rows; `closes` says whether the counts add up."""

    rows_read: int
    flows: list[Flow]
    closes: bool
    files: list[ReadFile]
    reasons: dict[str, int]


@dataclass(frozen=True)
class Drift:
    """The distance between test and train, and its measure."""

    value: float
    measure: str


@dataclass(frozen=True)
class ShownColumn:
    """A raw column in one split: its figures, and the shares of the rows by value or bin.

    Figures that must not be shown are None.
    """

    rows: int
    missing: float
    distinct: int
    min: int | float | bool | None = None
    max: int | float | bool | None = None
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    values: list[tuple[str, float]] | None = None
    edges: list[float] | None = None
    shares: list[float] | None = None


@dataclass(frozen=True)
class Column:
    """A raw column with its distributions by split.

    Attributes:
        alone: how well it predicts the label by itself.
        drift: the distance between test and train; None for dates.
        missing: the share of the training rows without a value.
        spark: the heights of a small bar chart, relative to the highest.
        suppressed: why no value is shown; None if some are.
    """

    name: str
    type: str
    distinct: int
    is_label: bool
    is_number: bool
    alone: float | None
    drift: Drift | None
    missing: float
    spark: list[float]
    suppressed: str | None
    splits: dict[str, ShownColumn]


def question(config: JobConfig, statistics: Statistics, results: Results) -> Question:
    """Returns the task of the job."""
    label, learned = statistics.label, results.preprocessing
    return Question(
        label=label.name,
        task=label.task,
        classes=_classes(statistics),
        split=split_in_words(config),
        inputs=Signature.load(results.signature).inputs,
        left_out=read_json(learned)["left_out"] if learned.exists() else {},
        alone=ALONE[label.task],
        rows={split: part.rows for split, part in statistics.splits.items()},
    )


def _classes(statistics: Statistics) -> list[ClassShare]:
    counts = {
        split: dict(part.columns[statistics.label.name].values)
        for split, part in statistics.splits.items()
    }
    return [
        ClassShare(
            value,
            {
                split: counts[split].get(value, 0) / part.rows
                for split, part in statistics.splits.items()
            },
        )
        for value in statistics.label.classes or []
    ]


def split_in_words(config: JobConfig) -> str:
    """Returns a sentence on how the rows were split."""
    if isinstance(config.data.files, SplitFiles):
        return "The files name the splits."
    split = config.data.split
    how = f"validation: {split.validation}, test: {split.test}"
    if split.folds is not None:
        how = f"validation: fold {split.fold} of {split.folds}, test: {split.test}"
    match split.by:
        case "time":
            gap = f", gap: {split.gap}" if split.gap else ""
            order = f"in the order of {split.column}"
            return f"By time, {order}: the test rows are the latest ({how}{gap})."
        case "group":
            return f"By {split.column}: rows with equal values are never in two splits ({how})."
        case "stratum":
            column = split.column or config.data.label
            return f"Each row at random, with equal shares of each {column} ({how})."
        case _ if split.copies == "together":
            return f"By a hash of the features: rows with equal ones stay together ({how})."
        case _:
            return f"Each row at random, with equal shares of each class ({how})."


def account(ingest: Account) -> Flows:
    """Returns the outcomes of the raw rows, and whether the counts add up."""
    flows = [
        *(Flow(split, rows, kept=True) for split, rows in ingest.written.items()),
        Flow("unlabelled", ingest.unlabelled, kept=False),
        Flow("rejected", ingest.rejected, kept=False),
        Flow("duplicates dropped", ingest.duplicates_dropped, kept=False),
        Flow("in a gap", ingest.in_gap, kept=False),
    ]
    return Flows(
        rows_read=ingest.rows_read,
        flows=flows,
        closes=sum(flow.rows for flow in flows) == ingest.rows_read,
        files=ingest.files,
        reasons=ingest.reasons,
    )


def columns(statistics: Statistics, privacy: Privacy) -> list[Column]:
    """Returns each raw column with its figures, its distributions by split and its drift."""
    alone = statistics.label.alone or {}
    described = []
    for name, train in statistics.train.columns.items():
        parts = {split: part.columns[name] for split, part in statistics.splits.items()}
        values = _values(name, list(parts.values()), privacy)
        shown = {split: _shown(name, column, values, privacy) for split, column in parts.items()}
        described.append(
            Column(
                name=name,
                type=train.type,
                distinct=train.distinct,
                is_label=name == statistics.label.name,
                is_number=isinstance(train, NumberStatistics),
                alone=alone.get(name),
                drift=_drift(train, parts["test"]),
                missing=train.missing / train.rows,
                spark=_spark(shown["train"]),
                suppressed=_suppressed(name, shown["train"], privacy),
                splits=shown,
            )
        )
    return described


def _drift(train: ColumnStatistics, test: ColumnStatistics) -> Drift | None:
    if train.type in DATES:
        return None
    found = distance(train, test)
    return Drift(found.value, found.measure)


def _suppressed(name: str, train: ShownColumn, privacy: Privacy) -> str | None:
    if train.values or train.shares:
        return None
    if name in privacy.left_out:
        return "No feature reads this column, so its values are not shown."
    return f"Not shown: no value is in {privacy.min_count:,} training rows."


def _values(name: str, columns: list[ColumnStatistics], privacy: Privacy) -> list[Value] | None:
    """Returns the values that a chart shows separately; None for a number with too many.

    For a string these are the most frequent ones; for a number with few values all, sorted. Rare
    values are left out.
    """
    train = columns[0]
    frequent = [value for value, _ in privacy.frequent(name)]
    if isinstance(train, TextStatistics) or name in privacy.left_out:
        return frequent[:SHOWN_VALUES]
    found = {value for column in columns for value, _ in column.values}
    is_whole = all(column.distinct == len(column.values) <= SHOWN_VALUES for column in columns)
    return sorted(frequent) if is_whole and len(found) <= SHOWN_VALUES else None


def _shown(
    name: str, column: ColumnStatistics, values: list[Value] | None, privacy: Privacy
) -> ShownColumn:
    """Returns a column's figures in one split, with the shares of the rows for its chart."""
    rows = column.rows
    counted = dict(column.values)
    shown = _with_figures(
        ShownColumn(rows, column.missing / rows, column.distinct), name, column, privacy
    )
    if values is None:
        assert isinstance(column, NumberStatistics), "only numbers have too many values to show"
        if not privacy.has_figures(name, column):
            return shown
        shares = [count / rows for count in column.histogram.counts]
        return replace(shown, edges=privacy.edges(column), shares=shares)
    return replace(shown, values=[(str(value), counted.get(value, 0) / rows) for value in values])


def _with_figures(
    shown: ShownColumn, name: str, column: ColumnStatistics, privacy: Privacy
) -> ShownColumn:
    if not isinstance(column, NumberStatistics) or not privacy.has_figures(name, column):
        return shown
    return replace(
        shown,
        min=privacy.figure(name, column, column.min),
        max=privacy.figure(name, column, column.max),
        mean=column.mean,
        std=column.std,
        median=privacy.figure(name, column, column.median),
    )


def _spark(train: ShownColumn) -> list[float]:
    """Returns the heights of a small bar chart, relative to the highest."""
    shares = train.shares or [share for _, share in train.values or []]
    highest = max(shares, default=0)
    return [round(share / highest, 3) for share in shares] if highest else []
