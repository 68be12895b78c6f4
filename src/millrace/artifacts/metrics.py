"""metrics.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record
from millrace.artifacts.training import Training


@dataclass(frozen=True)
class Interval(Record):
    """A metric with its 95 % interval.

    Attributes:
        value: the metric.
        low: the lower end; null if the rows are too few for an interval.
        high: the upper end; null likewise.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison(Record):
    """The metrics of a run on the rows used for comparing models.

    Attributes:
        split: validation; for a run of a fold, train, which contains the fold.
        rows: the number of examples.
        too_small: why they are too few for intervals; null if they are enough.
        metrics: each metric; null if not defined.
        baseline: each metric of a constant prediction; null likewise.
        resampled: the selection metric in each bootstrap sample of these rows, null if it is not
            defined there; empty if the rows are too few. The samples are the same for every model,
            so differences between two models are paired.
    """

    split: str
    rows: int
    too_small: str | None
    metrics: dict[str, Interval | None]
    baseline: dict[str, float | None]
    resampled: list[float | None]


@dataclass(frozen=True)
class Metrics(Artifact):
    """The metrics of a run.

    Attributes:
        model: the run.
        kind: its kind of model.
        task: binary, multiclass or regression.
        split: the split that it was evaluated on.
        fold: the fold of the training examples that it was evaluated on; null for the test.
        rows: the number of examples.
        too_small: why they are too few for intervals; null if they are enough.
        threshold: the lowest probability that counts as positive; null for other tasks.
        metrics: each metric; null if not defined.
        baseline: each metric of a constant prediction; null likewise.
        comparison: the same on the rows used for comparing models, which are not test rows.
        training: the content of training.json.
    """

    model: str
    kind: str
    task: str
    split: str
    fold: int | None
    rows: int
    too_small: str | None
    threshold: float | None
    metrics: dict[str, Interval | None]
    baseline: dict[str, float | None]
    comparison: Comparison
    training: Training
