"""Compiled kernels that split the bytes of a CSV into rows and cells, and hash rows.

A block of text is an array of bytes (uint8). The cells of a block are `spans`, int64
[columns, rows, 2]: the start and end of each cell, without surrounding spaces.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value"

from typing import Any

import numpy as np
from numba import njit

from millrace.ingestion.line_kernels import ends_cell, line_breaks
from millrace.tfrecord.byte_kernels import WORD_BYTES, word, zeros_below

UNCLOSED = -1  # takes the place of a row's number of cells when a quote is never closed

Array = np.ndarray[Any, Any]


@njit(cache=True, nogil=True)
def split_rows(
    data: Array,
    position: int,
    size: int,
    final: bool,
    delimiter: int,
    quote: int,
    escape: int,
    expected: int,
    spans: Array,
    rows: Array,
    counts: Array,
    breaks: Array,
) -> tuple[int, int]:
    """Splits data[position:size] into rows and cells, until one of the outputs is full.

    Fills `spans`, `rows` (int64 [rows, 2]: the start and end of each), `counts` (int64 [rows]: the
    number of cells, or UNCLOSED if a quote is never closed) and `breaks` (int64 [rows]: the number
    of line breaks in cells, quoted or after `escape`). Empty lines are skipped.
    Quotes are special at the start of a cell, optionally after spaces; inside, a doubled quote is a
    quote. The byte after `escape` (0: none) is literal. The unescaped text of cells with either is
    written after `size`, so `data` needs room for `size` more bytes. `final` says that this is the
    end of the file; otherwise the last row, which may be incomplete, is left over.
    A row without the `expected` number of cells (0: any) ends with its first line, even inside
    quotes, so that a stray quote cannot swallow the following rows.

    Returns the number of rows and the position after them.
    """
    columns = spans.shape[0]
    free = size
    count = 0
    while count < spans.shape[1]:
        row_end = position
        while position < size and (data[position] == 10 or data[position] == 13):
            position += 1
        if not final and position >= size:
            return count, row_end  # the \n of \r\n may come with the next block
        start, free_before = position, free
        line_end = -1  # the end of the row's first line, if a quoted cell continues after it
        cell = 0
        closed = True
        while True:
            first = position
            while first < size and data[first] == 32 and delimiter != 32:
                first += 1
            if first < size and data[first] == quote and quote != 0:
                first, last, position, free, line_end = _quoted(
                    data, first, size, delimiter, quote, escape, free, line_end
                )
                closed = position >= 0
                if not closed:
                    break
            elif escape != 0:
                first, last, position, free = _unquoted(
                    data, position, size, delimiter, escape, free
                )
            else:
                position = _end_of_cell(data, position, size, delimiter)
                last = position
            first, last = _strip(data, first, last)
            if cell < columns:
                spans[cell, count, 0], spans[cell, count, 1] = first, last
            cell += 1
            if position < size and data[position] == delimiter:
                position += 1
            else:
                break
        for rest in range(cell, columns):
            spans[rest, count, 0] = spans[rest, count, 1] = start
        if not final and (not closed or position >= size):
            return count, start
        if closed and position == start:
            return count, size  # only empty lines were left
        if not closed or (line_end >= 0 and cell != expected and expected > 0):
            position = size if line_end < 0 else line_end
            free = free_before
            line_end = -1
        several = line_end >= 0 or escape != 0
        breaks[count] = line_breaks(data, start, position) if several else 0
        rows[count, 0], rows[count, 1] = start, position
        counts[count] = cell if closed else UNCLOSED
        count += 1
    return count, position


@njit(cache=True, nogil=True)
def _end_of_cell(data: Array, position: int, size: int, delimiter: int) -> int:
    """Returns the end of the unquoted cell at `position`, scanning eight bytes at a time."""
    every_byte = np.uint64(0x0101010101010101)
    while position + WORD_BYTES <= size:
        eight = word(data, position)
        ends = (
            _zero_bytes(eight ^ every_byte * np.uint64(delimiter))
            | _zero_bytes(eight ^ every_byte * np.uint64(10))
            | _zero_bytes(eight ^ every_byte * np.uint64(13))
        )
        if ends != 0:
            return position + np.int64(zeros_below(ends) >> np.uint64(3))
        position += WORD_BYTES
    while position < size and not ends_cell(data[position], delimiter):
        position += 1
    return position


@njit(cache=True, nogil=True)
def _zero_bytes(eight: int) -> int:
    """Returns a word whose lowest set bit is in the lowest zero byte of `eight`, else 0.

    Source: Henry S. Warren, Hacker's Delight, section 6-1.
    """
    low, high = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
    return (eight - low) & ~eight & high


@njit(cache=True, nogil=True)
def _quoted(
    data: Array,
    position: int,
    size: int,
    delimiter: int,
    quote: int,
    escape: int,
    free: int,
    line_end: int,
) -> tuple[int, int, int, int, int]:
    """Reads the cell whose opening quote is at `position`.

    Returns the start and end of its text, the position after it (-1: the quote is never closed),
    the next free position for unescaped text, and the end of the row's first line.
    """
    position += 1
    start = position
    out = free
    copied = False
    while True:
        while position < size and data[position] != quote:
            if escape != 0 and data[position] == escape and position + 1 < size:
                if not copied:
                    out = _copy(data, start, position, out)
                    copied = True
                position += 1
            if line_end < 0 and (data[position] == 10 or data[position] == 13):
                line_end = position
            if copied:
                data[out] = data[position]
                out += 1
            position += 1
        if position >= size:
            return start, start, -1, free, line_end
        if position + 1 < size and data[position + 1] == quote:
            if not copied:
                out = _copy(data, start, position, out)
                copied = True
            data[out] = quote
            out += 1
            position += 2
        else:
            break
    last = position
    position += 1
    tail = position
    while position < size and not ends_cell(data[position], delimiter):
        position += 1
    if _strip(data, tail, position)[1] > tail:  # "ab"c means abc
        if not copied:
            out = _copy(data, start, last, out)
            copied = True
        out = _copy(data, tail, position, out)
    if copied:
        return free, out, position, out, line_end
    return start, last, position, free, line_end


@njit(cache=True, nogil=True)
def _unquoted(
    data: Array, position: int, size: int, delimiter: int, escape: int, free: int
) -> tuple[int, int, int, int]:
    """Reads an unquoted cell that may contain escapes.

    Returns the start and end of its text, the position after it, and the next free position.
    """
    start = position
    out = free
    copied = False
    while position < size and not ends_cell(data[position], delimiter):
        if data[position] == escape and position + 1 < size:
            if not copied:
                out = _copy(data, start, position, out)
                copied = True
            position += 1
        if copied:
            data[out] = data[position]
            out += 1
        position += 1
    if copied:
        return free, out, position, out
    return start, position, position, free


@njit(cache=True, nogil=True)
def _copy(data: Array, start: int, end: int, out: int) -> int:
    for position in range(start, end):
        data[out] = data[position]
        out += 1
    return out


@njit(cache=True, nogil=True)
def _strip(data: Array, start: int, end: int) -> tuple[int, int]:
    while start < end and (data[start] == 32 or data[start] == 9):
        start += 1
    while end > start and (data[end - 1] == 32 or data[end - 1] == 9):
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def strip_cells(data: Array, spans: Array) -> None:
    """Strips spaces and tabs around cells, in place."""
    for column in range(spans.shape[0]):
        for row in range(spans.shape[1]):
            start, end = _strip(data, spans[column, row, 0], spans[column, row, 1])
            spans[column, row, 0], spans[column, row, 1] = start, end


@njit(cache=True, nogil=True)
def hash_rows(data: Array, spans: Array, seed: int) -> Array:
    """Returns a 64-bit hash of the cells of each row: uint64 [rows].

    It depends only on the text and order of the cells and on the seed. Eight bytes at a time are
    mixed in by multiplication; each cell ends with the finalizer of MurmurHash3.
    """
    rows = spans.shape[1]
    hashes = np.empty(rows, np.uint64)
    for row in range(rows):
        state = np.uint64(seed) ^ np.uint64(0x9E3779B97F4A7C15)
        for column in range(spans.shape[0]):
            start, end = spans[column, row]
            state ^= np.uint64(end - start)
            for first in range(start, end, WORD_BYTES):
                eight = np.uint64(0)
                if first + WORD_BYTES <= len(data):
                    eight = word(data, first)
                    if end - first < WORD_BYTES:
                        eight &= (np.uint64(1) << np.uint64(8 * (end - first))) - np.uint64(1)
                else:
                    for byte in range(first, end):
                        eight |= np.uint64(data[byte]) << np.uint64(8 * (byte - first))
                state = (state ^ eight) * np.uint64(0x9FB21C651E98DF25)
                state ^= state >> np.uint64(32)
            state = (state ^ (state >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
            state = (state ^ (state >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
            state ^= state >> np.uint64(33)
        hashes[row] = state
    return hashes
