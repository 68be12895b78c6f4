"""Which split a row belongs to: train, validation or test."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.errors import MillraceError

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
LEFT_OUT = -1

# More values than these are no strata to hold equal shares of, they are an id or a quantity.
MOST_STRATA = 1024

Array = np.ndarray[Any, Any]


class Shares(NamedTuple):
    """Which shares of the rows of a file become validation and test examples.

    With `folds`, the rows that are not for the test are divided into so many parts of one size, and
    the part with the number `fold`, from 0, is for validation, whatever its share.
    """

    validation: float
    test: float
    folds: int | None = None
    fold: int = 0


class Cuts(NamedTuple):
    """The first values, of a column, that belong to validation and to the test; None: no cut.

    Rows closer than `gap` before a cut are left out: days for dates and times, else a number.
    """

    validation: pa.Scalar | None
    test: pa.Scalar | None
    gap: float = 0


def shares(split: dict[str, Any]) -> Shares:
    """Returns the shares that `data.split` asks for.

    Raises MillraceError unless they are shares and leave rows for training.
    """
    found = Shares(split["validation"], split["test"], split.get("folds"), split["fold"])
    if found.folds is not None and found.fold >= found.folds:
        raise MillraceError(
            f"data.split.fold: expected a number from 0 to {found.folds - 1}, found {found.fold}."
        )
    for name in ("validation", "test"):
        share = split[name]
        if isinstance(share, str) or not 0 < share < 1:
            raise MillraceError(
                f"data.split.{name}: expected a share between 0 and 1, found {share!r}.",
                note="first values of the splits go with `by: time`.",
            )
    if found.folds is None and found.validation + found.test >= 1:
        raise MillraceError(
            f"data.split: expected shares that leave rows for training, "
            f"found {found.validation} for validation and {found.test} for the test."
        )
    return found


def by_row(hashes: Array, wanted: Shares) -> Array:
    """Returns the split of each row by its hash alone (uint64 [rows]): int8 [rows].

    A row stays in its split when others come, and equal rows are never in different splits.
    """
    return by_place(hashes / 2.0**64, wanted)


def by_place(places: Array, wanted: Shares) -> Array:
    """Returns the split of each row by its place between 0 and 1 (float64 [rows]): int8 [rows]."""
    if wanted.folds is None:
        validation = places < wanted.test + wanted.validation
    else:
        folds = np.floor((places - wanted.test) / (1 - wanted.test) * wanted.folds)
        # A place may be rounded up to 1.
        validation = np.minimum(folds, wanted.folds - 1) == wanted.fold
    return np.select([places < wanted.test, validation], [TEST, VALIDATION], TRAIN).astype(np.int8)


class Strata:
    """Numbers the values of a column that is to have the same shares in all splits."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def numbers(self, values: Array) -> Array:
        """Returns the number of each row's value, by a hash of it (uint64 [rows]): uint16 [rows].

        Raises MillraceError when there are too many values.
        """
        found, places = np.unique(values, return_inverse=True)
        own = [self._numbers.setdefault(value, len(self._numbers)) for value in found.tolist()]
        if len(self._numbers) > MOST_STRATA:
            raise MillraceError(
                f"data.split: expected a column of at most {MOST_STRATA:,} values to stratify by, "
                f"found at least {len(self._numbers):,}.",
                note="`by: row` gives every value about the same share in all splits.",
            )
        return np.array(own, np.uint16)[places]


def by_stratum(strata: Array, hashes: Array, wanted: Shares) -> Array:
    """Returns the split of each row of a table: int8 [rows].

    The rows of a stratum stand in the order of their hashes, at equal distances from 0 to 1; equal
    rows at one place.

    Args:
      strata: the number of each row's stratum, uint16 [rows].
      hashes: a hash of each row, uint64 [rows].
    """
    found = np.empty(len(hashes), np.int8)
    ends = np.cumsum(np.bincount(strata))
    # Numbers of 16 bits are sorted by counting.
    for rows in np.split(np.argsort(strata, kind="stable"), ends[:-1]):
        rows = rows[np.argsort(hashes[rows])]
        ordered = hashes[rows]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        equal = np.diff(np.append(first, len(rows)))
        places = (2 * first + equal) / (2 * len(rows))
        found[rows] = np.repeat(by_place(places, wanted), equal)
    return found


def by_time(column: pa.Array, cuts: Cuts) -> Array:
    """Returns the split of each row by a column's values, none of them missing: int8 [rows]."""
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
    split: dict[str, Any], type_: pa.DataType, values: Callable[[], pa.ChunkedArray]
) -> Cuts:
    """Returns where `data.split` cuts its column, which has that type.

    `values` gives all values of the column, none missing; it is called only when a cut is given as
    a share of the rows. Rows with equal values stay together, so such shares are approximate.
    Raises MillraceError when a value is none of the column, the cuts are not in their order, or
    there is to be a gap in what has no distances.
    """
    if split["gap"] and (pa.types.is_string(type_) or pa.types.is_boolean(type_)):
        raise MillraceError(
            f"data.split.gap: expected none with a column of type {type_}, found {split['gap']}.",
            note="a gap is a number of days, or the difference of two numbers.",
        )
    given = {name: _cut(name, split, type_) for name in ("validation", "test")}
    if any(cut is None for cut in given.values()):
        given = _cuts_at_shares(given, split, values())
    cuts = Cuts(given["validation"], given["test"], split["gap"])
    if not pc.less(cuts.validation, cuts.test).as_py():
        raise MillraceError(
            f"data.split: expected validation to begin before the test, "
            f"found {cuts.validation} and {cuts.test}.",
            note=f"these are the first values of {split['column']!r} in each.",
        )
    return cuts


def _cut(name: str, split: dict[str, Any], type_: pa.DataType) -> pa.Scalar | None:
    value = split[name]
    if isinstance(value, float) and 0 < value < 1:
        return None
    try:
        return pa.scalar(str(value)).cast(type_)
    except pa.ArrowInvalid:
        raise MillraceError(
            f"data.split.{name}: expected a value of the column {split['column']!r} ({type_}), "
            f"or a share between 0 and 1, found {value!r}."
        ) from None


def _cuts_at_shares(
    given: dict[str, pa.Scalar | None], split: dict[str, Any], values: pa.ChunkedArray
) -> dict[str, pa.Scalar | None]:
    ordered = values.take(pc.sort_indices(values))
    rows = before = len(ordered)
    cuts = {}
    for name in ("test", "validation"):
        cut = given[name]
        if cut is None:
            place = max(before - max(1, int(split[name] * rows)), 0)
            cut = ordered[min(place, rows - 1)] if rows else None
        cuts[name] = cut
        before = pc.sum(pc.less(ordered, cut)).as_py() or 0
    return cuts
