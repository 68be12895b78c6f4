"""Compiled kernels that assign rows to splits by their position in a file."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value"

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]


@njit(cache=True, nogil=True)
def mix(state: int, value: int) -> int:
    """Returns a hash of two 64-bit numbers (SplitMix64's step and finalizer): uint64."""
    mixed = (np.uint64(state) ^ np.uint64(value)) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@njit(cache=True, nogil=True)
def _uniform(seed: int, number: int) -> float:
    """Returns the `number`-th draw from [0, 1) of a seed's sequence."""
    return np.float64(mix(seed, number) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def strata(values: Array, most: int, slots: Array, known: Array, found: Array) -> None:
    """Gives each value a slot of its own, in the order in which values come, until there are more
    than `most`; from then on all rows are in the last slot, number `len(slots)`.

    Args:
      values: a hash of each row's value, uint64 [rows].
      most: how many different values get a slot; below half of `len(slots)`.
      slots: the values seen so far, a hash table of a power of two: uint64 [slots], 0 for free.
      known: how many there are, int64 [1].
      found: where the slot of each row goes, int64 [rows].
    """
    for row in range(len(values)):
        found[row] = len(slots)
        value = max(values[row], np.uint64(1))
        slot = value & np.uint64(len(slots) - 1)
        while known[0] <= most and slots[slot] != value:
            if slots[slot] == 0:
                known[0] += 1
                slots[slot] = value
            else:
                slot = (slot + np.uint64(1)) & np.uint64(len(slots) - 1)
        if known[0] <= most:
            found[row] = slot


@njit(cache=True, nogil=True)
def draw(seed: int, share: float, size: int, rows: Array, state: Array, drawn: Array) -> None:
    """Draws a share of the rows of each stratum, in the order in which they come.

    In each successive block of `size` rows of a stratum every set of rows is equally likely. How
    many are drawn from block k is floor(share · size · (k + 1) + u) - floor(share · size · k + u'),
    with a random u for each block's end: after any block the count is right to less than one row,
    every row has the same chance, and no period of the counts can meet one of the table.

    Args:
      seed: fixes the draw.
      share: above 0 and below 1.
      size: rows of a block, see `splits.block_size`.
      rows: the stratum of each row, int64 [rows].
      state: the block that each stratum is in, how many rows of it have come, and how many are yet
        to be drawn, int64 [strata, 3]; all 0 at first.
      drawn: where it goes which rows are drawn, bool [rows].
    """
    for row in range(len(rows)):
        stratum = rows[row]
        own = mix(seed, stratum)
        block, place = state[stratum, 0], state[stratum, 1]
        if place == 0:
            ends = mix(own, 1)
            before = np.floor(share * size * block + _uniform(ends, block))
            after = np.floor(share * size * (block + 1) + _uniform(ends, block + 1))
            state[stratum, 2] = np.int64(after - before)
        # Knuth's Algorithm S: the chance that one of the places still free is this row's.
        left = np.float64(size - place)
        drawn[row] = _uniform(own, block * size + place) * left < state[stratum, 2]
        if drawn[row]:
            state[stratum, 2] -= 1
        if place + 1 == size:
            state[stratum, 0] = block + 1
            state[stratum, 1] = 0
        else:
            state[stratum, 1] = place + 1


@njit(cache=True, nogil=True)
def deal(seed: int, rows: Array, seen: Array, hands: Array, folds: Array) -> None:
    """Deals the rows of each stratum out to folds: in each block of as many rows as there are
    folds, one to each, in a random order.

    Args:
      seed: fixes the order.
      rows: the stratum of each row, int64 [rows].
      seen: how many rows of each stratum have come before, int64 [strata]; is counted on.
      hands: the folds that are yet to get a row of the stratum's block, in front: int64
        [strata, folds].
      folds: where the fold of each row goes, int64 [rows].
    """
    size = hands.shape[1]
    for row in range(len(rows)):
        stratum = rows[row]
        place = seen[stratum] % size
        if place == 0:
            hands[stratum] = np.arange(size)
        chosen = np.int64(_uniform(mix(seed, stratum), seen[stratum]) * (size - place))
        folds[row] = hands[stratum, chosen]
        hands[stratum, chosen] = hands[stratum, size - place - 1]
        seen[stratum] += 1
