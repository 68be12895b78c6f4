"""How often chance alone would make two samples differ as much as they do."""

from __future__ import annotations

import numpy as np
from scipy import stats

from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.statistics.anomalies import rows_by_bin

# Below it the chi-squared distribution does not hold: such values are counted together.
LEAST_EXPECTED = 5


def p_value(train: ColumnStatistics, other: ColumnStatistics) -> float | None:
    """Returns the p-value of the chi-squared test that both have one distribution.

    Numbers are compared by the bins of their histograms, other columns by their values; missing is
    a value too. Rare values count together. None where fewer than two groups are left.
    """
    p, q = _counts(train, other)
    total = p.sum() + q.sum()
    expected = (p + q) * min(p.sum(), q.sum()) / total
    rare = expected < LEAST_EXPECTED
    table = np.array([[*x[~rare], x[rare].sum()] for x in (p, q)])
    table = table[:, (table.sum(axis=0) * min(p.sum(), q.sum()) / total) >= LEAST_EXPECTED]
    if table.shape[1] < 2:
        return None
    return float(stats.chi2_contingency(table, correction=False).pvalue)


def _counts(train: ColumnStatistics, other: ColumnStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows by bin or value, the missing ones last: two arrays of one length."""
    if isinstance(train, NumberStatistics) and isinstance(other, NumberStatistics):
        return rows_by_bin(train, other)
    named = [dict(x.values) for x in (train, other)]
    values = list(dict.fromkeys([*named[0], *named[1]]))
    counts = []
    for column, by_value in zip((train, other), named, strict=True):
        listed = [by_value.get(value, 0) for value in values]
        # Statistics leave out rare values: those count as one.
        rest = column.rows - column.missing - sum(listed)
        counts.append(np.array([*listed, rest, column.missing], np.float64))
    return counts[0], counts[1]


def more_often(before: tuple[int, int], now: tuple[int, int]) -> float:
    """Returns the p-value that something is not more frequent now (Fisher's exact test).

    Args:
        before: in how many rows it was, of how many.
        now: the same now.
    """
    (hits, rows), (new, total) = before, now
    return float(stats.hypergeom.sf(new - 1, rows + total, hits + new, total))
