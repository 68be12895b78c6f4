"""Compiled kernels that assign rows to splits by their position in a file."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value"

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]


@njit(cache=True, nogil=True)
def mix(state: int, value: int) -> int:
    """Returns a hash of two 64-bit numbers: uint64.

    Source: the step and finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
    """
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
    """Assigns a slot to each distinct value, in order of appearance, up to `most` values.

    Once there are more, all further rows get the slot number `len(slots)`.

    Args:
      values: a hash of each row's value, uint64 [rows].
      most: the most distinct values that get a slot; below half of `len(slots)`.
      slots: the hash table of the values so far, of a power of two: uint64 [slots], 0 is free.
      known: the number of values so far, int64 [1].
      found: the output: the slot of each row, int64 [rows].
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
    """Draws a share of the rows of each stratum, in order of appearance.

    In each successive block of `size` rows of a stratum every set of rows is equally likely. The
    number drawn from block k is floor(share · size · (k + 1) + u) - floor(share · size · k + u'),
    with a random u for each block's end. After any block the count is off by less than one row,
    every row has the same probability, and the counts cannot align with a period of the table.

    Args:
      seed: the seed of the draw.
      share: above 0 and below 1.
      size: the rows of a block, see `splits.block_size`.
      rows: the stratum of each row, int64 [rows].
      state: for each stratum the current block, the number of its rows so far, and how many remain
        to be drawn: int64 [strata, 3]; initially 0.
      drawn: the output: which rows are drawn, bool [rows].
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
        # Algorithm S (Knuth, The Art of Computer Programming, section 3.4.2): a row is drawn with
        # probability (still to be drawn) / (rows left in the block).
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
    """Assigns the rows of each stratum to folds: of each successive block of as many rows as there
    are folds, every fold gets one, in random order.

    Args:
      seed: the seed of the order.
      rows: the stratum of each row, int64 [rows].
      seen: the number of earlier rows of each stratum, int64 [strata]; updated.
      hands: the folds that still need a row of the stratum's current block come first: int64
        [strata, folds]; updated.
      folds: the output: the fold of each row, int64 [rows].
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
