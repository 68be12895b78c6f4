"""Which split a row belongs to."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from millrace import splits
from millrace.errors import MillraceError
from millrace.splits import TEST, TRAIN, VALIDATION, Cuts, Shares


def hashes(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**64, rows, dtype=np.uint64)


def test_rows_are_divided_by_the_shares() -> None:
    found = splits.by_row(hashes(100_000), Shares(0.1, 0.2))
    shares = np.bincount(found, minlength=3) / 100_000
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.005)


def test_each_row_is_placed_by_itself() -> None:
    values = hashes(1000)
    found = splits.by_row(values, Shares(0.3, 0.3))
    assert (
        splits.by_row(values[::-1][:100], Shares(0.3, 0.3)).tolist() == found[::-1][:100].tolist()
    )


def test_without_a_test_share_only_validation_is_taken() -> None:
    found = splits.by_row(hashes(10_000), Shares(0.25, 0.0))
    assert np.bincount(found, minlength=3)[TEST] == 0
    assert (found == VALIDATION).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"validation": 0.5, "test": 0.5}, "shares that leave rows for training"),
        ({"validation": "2013-10-01", "test": 0.5}, r"split\.validation: expected a share"),
        ({"validation": 0.2, "test": 5}, r"split\.test: expected a share between 0 and 1, found 5"),
        ({"validation": 0, "test": 0.2}, r"split\.validation: expected a share"),
    ],
)
def test_shares_that_cannot_be(split: dict, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        splits.shares(split)


def no_values() -> pa.ChunkedArray:
    raise AssertionError("cuts that are given need no values")


def test_time_cuts_begin_their_splits() -> None:
    days = pa.array([date(2013, 9, 30), date(2013, 10, 1), date(2013, 10, 31), date(2013, 11, 1)])
    split = {"column": "day", "validation": "2013-10-01", "test": "2013-11-01"}
    cuts = splits.time_cuts(split, days.type, no_values)
    assert splits.by_time(days, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST]
    assert splits.by_time(days, Cuts(cuts.validation, None)).tolist() == [TRAIN, *[VALIDATION] * 3]


def test_numbers_cut_numbers() -> None:
    cuts = splits.time_cuts({"column": "year", "validation": 10, "test": 20}, pa.int64(), no_values)
    years = pa.array([9, 10, 19, 20, 100])
    assert splits.by_time(years, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST, TEST]


def test_shares_of_time_are_the_latest_rows() -> None:
    values = pa.chunked_array([np.random.default_rng(0).permutation(1000)])
    split = {"column": "t", "validation": 0.1, "test": 0.2}
    cuts = splits.time_cuts(split, values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (700, 800)


def test_rows_of_one_moment_stay_together() -> None:
    values = pa.chunked_array([[1] * 50 + [2] * 30 + [3] * 20])
    split = {"column": "t", "validation": 0.2, "test": 0.1}
    cuts = splits.time_cuts(split, values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (2, 3)


def test_a_share_of_validation_before_a_given_test() -> None:
    values = pa.chunked_array([list(range(100))])
    split = {"column": "t", "validation": 0.1, "test": "60"}
    cuts = splits.time_cuts(split, values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (50, 60)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"validation": "2013-11-01", "test": "2013-10-01"}, "validation to begin before the test"),
        ({"validation": "October", "test": "2013-10-01"}, "a value of the column 'day'.*'October'"),
    ],
)
def test_cuts_that_cannot_be(split: dict, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        splits.time_cuts(split | {"column": "day"}, pa.date32(), no_values)
