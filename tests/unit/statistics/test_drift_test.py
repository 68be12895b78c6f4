"""Tests of whether two samples differ by chance, beside SciPy and by simulation."""

import numpy as np
import pytest
from scipy import stats

from millrace.statistics import drift_test
from tests.helpers.artifacts import column_statistics


def texts(counts: dict[str, int], missing: int = 0) -> object:
    rows = sum(counts.values()) + missing
    return column_statistics(type="string", rows=rows, missing=missing, values=[*counts.items()])


def numbers(counts: list[int], missing: int = 0) -> object:
    histogram = {"edges": [float(x) for x in range(len(counts) + 1)], "counts": counts}
    rows = sum(counts) + missing
    return column_statistics(type="float32", rows=rows, missing=missing, histogram=histogram)


def test_frequent_values_are_compared_by_the_chi_squared_test() -> None:
    train, new = texts({"a": 500, "b": 300}, 200), texts({"b": 40, "a": 40}, 20)
    expected = stats.chi2_contingency([[500, 300, 200], [40, 40, 20]], correction=False).pvalue
    assert drift_test.p_value(train, new) == pytest.approx(expected)
    train, new = numbers([500, 300], 200), numbers([40, 40], 20)
    assert drift_test.p_value(train, new) == pytest.approx(expected)


def test_rare_values_count_together() -> None:
    train = texts({"a": 8900, "b": 550, **{f"rare {x}": 10 for x in range(55)}})
    new = texts({"a": 90, "b": 5, **{f"new {x}": 1 for x in range(5)}})
    expected = stats.chi2_contingency([[8900, 550, 550], [90, 5, 5]], correction=False)
    assert drift_test.p_value(train, new) == pytest.approx(expected.pvalue)


def test_with_one_group_there_is_nothing_to_compare() -> None:
    assert drift_test.p_value(texts({"a": 1000}), texts({"a": 100})) is None
    assert drift_test.p_value(texts({"a": 1000, "b": 1}), texts({"a": 2})) is None
    assert drift_test.p_value(numbers([], 100), numbers([], 10)) is None


def test_more_often_is_fishers_exact_test() -> None:
    for before, now in (((10, 1000), (5, 100)), ((0, 50), (3, 40)), ((7, 70), (0, 30))):
        table = [[now[0], now[1] - now[0]], [before[0], before[1] - before[0]]]
        expected = stats.fisher_exact(table, alternative="greater").pvalue
        assert drift_test.more_often(before, now) == pytest.approx(expected)


@pytest.mark.parametrize("rows", [100, 2000])
def test_without_drift_p_is_below_a_level_as_often_as_the_level_says(rows: int) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(30))
    names = [f"v{x}" for x in range(30)]
    below = 0
    for _ in range(500):
        train, new = rng.multinomial(20_000, shares), rng.multinomial(rows, shares)
        samples = [texts(dict(zip(names, map(int, x), strict=True))) for x in (train, new)]
        p = drift_test.p_value(*samples)
        assert p is not None
        below += p < 0.05
    # 0.05 of 500 is 25, with a standard deviation of 4.9.
    assert 25 - 4 * 4.9 < below < 25 + 4 * 4.9
