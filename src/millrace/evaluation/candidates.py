"""The models to choose from, and paired differences between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from millrace.artifacts.metrics import Interval, Metrics
from millrace.evaluation import bootstrap, metrics


@dataclass(frozen=True)
class Candidate:
    """A model with the metrics of all its runs.

    Attributes:
        metrics: the model's metrics.
        seeds: the metrics with other seeds; empty for an ensemble of them.
        folds: the metrics of each fold of a cross-validation.
    """

    metrics: Metrics
    seeds: Sequence[Metrics] = ()
    folds: Sequence[Metrics] = ()

    @property
    def name(self) -> str:
        return self.metrics.model

    @property
    def parameters(self) -> int:
        return self.metrics.training.parameters

    @property
    def compared_on(self) -> str:
        """The rows used for the comparison: `folds` of the training rows, or `validation`."""
        return "folds" if self.folds else "validation"

    @property
    def compared(self) -> Sequence[Metrics]:
        """The runs whose mean is compared."""
        return self.folds or [self.metrics, *self.seeds]

    @property
    def rows(self) -> int:
        """The number of rows used for the comparison."""
        if self.folds:
            return sum(run.comparison.rows for run in self.folds)
        return self.metrics.comparison.rows

    @property
    def over(self) -> str:
        """What the interval of `measured` is over: folds, seeds or rows."""
        return "folds" if self.folds else "seeds" if self.seeds else "rows"

    def measured(self, metric: str) -> Interval | None:
        """Returns a metric on the rows used for the comparison; None if it is not defined.

        For folds and seeds it is the mean with a 95 % interval by Student's t; else the metric on
        the validation rows with its bootstrap interval.
        """
        return _mean([run.comparison.metrics.get(metric) for run in self.compared])

    def tested(self, metric: str) -> Interval | None:
        """Returns a metric on the test, averaged over seeds; None if it is not defined."""
        return _mean([run.metrics.get(metric) for run in (self.metrics, *self.seeds)])

    def resampled(self) -> np.ndarray | None:
        """Returns the selection metric in each bootstrap sample of the rows, [samples].

        For several seeds or folds it is the mean, with each fold's rows drawn from that fold. None
        if the rows are too few.
        """
        drawn = [run.comparison.resampled for run in self.compared]
        return np.mean(np.array(drawn, np.float64), axis=0) if all(drawn) else None


def _mean(found: Sequence[Interval | None]) -> Interval | None:
    """Returns the mean over runs with its interval by Student's t; a single run keeps its own."""
    values = np.array([x.value for x in found if x])
    if len(values) < len(found):
        return None
    if len(values) == 1:
        return found[0]
    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def value(candidate: Candidate, metric: str) -> float:
    """Returns the value by which a candidate is compared; the metric must be defined."""
    measured = candidate.measured(metric)
    assert measured is not None, "rank refuses a metric that is not defined"
    return measured.value


def lead(metric: str, one: Candidate, other: Candidate) -> Interval:
    """Returns by how much one model is better than another on the same rows; below 0 if worse.

    The 95 % interval is from a paired bootstrap: both are measured on the same samples of rows. Its
    ends are None if the rows are too few.
    """
    by = metrics.improvement(metric, value(one, metric), value(other, metric))
    a, b = one.resampled(), other.resampled()
    if a is None or b is None:
        return Interval(by, None, None)
    return bootstrap.interval(by, metrics.improvement(metric, a, b)) or Interval(by, None, None)
