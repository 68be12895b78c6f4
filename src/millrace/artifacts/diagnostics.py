"""diagnostics.json"""

from dataclasses import dataclass

from millrace.artifacts.metrics import Interval
from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Roc(Record):
    """The ROC curve, from the highest threshold to the lowest.

    Attributes:
        fpr: the false positive rate at each point.
        tpr: the true positive rate.
        threshold: the lowest probability that counts as positive at each point.
    """

    fpr: list[float]
    tpr: list[float]
    threshold: list[float]


@dataclass(frozen=True)
class PrecisionRecall(Record):
    """The precision-recall curve, from the highest threshold to the lowest.

    Attributes:
        recall: the recall at each point.
        precision: the precision.
        threshold: the lowest probability that counts as positive at each point.
    """

    recall: list[float]
    precision: list[float]
    threshold: list[float]


@dataclass(frozen=True)
class Calibration(Record):
    """Predicted and observed shares, in bins with about the same number of rows.

    Attributes:
        predicted: the mean prediction of each bin.
        observed: the share of positive rows in each bin.
        low: the lower end of the share's 95 % interval (Wilson's).
        high: the upper end.
        rows: the number of rows.
    """

    predicted: list[float]
    observed: list[float]
    low: list[float]
    high: list[float]
    rows: list[int]


@dataclass(frozen=True)
class Confusion(Record):
    """Rows by true and predicted class.

    Attributes:
        labels: the classes.
        counts: a row for each true class, a column for each predicted one.
    """

    labels: list[Value]
    counts: list[list[int]]


@dataclass(frozen=True)
class Residuals(Record):
    """The histogram of prediction − label.

    Attributes:
        edges: the edges of the bins.
        counts: the rows in each.
    """

    edges: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Predicted(Record):
    """Rows of a regression, evenly spread over the labels.

    Attributes:
        label: their labels.
        prediction: their predictions.
    """

    label: list[float]
    prediction: list[float]


@dataclass(frozen=True)
class Importance(Record):
    """Permutation importance: by how much the metric worsens when a column is shuffled.

    Attributes:
        column: the raw column.
        drop: the mean over the permutations.
        low: the lowest.
        high: the highest.
    """

    column: str
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class Slice(Record):
    """The rows with one value in one column.

    Attributes:
        column: the column, one of `evaluation.slices`.
        value: the value, null for missing.
        rows: the number of rows with it.
        metrics: the metrics on these rows; null if not defined.
    """

    column: str
    value: Value | None
    rows: int
    metrics: dict[str, Interval | None]


@dataclass(frozen=True)
class Diagnostics(Artifact):
    """Diagnostics beyond the metrics; which ones depends on the task.

    Attributes:
        roc: binary tasks.
        pr: binary tasks.
        calibration: binary tasks.
        confusion: binary and multiclass tasks.
        residuals: regressions.
        predicted: regressions.
        importance: the raw columns, the most important first; empty if not defined.
        slices: by column, the most frequent value first.
    """

    roc: Roc | None = None
    pr: PrecisionRecall | None = None
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    predicted: Predicted | None = None
    importance: list[Importance] | None = None
    slices: list[Slice] | None = None
