"""95 % intervals of metrics, from the bootstrap over rows.

measure = metrics.measure("binary", labels, probabilities, threshold=0.5)
bootstrap.intervals(measure, len(labels), samples=200, seed=0)["auc"].low
"""

import math
from collections.abc import Mapping

import numpy as np

from millrace.artifacts.metrics import Interval
from millrace.evaluation import metrics
from millrace.evaluation.metrics import Measure

# With fewer rows the bootstrap is misleading: if two rows are ranked correctly, so is every sample,
# and the interval would have zero width.
LEAST_ROWS = 30
LEAST_ROWS_OF_A_CLASS = 5


def too_small(task: str, labels: np.ndarray) -> str | None:
    """Returns why there are too few rows for intervals, or None if they suffice.

    Args:
        task: binary, multiclass or regression.
        labels: [n], as encoded.
    """
    if len(labels) < LEAST_ROWS:
        return f"{len(labels)} rows, fewer than {LEAST_ROWS}"
    rarest = int(np.bincount(labels.astype(np.int64), minlength=2).min()) if task == "binary" else 0
    if task == "binary" and rarest < LEAST_ROWS_OF_A_CLASS:
        return f"{rarest} rows of one class, fewer than {LEAST_ROWS_OF_A_CLASS}"
    return None


def without_intervals(values: Mapping[str, float]) -> dict[str, Interval | None]:
    """Returns metrics in the form of `intervals`, for rows that are too few for them."""
    return {
        name: None if math.isnan(value) else Interval(value, low=None, high=None)
        for name, value in values.items()
    }


def measured(
    task: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    threshold: float,
    samples: int,
    seed: int,
    weights: np.ndarray | None = None,
) -> dict[str, Interval | None]:
    """Returns the metrics of rows, with intervals if there are enough rows for them.

    Arguments as for `metrics.measure` and `intervals`.
    """
    measure = metrics.measure(task, labels, predictions, threshold)
    if too_small(task, labels):
        return without_intervals(measure(metrics.or_ones(weights, len(labels))))
    return intervals(measure, len(labels), samples, seed, weights)


def intervals(
    measure: Measure, rows: int, samples: int, seed: int, weights: np.ndarray | None = None
) -> dict[str, Interval | None]:
    """Returns each metric's value with its 95 % interval: the percentile bootstrap over rows.

    Args:
        measure: from row weights to metrics.
        rows: the number of rows.
        samples: the number of bootstrap samples.
        seed: the seed of the samples, which are the same for every model of a job.
        weights: the weight of each row, [rows]; None if all are equal.

    Returns:
        The intervals by metric; None for a metric that is not defined.
    """
    drawn = resample(measure, rows, samples, seed, weights)
    values = measure(metrics.or_ones(weights, rows))
    return {name: interval(value, drawn[name]) for name, value in values.items()}


def resample(
    measure: Measure, rows: int, samples: int, seed: int, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns each metric in each bootstrap sample, [samples]; NaN where it is not defined there.

    Arguments as for `intervals`. Two models that are measured on the same rows have the same
    samples, so differences of the results are those of a paired bootstrap.
    """
    rng = np.random.default_rng(seed)
    own = metrics.or_ones(weights, rows)
    drawn = []
    for _ in range(samples):
        times = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        drawn.append(measure(own * times))
    return {name: np.array([sample[name] for sample in drawn]) for name in drawn[0]}


def interval(value: float, drawn: np.ndarray) -> Interval | None:
    """Returns a figure with the 95 % interval of its bootstrap samples.

    Args:
        value: the figure on all rows.
        drawn: the figure in each sample, [samples]; NaN where it is not defined.

    Returns:
        The interval; None if the figure is not defined on all rows, or in no sample.
    """
    # Ignore samples in which the metric is not defined, such as those without positives.
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(drawn):
        return None
    # Weibull's plotting positions, because others give too narrow an interval with few samples.
    low, high = np.percentile(drawn, [2.5, 97.5], method="weibull")
    return Interval(value, float(low), float(high))
