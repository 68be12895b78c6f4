"""Computes statistics of numbers from the counts of their values."""

from dataclasses import replace
from typing import Any

import numpy as np

from millrace.artifacts.statistics import Histogram, NumberStatistics
from millrace.errors import MillraceError

QUANTILES = np.arange(1025) / 1024
BINS = 32

# All values are listed if there are at most this many; else those with 1/1024 of the rows.
MOST_LISTED = 1024


def describe_numbers(
    where: str,
    type_: str,
    rows: int,
    values: np.ndarray,
    counts: np.ndarray,
    edges: list[float] | None = None,
) -> NumberStatistics:
    """Summarizes a number by its sorted values and their counts.

    Args:
        where: the column, for messages.
        type_: its type.
        rows: the number of rows, including those without a value.
        values: the distinct values, sorted, [distinct].
        counts: the rows by value, int64 [distinct].
        edges: the histogram's edges; None to choose them.
    """
    missing = rows - int(counts.sum())
    finite = np.isfinite(values)
    infinite = int(counts[~finite].sum())
    values, counts = values[finite], counts[finite]
    listed = (counts * MOST_LISTED >= rows) | (len(values) <= MOST_LISTED)
    without_figures = NumberStatistics(
        type=type_,
        rows=rows,
        missing=missing,
        distinct=len(values),
        infinite=infinite or None,
        min=None,
        max=None,
        mean=None,
        std=None,
        log_mean=None,
        log_std=None,
        median=None,
        quantiles=[],
        histogram=Histogram(edges or [], [0] * BINS if edges else []),
        values=by_count(values[listed], counts[listed]),
        rounded=_rounded(values, counts) if type_ == "int64" else None,
    )
    return _with_figures(without_figures, where, values, counts, edges)


def _rounded(values: np.ndarray, counts: np.ndarray) -> int:
    """Counts the rows of whole numbers that float32 cannot represent."""
    held = values.astype(np.float32).astype(np.longdouble) == values.astype(np.longdouble)
    return int(counts[~held].sum())


def _with_figures(
    statistics: NumberStatistics,
    where: str,
    values: np.ndarray,
    counts: np.ndarray,
    edges: list[float] | None,
) -> NumberStatistics:
    """Adds the figures of a column with values."""
    if not len(values):
        return statistics
    x = values.astype(np.float64)
    if max(-x[0], x[-1]) > np.finfo(np.float32).max:
        raise MillraceError(
            f"column {where}: expected numbers that float32 can hold, found {x[0]:g} to {x[-1]:g}.",
            note="add what stands for a missing value to data.missing_values, or exclude the"
            " column with data.exclude.",
        )
    # Converted once for all products.
    weights = counts.astype(np.float64)
    mean, std = _mean_and_std(x, weights)
    log_mean, log_std = _mean_and_std(np.copysign(np.log1p(np.abs(x)), x), weights)
    quantiles = _quantiles(x, counts)
    if not edges:
        edges = _edges(x[0], x[-1])
    return replace(
        statistics,
        min=values[0].item(),
        max=values[-1].item(),
        mean=mean,
        std=std,
        log_mean=log_mean,
        log_std=log_std,
        median=float(quantiles[512]),
        quantiles=quantiles.tolist(),
        histogram=Histogram(edges, _histogram(x, counts, edges)),
    )


def _mean_and_std(x: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    rows = weights.sum()
    mean = float((x * weights).sum() / rows)
    return mean, float(np.sqrt(((x - mean) ** 2 * weights).sum() / rows))


def _quantiles(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns quantiles of the rows by linear interpolation, as defined by `numpy.quantile`.

    Args:
        x: float64 [distinct], sorted.
        counts: rows by value, int64 [distinct].
    """
    last_row = np.cumsum(counts) - 1
    position = QUANTILES * last_row[-1]
    below = np.floor(position)
    low = x[np.searchsorted(last_row, below)]
    high = x[np.searchsorted(last_row, np.ceil(position))]
    quantiles: np.ndarray = low + (high - low) * (position - below)
    return quantiles


def _edges(low: float, high: float) -> list[float]:
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges: list[float] = np.linspace(low, high, BINS + 1).tolist()
    return edges


def _histogram(x: np.ndarray, counts: np.ndarray, edges: list[float]) -> list[int]:
    """Counts rows by bin [edge, next edge); the last bin includes its upper edge."""
    below = np.concatenate([[0], np.cumsum(counts)])
    starts = below[[0, *np.searchsorted(x, edges[1:-1]), -1]]
    return [int(count) for count in np.diff(starts)]


def by_count(values: np.ndarray, counts: np.ndarray) -> list[tuple[Any, int]]:
    """Returns (value, count) pairs, by falling count and then by value."""
    order = np.argsort(-counts, kind="stable")
    # Tuples, because garbage collection would traverse as many lists.
    return list(zip(values[order].tolist(), counts[order].tolist(), strict=True))
