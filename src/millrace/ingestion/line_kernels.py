"""Compiled kernels that count the lines of a CSV and compare them with its rows."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value"

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]


@njit(cache=True, nogil=True)
def ends_cell(byte: int, delimiter: int) -> bool:
    """Returns whether an unquoted cell ends before this byte."""
    return byte == delimiter or byte == 10 or byte == 13


@njit(cache=True, nogil=True)
def line_breaks(data: Array, start: int, end: int) -> int:
    r"""Counts the line breaks in data[start:end]: \n, \r or \r\n."""
    found = 0
    for position in range(start, end):
        if (data[position] == 10 or data[position] == 13) and _ends_line(data, position):
            found += 1
    return found


@njit(cache=True, nogil=True)
def _ends_line(data: Array, position: int) -> bool:
    if data[position] != 13:
        return data[position] == 10
    return position + 1 == len(data) or data[position + 1] != 10


@njit(cache=True, nogil=True)
def count_lines(data: Array, in_line: bool) -> tuple[int, int]:
    """Returns the number of lines that end in `data`, and how many are empty, including those in
    quoted cells; `in_line` says that `data` begins inside a line."""
    lines, empty = 0, 0
    for position in range(len(data)):
        if data[position] != 10 and data[position] != 13:
            in_line = True
        elif _ends_line(data, position):
            lines += 1
            empty += not in_line
            in_line = False
    return lines, empty


@njit(cache=True, nogil=True)
def swallowing_row(
    data: Array,
    rows: Array,
    counts: Array,
    breaks: Array,
    delimiter: int,
    quote: int,
    is_quoted: bool,
) -> int:
    """Returns the first row with a quoted cell that seems to contain whole rows, or -1.

    With quotes as text, each of its lines would be a row with as many cells. With two columns, a
    text of two lines with a delimiter in each can look like that by chance; it is accepted if its
    quotes are well placed and other rows show that quotes are special (`is_quoted`).
    """
    for row in range(len(rows)):
        if breaks[row] < 1 or counts[row] < 2:
            continue
        start, end = rows[row]
        could_be = is_quoted and counts[row] == 2 and breaks[row] < 2
        if could_be and _ends_well(data, start, end, delimiter, quote):
            continue
        cells, whole = 1, True
        for position in range(rows[row, 0], rows[row, 1] + 1):
            ends = position == rows[row, 1] or data[position] == 10 or data[position] == 13
            if ends:
                empty = position > rows[row, 0] and (
                    data[position - 1] == 10 or data[position - 1] == 13
                )
                if not empty and cells != counts[row]:
                    whole = False
                    break
                cells = 1
            elif data[position] == delimiter:
                cells += 1
        if whole:
            return row
    return -1


@njit(cache=True, nogil=True)
def _ends_well(data: Array, start: int, end: int, delimiter: int, quote: int) -> bool:
    """Returns whether each quote in data[start:end] begins a cell, ends one or is doubled."""
    position = start
    while position < end:
        if data[position] == quote:
            if position + 1 < end and data[position + 1] == quote:
                position += 1
            elif (
                position + 1 < end
                and not ends_cell(data[position + 1], delimiter)
                and position > start
                and data[position - 1] != delimiter
            ):
                return False
        position += 1
    return True
