"""Assigning rows to splits."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from millrace.config.data import SplitConfig
from millrace.errors import MillraceError
from millrace.ingestion import splits
from millrace.ingestion.splits import TEST, TRAIN, VALIDATION, Cuts, Shares

KEY = np.uint64(7)


def drawn(values: np.ndarray, wanted: Shares, key: np.uint64 = KEY, most: int = 1024) -> np.ndarray:
    return splits.Draw(key, wanted, most).splits(values)


def classes(rows: int, shares: list[float]) -> np.ndarray:
    names = np.array([3, 2**63, 5, 77][: len(shares)], np.uint64)
    return np.random.default_rng(0).choice(names, rows, p=shares)


@pytest.mark.parametrize("wanted", [Shares(0.15, 0.15), Shares(0.1, 0.37), Shares(0.02, 0.005)])
@pytest.mark.parametrize("rows", [60, 1000, 12_345])
def test_shares_are_right_to_a_row_or_two_in_every_stratum(wanted: Shares, rows: int) -> None:
    values = classes(rows, [0.6, 0.37, 0.03])
    for key in range(50):
        found = drawn(values, wanted, np.uint64(key))
        for value in np.unique(values):
            counts = np.bincount(found[values == value], minlength=3)
            expected = (values == value).sum() * np.array([wanted.validation, wanted.test])
            assert counts[1:] == pytest.approx(expected, abs=2.5)


def test_every_row_has_the_same_chance() -> None:
    found = [drawn(np.zeros(40, np.uint64), Shares(0.2, 0.15), np.uint64(n)) for n in range(4000)]
    for split, share in ((VALIDATION, 0.2), (TEST, 0.15)):
        rates = np.mean(np.array(found) == split, axis=0)
        assert rates == pytest.approx([share] * 40, abs=4.5 * np.sqrt(share * (1 - share) / 4000))


@pytest.mark.parametrize("period", [2, 3, 5, 6, 7, 8, 20, 50, 100])
def test_no_period_of_the_table_is_one_of_the_draw(period: int) -> None:
    rows = 1000 * period
    found = drawn(np.zeros(rows, np.uint64), Shares(0.15, 0.15))
    for split in (VALIDATION, TEST):
        rates = (found == split).reshape(-1, period).mean(axis=0)
        assert rates == pytest.approx([0.15] * period, abs=4.5 * np.sqrt(0.15 * 0.85 / 1000))


@pytest.mark.parametrize("wanted", [Shares(0.15, 0.15), Shares(0.15, 0.15, 4, 1)])
def test_rows_that_follow_move_none_and_blocks_do_not_matter(wanted: Shares) -> None:
    values = classes(5000, [0.7, 0.2, 0.05, 0.05])
    whole = drawn(values, wanted)
    for end in (1, 17, 1234, 4999):
        assert drawn(values[:end], wanted).tolist() == whole[:end].tolist()
    draw = splits.Draw(KEY, wanted, 1024)
    in_blocks = [draw.splits(values[first : first + 700]) for first in range(0, 5000, 700)]
    assert np.concatenate(in_blocks).tolist() == whole.tolist()


def test_without_a_test_share_only_validation_is_taken() -> None:
    found = drawn(np.zeros(10_000, np.uint64), Shares(0.25, 0.0))
    assert np.bincount(found, minlength=3) == pytest.approx([7500, 2500, 0], abs=2)


def test_more_values_than_classes_are_one_stratum() -> None:
    values = np.random.default_rng(0).integers(1, 2**63, 3000).astype(np.uint64)
    found = drawn(values, Shares(0.15, 0.15), most=12)
    assert np.bincount(found, minlength=3)[1:] == pytest.approx([450, 450], abs=8)
    one = drawn(values, Shares(0.15, 0.15), most=0)
    assert np.bincount(one, minlength=3)[1:] == pytest.approx([450, 450], abs=2)


def test_files_are_known_by_their_first_row() -> None:
    key = splits.file_key(5, [1, 2], 0)
    assert key == splits.file_key(5, [3, 2, 1], 0)
    others = [splits.file_key(5, [5, 2], 0), splits.file_key(6, [1], 0), splits.file_key(5, [], 1)]
    assert len({key, *others}) == 4
    rows = np.zeros(10_000, np.uint64)
    ours, theirs = (drawn(rows, Shares(0.15, 0.2), k) == TEST for k in (key, others[0]))
    assert (ours & theirs).mean() == pytest.approx(0.2**2, abs=0.01)


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
        splits.shares(SplitConfig(**split))


def no_values() -> pa.ChunkedArray:
    raise AssertionError("cuts that are given need no values")


def test_time_cuts_begin_their_splits() -> None:
    days = pa.array([date(2013, 9, 30), date(2013, 10, 1), date(2013, 10, 31), date(2013, 11, 1)])
    split = {"column": "day", "validation": "2013-10-01", "test": "2013-11-01", "gap": 0}
    cuts = splits.time_cuts(SplitConfig(**split), days.type, no_values)
    assert splits.by_time(days, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST]
    assert splits.by_time(days, Cuts(cuts.validation, None)).tolist() == [TRAIN, *[VALIDATION] * 3]


def test_numbers_cut_numbers() -> None:
    split = {"column": "year", "validation": 10, "test": 20, "gap": 0}
    cuts = splits.time_cuts(SplitConfig(**split), pa.int64(), no_values)
    years = pa.array([9, 10, 19, 20, 100])
    assert splits.by_time(years, cuts).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST, TEST]


def test_shares_of_time_are_the_latest_rows() -> None:
    values = pa.chunked_array([np.random.default_rng(0).permutation(1000)])
    split = {"column": "t", "validation": 0.1, "test": 0.2, "gap": 0}
    cuts = splits.time_cuts(SplitConfig(**split), values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (700, 800)


def test_rows_of_one_moment_stay_together() -> None:
    values = pa.chunked_array([[1] * 50 + [2] * 30 + [3] * 20])
    split = {"column": "t", "validation": 0.2, "test": 0.1, "gap": 0}
    cuts = splits.time_cuts(SplitConfig(**split), values.type, lambda: values)
    assert (cuts.validation.as_py(), cuts.test.as_py()) == (2, 3)


def test_a_share_of_validation_before_a_given_test() -> None:
    values = pa.chunked_array([list(range(100))])
    split = {"column": "t", "validation": 0.1, "test": "60", "gap": 0}
    cuts = splits.time_cuts(SplitConfig(**split), values.type, lambda: values)
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
        splits.time_cuts(SplitConfig(**split, column="day"), pa.date32(), no_values)


def test_folds_divide_what_is_not_for_the_test() -> None:
    values = classes(20_000, [0.5, 0.45, 0.05])
    parts = [drawn(values, Shares(0.15, 0.2, 5, fold)) for fold in range(5)]
    tests = {tuple(np.flatnonzero(part == TEST)) for part in parts}
    assert tests == {tuple(np.flatnonzero(drawn(values, Shares(0.15, 0.2)) == TEST))}
    validated = np.stack([part == VALIDATION for part in parts])
    assert (validated.sum(axis=0) == (parts[0] != TEST)).all()
    for value in np.unique(values):
        sizes = validated[:, values == value].sum(axis=1)
        assert sizes.max() - sizes.min() <= 1
    for period in (5, 10):
        rates = validated.reshape(5, -1, period).mean(axis=1)
        assert rates == pytest.approx(np.full((5, period), 0.16), abs=0.04)


def test_the_last_place_is_in_the_last_fold() -> None:
    last = np.array([1.0])
    found = [splits.by_place(last, Shares(0.15, 0.1, 3, fold)).item() for fold in range(3)]
    assert found == [TRAIN, TRAIN, VALIDATION]


def test_a_fold_that_is_not_there() -> None:
    with pytest.raises(MillraceError, match="number from 0 to 2, found 3"):
        splits.shares(SplitConfig(validation=0.1, test=0.1, folds=3, fold=3))


def test_too_many_strata() -> None:
    draw = splits.Draw(KEY, Shares(0.1, 0.2), 1024, must_stratify=True)
    draw.splits(np.arange(1, 1025, dtype=np.uint64))
    with pytest.raises(MillraceError, match="at most 1,024 values to stratify by, found more"):
        draw.splits(np.array([2000], np.uint64))


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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["27/01/2021", "01/02/2021"], "dates, timestamps or numbers to order by, found text '27/"),
        ([True, False], "dates, timestamps or numbers to order by, found a truth value, True"),
    ],
)
def test_text_is_no_time(values: list, message: str) -> None:
    column = pa.chunked_array([values])
    split = {"column": "day", "validation": 0.15, "test": 0.15, "gap": 0}
    with pytest.raises(MillraceError, match=message):
        splits.time_cuts(SplitConfig(**split), column.type, lambda: column)
