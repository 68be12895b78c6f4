"""Compiled kernels that count the classes of cells, and numbers that lose digits in a model."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from numba import njit

from millrace.ingestion import cells
from millrace.ingestion.cells import FLOAT, INT, LONG, PRECISE

Array = np.ndarray[Any, Any]

# A double cannot represent more significant digits than this.
DOUBLE_DIGITS = 17
_FLOAT32_BITS = np.uint64(1 << 24)


@njit(cache=True, nogil=True)
def count_classes(
    classes: Array, values: Array, taken: Array, counts: Array, rounded: Array
) -> None:
    """Counts the cells of the rows selected by `taken` (bool [rows]).

    Adds all cells to `counts` (int64 [columns, CLASSES]), and to `rounded` (int64 [columns]) the
    whole numbers of class INT and FLOAT that float32 cannot represent. `classes` and `values` are
    those of `cells.classify`.
    """
    for column in range(classes.shape[0]):
        for row in range(classes.shape[1]):
            if taken[row]:
                kind = classes[column, row]
                counts[column, kind] += 1
                if kind == FLOAT:
                    value = np.int64(values[column, row]).view(np.float64)
                    if abs(value) > 16777216.0 and value == np.floor(value):
                        rounded[column] += np.float64(np.float32(value)) != value
                elif kind == INT:
                    rounded[column] += not _is_held(np.uint64(abs(values[column, row])))


@njit(cache=True, nogil=True)
def _is_held(whole: int) -> bool:
    """Returns whether float32 can represent a whole number: it has at most 24 significant bits."""
    while whole >= _FLOAT32_BITS and whole & np.uint64(1) == 0:
        whole >>= np.uint64(1)
    return whole < _FLOAT32_BITS


@njit(cache=True, nogil=True)
def count_lost_digits(data: Array, spans: Array, classes: Array, taken: Array) -> tuple[int, int]:
    """Counts the cells of class PRECISE and LONG of a column that lose digits in a model.

    Returns the number of whole numbers that float32 cannot represent or that exceed 64 bits, and
    the number of others with more digits than a double.
    """
    rounded, cut = 0, 0
    for row in range(len(classes)):
        if not taken[row] or (classes[row] != PRECISE and classes[row] != LONG):
            continue
        start, end = spans[row]
        if data[start] == 43 or data[start] == 45:
            start += 1
        mantissa, _, position, lost = cells._digits(data, start, end, np.uint64(0), 0)
        significant, zeros, is_whole = 0, 0, True
        for place in range(start, end):
            byte = data[place]
            if byte == 101 or byte == 69:
                is_whole = False
                break
            if byte == 48:
                zeros += significant > 0
            elif byte != 46:
                significant += zeros + 1
                zeros = 0
                is_whole = is_whole and place < position
        if is_whole:
            rounded += lost or not _is_held(mantissa)
        else:
            cut += significant > DOUBLE_DIGITS
    return rounded, cut
