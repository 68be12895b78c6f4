"""Which split a row belongs to."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import splits
from millrace.ingestion.splits import TEST, TRAIN, VALIDATION, Cuts, Shares


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
        splits.shares(split | {"fold": 0})


def no_values() -> pa.ChunkedArray:
    raise AssertionError("cuts that are given need no values")


def test_time_cuts_begin_their_splits() -> None:
    days = pa.array([date(2013, 9, 30), date(2013, 10, 1), date(2013, 10, 31), date(2013, 11, 1)])
    split = {"column": "day", "validation": "2013-10-01", "test": "2013-11-01", "gap": 0}
    cuts = splits.time_cuts(split, days.type, no_values)
    assert splits.by_time(days, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST]
    assert splits.by_time(days, Cuts(cuts.validation, None)).tolist() == [TRAIN, *[VALIDATION] * 3]


def test_numbers_cut_numbers() -> None:
    split = {"column": "year", "validation": 10, "test": 20, "gap": 0}
    cuts = splits.time_cuts(split, pa.int64(), no_values)
    years = pa.array([9, 10, 19, 20, 100])
    assert splits.by_time(years, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST, TEST]


def test_shares_of_time_are_the_latest_rows() -> None:
    values = pa.chunked_array([np.random.default_rng(0).permutation(1000)])
    split = {"column": "t", "validation": 0.1, "test": 0.2, "gap": 0}
    cuts = splits.time_cuts(split, values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (700, 800)


def test_rows_of_one_moment_stay_together() -> None:
    values = pa.chunked_array([[1] * 50 + [2] * 30 + [3] * 20])
    split = {"column": "t", "validation": 0.2, "test": 0.1, "gap": 0}
    cuts = splits.time_cuts(split, values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (2, 3)


def test_a_share_of_validation_before_a_given_test() -> None:
    values = pa.chunked_array([list(range(100))])
    split = {"column": "t", "validation": 0.1, "test": "60", "gap": 0}
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
        splits.time_cuts(split | {"column": "day", "gap": 0}, pa.date32(), no_values)


def test_folds_divide_what_is_not_for_the_test() -> None:
    rows = hashes(20_000)
    parts = [splits.by_row(rows, Shares(0.15, 0.2, 5, fold)) for fold in range(5)]
    tests = {tuple(np.flatnonzero(part == TEST)) for part in parts}
    assert tests == {tuple(np.flatnonzero(splits.by_row(rows, Shares(0.15, 0.2)) == TEST))}
    validated = np.stack([part == VALIDATION for part in parts])
    assert (validated.sum(axis=0) == (parts[0] != TEST)).all()
    assert validated.mean(axis=1) == pytest.approx([0.16] * 5, abs=0.01)


def test_the_last_place_is_in_the_last_fold() -> None:
    last = np.array([2**64 - 1], np.uint64)
    found = [splits.by_row(last, Shares(0.15, 0.1, 3, fold)).item() for fold in range(3)]
    assert found == [TRAIN, TRAIN, VALIDATION]


def test_a_fold_that_is_not_there() -> None:
    with pytest.raises(MillraceError, match="number from 0 to 2, found 3"):
        splits.shares({"validation": 0.1, "test": 0.1, "folds": 3, "fold": 3})


def test_each_stratum_has_the_same_shares() -> None:
    rows = hashes(1300)
    strata = np.repeat(np.array([7, 2**63, 5], np.uint64), [1000, 200, 100])
    found = splits.by_stratum(splits.Strata().numbers(strata), rows, Shares(0.1, 0.2))
    for name, size in ((7, 1000), (2**63, 200), (5, 100)):
        counts = np.bincount(found[strata == name], minlength=3)
        assert counts.tolist() == [0.7 * size, 0.1 * size, 0.2 * size]


def test_a_stratum_is_divided_by_the_ranks_of_its_rows() -> None:
    rows = hashes(500) >> np.uint64(56)  # some are equal
    strata = (rows % np.uint64(3)).astype(np.uint16)
    order = np.random.default_rng(1).permutation(500)
    found = splits.by_stratum(strata, rows, Shares(0.1, 0.2))
    turned = splits.by_stratum(strata[order], rows[order], Shares(0.1, 0.2))
    assert turned.tolist() == found[order].tolist()
    ranks = pd.Series(rows).groupby(strata).rank(method="average")  # from 1
    sizes = pd.Series(rows).groupby(strata).transform("size")
    places = (ranks - 0.5) / sizes
    expected = np.where(places < 0.2, TEST, np.where(places < 0.2 + 0.1, VALIDATION, TRAIN))
    assert found.tolist() == expected.tolist()


def test_strata_are_numbered_as_they_come() -> None:
    known = splits.Strata()
    values = hashes(6)
    assert len(set(known.numbers(values[[0, 1, 0, 2]]).tolist())) == 3
    again, more = known.numbers(values[:3]), known.numbers(values[[3, 0]])
    assert sorted(again.tolist()) == [0, 1, 2]
    assert more.tolist() == [3, again[0]]


def test_too_many_strata() -> None:
    known = splits.Strata()
    known.numbers(np.arange(1024, dtype=np.uint64))
    message = "at most 1,024 values to stratify by, found at least 1,025"
    with pytest.raises(MillraceError, match=message):
        known.numbers(np.array([2000], np.uint64))


@pytest.mark.parametrize(
    ("values", "cuts", "gap"),
    [
        ([1, 7, 8, 9, 10, 17, 18, 20, 21], (10, 20), 2.5),
        ([1.0, 7.4, 7.6, 9, 10, 17, 17.6, 20, 21], (10.0, 20.0), 2.5),
        (
            [date(2013, 1, day) for day in (1, 7, 8, 9, 10, 17, 18, 20, 21)],
            (date(2013, 1, 10), date(2013, 1, 20)),
            2,
        ),
    ],
)
def test_rows_in_a_gap_are_left_out(values: list, cuts: tuple, gap: float) -> None:
    column = pa.array(values)
    found = splits.by_time(column, Cuts(*(pa.scalar(cut, column.type) for cut in cuts), gap))
    out = splits.LEFT_OUT
    assert found.tolist() == [TRAIN, TRAIN, out, out, VALIDATION, VALIDATION, out, TEST, TEST]
    one = splits.by_time(column, Cuts(None, pa.scalar(cuts[1], column.type), gap))
    assert one.tolist() == [*[TRAIN] * 6, out, TEST, TEST]


def test_text_has_no_gap() -> None:
    split = {"column": "day", "validation": "b", "test": "c", "gap": 1}
    with pytest.raises(MillraceError, match="expected none with a column of type string"):
        splits.time_cuts(split, pa.string(), no_values)
