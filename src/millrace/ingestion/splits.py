"""Assigns rows to train, validation or test."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.config.data import SplitConfig
from millrace.errors import MillraceError
from millrace.ingestion import draw_kernels

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
LEFT_OUT = -1

# A column with more distinct values is an id or a quantity, and not used as strata.
MOST_STRATA = 1024

# `task: auto` treats an integer label with at most this many distinct values as classes.
FEW_CLASSES = 12

_SLOTS = 4 * MOST_STRATA

Array = np.ndarray[Any, Any]


class Shares(NamedTuple):
    """The shares of a file's rows that become validation and test examples.

    With `folds`, the rows outside the test are divided into folds of equal size, and fold number
    `fold`, from 0, is used for validation; `validation` is ignored.
    """

    validation: float
    test: float
    folds: int | None = None
    fold: int = 0


class Cuts(NamedTuple):
    """The first values of a column that belong to validation and to the test; None: no cut.

    Rows closer than `gap` before a cut are left out: days for dates and times, else a number.
    """

    validation: pa.Scalar | None
    test: pa.Scalar | None
    gap: float = 0


def shares(split: SplitConfig) -> Shares:
    """Returns the shares in `data.split`.

    Raises MillraceError unless they are between 0 and 1 and leave rows for training.
    """
    if split.folds is not None and split.fold >= split.folds:
        raise MillraceError(
            f"data.split.fold: expected a number from 0 to {split.folds - 1}, found {split.fold}.",
            note="change fold or folds.",
        )
    for name in ("validation", "test"):
        share = getattr(split, name)
        if isinstance(share, str) or not 0 < share < 1:
            raise MillraceError(
                f"data.split.{name}: expected a share between 0 and 1, found {share!r}.",
                note="first values of the splits go with `by: time`.",
            )
    found = Shares(float(split.validation), float(split.test), split.folds, split.fold)
    if found.folds is None and found.validation + found.test >= 1:
        raise MillraceError(
            f"data.split: expected shares that leave rows for training, "
            f"found {found.validation} for validation and {found.test} for the test.",
            note="lower validation or test.",
        )
    return found


def by_place(places: Array, wanted: Shares) -> Array:
    """Returns the split of each row by a hash scaled to [0, 1], float64 [rows]: int8 [rows].

    Rows with the same hash, such as those of one group, are in the same split.
    """
    if wanted.folds is None:
        validation = places < wanted.test + wanted.validation
    else:
        folds = np.floor((places - wanted.test) / (1 - wanted.test) * wanted.folds)
        # A hash may be rounded up to 1.
        validation = np.minimum(folds, wanted.folds - 1) == wanted.fold
    return np.select([places < wanted.test, validation], [TEST, VALIDATION], TRAIN).astype(np.int8)


class Draw:
    """Splits the rows of one file at random, by their positions.

    The rows of each stratum are counted in order. The test is drawn first, in blocks of a few rows;
    validation, or the folds, are drawn from the rest. Thus shares are off by at most a row or two
    in every stratum wherever the file ends, and appended rows do not change earlier ones.

    Args:
      key: the key of the file, see `file_key`.
      wanted: the shares.
      most_strata: with more distinct values than this, all further rows form one stratum.
      must_stratify: whether that raises MillraceError instead.
    """

    def __init__(
        self, key: np.uint64, wanted: Shares, most_strata: int, must_stratify: bool = False
    ) -> None:
        self._wanted, self._most, self._must_stratify = wanted, most_strata, must_stratify
        self._slots, self._known = np.zeros(_SLOTS, np.uint64), np.zeros(1, np.int64)
        self._test = _Part(key, 0, wanted.test)
        rest = 0.0 if wanted.folds else wanted.validation / (1 - wanted.test)
        self._validation = _Part(key, 1, rest)
        self._deal_key = mixed(key, np.uint64(2))
        self._dealt = np.zeros(_SLOTS + 1, np.int64)
        self._hands = np.zeros((_SLOTS + 1, wanted.folds or 1), np.int64)

    def splits(self, values: Array) -> Array:
        """Returns the split of each of the file's next rows: int8 [rows].

        `values` is a hash of each row's stratum, uint64 [rows].
        """
        strata = np.empty(len(values), np.int64)
        draw_kernels.strata(values, self._most, self._slots, self._known, strata)
        if self._must_stratify and self._known[0] > self._most:
            raise MillraceError(
                f"data.split: expected a column of at most {self._most:,} values to stratify by, "
                f"found more.",
                note="`by: row` has the same shares of each class of the label.",
            )
        test = self._test.drawn(strata)
        found = np.where(test, TEST, TRAIN).astype(np.int8)
        if self._wanted.folds:
            folds = np.empty(len(strata[~test]), np.int64)
            draw_kernels.deal(self._deal_key, strata[~test], self._dealt, self._hands, folds)
            validation = folds == self._wanted.fold
        else:
            validation = self._validation.drawn(strata[~test])
        found[np.flatnonzero(~test)[validation]] = VALIDATION
        return found


class _Part:
    """A share of a file's rows, drawn in order; `number` separates its draws from other parts'."""

    def __init__(self, key: np.uint64, number: int, share: float) -> None:
        self._key, self._share = mixed(key, np.uint64(number)), share
        self._state = np.zeros((_SLOTS + 1, 3), np.int64)

    def drawn(self, strata: Array) -> Array:
        """Returns which of the next rows, given as strata, belong to the part: bool [rows]."""
        found = np.zeros(len(strata), np.bool_)
        if self._share > 0:
            size = block_size(self._share)
            draw_kernels.draw(self._key, self._share, size, strata, self._state, found)
        return found


def mixed(key: np.uint64, number: np.uint64) -> np.uint64:
    """Returns a hash of two numbers as np.uint64; numba returns a Python int."""
    return np.uint64(draw_kernels.mix(key, number))


def block_size(share: float) -> int:
    """Returns the length of the blocks in which a share of the rows is drawn.

    Blocks are as short as possible, so that shares are right early. They have at least one drawn
    row on average, and room for the two more that random rounding may add.
    """
    return math.ceil(max(1 / share, 2 / (1 - share)))


def file_key(first_row: int, earlier: Sequence[int], seed: int) -> np.uint64:
    """Returns the key of a file's draws.

    A file is identified by its first row, so renaming, moving, compressing or appending to it does
    not change its splits. Files with the same first row are distinguished by their order.

    Args:
      first_row: a hash of the file's first row.
      earlier: the same hashes of the files before it.
      seed: the job's seed.
    """
    return mixed(mixed(np.uint64(seed), np.uint64(first_row)), np.uint64(earlier.count(first_row)))


def by_time(column: pa.Array, cuts: Cuts) -> Array:
    """Returns the split of each row by the values of a column without missing ones: int8 [rows]."""
    found = np.full(len(column), TRAIN, np.int8)
    for split, cut in ((VALIDATION, cuts.validation), (TEST, cuts.test)):
        if cut is not None:
            if cuts.gap:
                found[_at_least(column, _before(cut, cuts.gap))] = LEFT_OUT
            found[_at_least(column, cut)] = split
    return found


def _at_least(column: pa.Array, value: pa.Scalar) -> Array:
    return pc.greater_equal(column, value).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _before(cut: pa.Scalar, gap: float) -> pa.Scalar:
    value = cut.as_py()
    if isinstance(value, date):
        return pa.scalar(value - timedelta(days=gap), cut.type)
    return pa.scalar(value - gap)


def time_cuts(
    split: SplitConfig, type_: pa.DataType, values: Callable[[], pa.ChunkedArray]
) -> Cuts:
    """Returns the cuts of the column that `data.split` names.

    `values` returns all values of the column except missing ones; it is called only if a cut is
    given as a share of the rows. Rows with equal values stay together, so such shares are
    approximate. Raises MillraceError when the column has no order in time, a cut does not have the
    type of the column, or validation does not begin before the test.
    """
    if pa.types.is_string(type_) or pa.types.is_boolean(type_):
        found = values()
        kind = "text" if pa.types.is_string(type_) else "a truth value,"
        shown = repr(found[0].as_py()) if len(found) else "in every row"
        column = split.column
        raise MillraceError(
            f"data.split.column: {column!r}: expected dates, timestamps or numbers to order by, "
            f"found {kind} {shown}.",
            note="for dates that are written in a way of their own, give the format, such as "
            f"data.types: {{{column}: {{kind: date, format: '%d/%m/%Y'}}}}.",
        )
    given = {name: _cut(name, split, type_) for name in ("validation", "test")}
    if any(cut is None for cut in given.values()):
        given = _cuts_at_shares(given, split, values())
    cuts = Cuts(given["validation"], given["test"], split.gap)
    if not pc.less(cuts.validation, cuts.test).as_py():
        raise MillraceError(
            f"data.split: expected validation to begin before the test, "
            f"found {cuts.validation} and {cuts.test}.",
            note=f"these are the first values of {split.column!r} in each.",
        )
    return cuts


def _cut(name: str, split: SplitConfig, type_: pa.DataType) -> pa.Scalar | None:
    value = getattr(split, name)
    if isinstance(value, float) and 0 < value < 1:
        return None
    try:
        return pa.scalar(str(value)).cast(type_)
    except pa.ArrowInvalid:
        raise MillraceError(
            f"data.split.{name}: expected a value of the column {split.column!r} ({type_}), "
            f"or a share between 0 and 1, found {value!r}.",
            note="write a value as it stands in the column, or a share such as 0.1.",
        ) from None


def _cuts_at_shares(
    given: dict[str, pa.Scalar | None], split: SplitConfig, values: pa.ChunkedArray
) -> dict[str, pa.Scalar | None]:
    ordered = values.take(pc.sort_indices(values))
    rows = before = len(ordered)
    cuts = {}
    for name in ("test", "validation"):
        cut = given[name]
        if cut is None:
            place = max(before - max(1, int(getattr(split, name) * rows)), 0)
            cut = ordered[min(place, rows - 1)] if rows else None
        cuts[name] = cut
        before = pc.sum(pc.less(ordered, cut)).as_py() or 0
    return cuts
