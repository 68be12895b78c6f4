"""metrics.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record
from millrace.artifacts.training import Training


@dataclass(frozen=True)
class Interval(Record):
    """A metric with its 95 % interval.

    Attributes:
        value: the metric.
        low: the lower end; null where the rows are too few for an interval.
        high: the upper end; null likewise.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Metrics(Artifact):
    """How good a run is.

    Attributes:
        model: the run.
        kind: its kind of model.
        task: binary, multiclass or regression.
        split: the split that it was evaluated on.
        fold: the fold of the training examples that it was evaluated on; null for the test.
        rows: how many examples that was.
        too_small: why they are too few for intervals; null where they suffice.
        threshold: the probability from which on a row counts as positive; null of other tasks.
        metrics: each metric, null where it is not defined.
        baseline: each metric of a model that always predicts the same; null likewise.
        training: what is in training.json.
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
    training: Training
