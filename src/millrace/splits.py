"""Which split a row belongs to: train, validation or test."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.errors import MillraceError

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

Array = np.ndarray[Any, Any]


class Shares(NamedTuple):
    """Which shares of the rows of a file become validation and test examples."""

    validation: float
    test: float


class Cuts(NamedTuple):
    """The first values, of a column, that belong to validation and to the test; None: no cut."""

    validation: pa.Scalar | None
    test: pa.Scalar | None


def shares(split: dict[str, Any]) -> Shares:
    """Returns the shares that `data.split` asks for.

    Raises MillraceError unless they are shares and leave rows for training.
    """
    found = Shares(split["validation"], split["test"])
    for name, share in found._asdict().items():
        if isinstance(share, str) or not 0 < share < 1:
            raise MillraceError(
                f"data.split.{name}: expected a share between 0 and 1, found {share!r}.",
                note="first values of the splits go with `by: time`.",
            )
    if sum(found) >= 1:
        raise MillraceError(
            f"data.split: expected shares that leave rows for training, "
            f"found {found.validation} for validation and {found.test} for the test."
        )
    return found


def by_row(hashes: Array, wanted: Shares) -> Array:
    """Returns the split of each row by its hash alone (uint64 [rows]): int8 [rows].

    A row stays in its split when others come, and equal rows are never in different splits.
    """
    place = hashes / 2.0**64
    return np.select(
        [place < wanted.test, place < wanted.test + wanted.validation], [TEST, VALIDATION], TRAIN
    ).astype(np.int8)


def by_time(column: pa.Array, cuts: Cuts) -> Array:
    """Returns the split of each row by a column's values, none of them missing: int8 [rows]."""
    found = np.full(len(column), TRAIN, np.int8)
    for split, cut in ((VALIDATION, cuts.validation), (TEST, cuts.test)):
        if cut is not None:
            found[pc.greater_equal(column, cut).to_numpy(zero_copy_only=False)] = split
    return found


def time_cuts(
    split: dict[str, Any], type_: pa.DataType, values: Callable[[], pa.ChunkedArray]
) -> Cuts:
    """Returns where `data.split` cuts its column, which has that type.

    `values` gives all values of the column, none missing; it is called only when a cut is given as
    a share of the rows. Rows with equal values stay together, so such shares are approximate.
    Raises MillraceError when a value is none of the column, or the cuts are not in their order.
    """
    given = {name: _cut(name, split, type_) for name in ("validation", "test")}
    if any(cut is None for cut in given.values()):
        given = _cuts_at_shares(given, split, values())
    cuts = Cuts(**given)
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
