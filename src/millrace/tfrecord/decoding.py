"""Compiled kernels that find and parse records; millrace.tfrecord describes the layout."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

import numpy as np
from numba import njit

from millrace.tfrecord import (
    BYTES,
    ENTRY_VALUE,
    FLOAT,
    FOOTER_BYTES,
    HEADER_BYTES,
    INT,
    KIND_TAGS,
    LENGTH_DELIMITED,
    Array,
)
from millrace.tfrecord.byte_kernels import masked_crc, word

# Problems of a record.
OK, CUT_OFF, LENGTH_CHECKSUM, DATA_CHECKSUM, NOT_AN_EXAMPLE, OTHER_KIND, SEVERAL_VALUES = range(7)
_UNPACKED_FLOAT = 0x0D
_UNPACKED_INT = 0x08


@njit(cache=True, nogil=True)
def _get_four(data: Array, position: int) -> int:
    """Returns the four bytes at `position` as a uint32; four bytes must precede them."""
    return np.uint32(word(data, position - 4) >> np.uint64(32))


@njit(cache=True, nogil=True)
def find_records(data: Array, position: int, spans: Array) -> tuple[int, int, int]:
    """Finds the records from `position` on, at most as many as `spans` (int64 [n, 2]) has room for.

    Fills `spans` with the start and end of each record's data, and verifies both checksums.
    Returns the number of records, the position after them, and the problem of the next one or OK.
    """
    count = 0
    while count < len(spans) and position < len(data):
        start = position + HEADER_BYTES
        if start > len(data):
            return count, position, CUT_OFF
        if _get_four(data, position + 8) != masked_crc(data, position, position + 8):
            return count, position, LENGTH_CHECKSUM
        length = word(data, position)
        if length > np.uint64(len(data) - start) or start + length + FOOTER_BYTES > len(data):
            return count, position, CUT_OFF
        end = start + np.int64(length)
        if _get_four(data, end) != masked_crc(data, start, end):
            return count, position, DATA_CHECKSUM
        spans[count, 0], spans[count, 1] = start, end
        position = end + FOOTER_BYTES
        count += 1
    return count, position, OK


@njit(cache=True, nogil=True)
def _get_varint(data: Array, position: int, end: int) -> tuple[int, int]:
    """Returns the varint at `position` and the position after it; -1 when it runs past `end`."""
    value = np.uint64(0)
    for byte in range(10):
        if position >= end:
            return value, -1
        value |= np.uint64(data[position] & 0x7F) << np.uint64(7 * byte)
        position += 1
        if data[position - 1] < 0x80:
            return value, position
    return value, -1


@njit(cache=True, nogil=True)
def _enter(data: Array, position: int, end: int, tag: int) -> tuple[int, int]:
    """Steps into the length-delimited field at `position`, which must have this tag.

    Returns the start and end of its content, or -1, -1 if there is no such field.
    """
    if position >= end or data[position] != tag:
        return -1, -1
    length, start = _get_varint(data, position + 1, end)
    if start < 0 or length > np.uint64(end - start):
        return -1, -1
    return start, start + np.int64(length)


@njit(cache=True, nogil=True)
def _find_key(
    data: Array, start: int, end: int, keys: Array, key_ends: Array, expected: int
) -> int:
    """Returns the column whose key is data[start:end], or -1; tries `expected` first."""
    columns = len(key_ends) - 1
    for step in range(columns):
        column = (expected + step) % columns
        first = key_ends[column]
        if key_ends[column + 1] - first == end - start:
            same = True
            for byte in range(end - start):
                if keys[first + byte] != data[start + byte]:
                    same = False
                    break
            if same:
                return column
    return -1


@njit(cache=True, nogil=True)
def _get_value(
    data: Array,
    start: int,
    end: int,
    kind: int,
    slot: int,
    row: int,
    floats: Array,
    ints: Array,
    spans: Array,
) -> tuple[int, int]:
    """Reads the single value of a list; returns the number of values, and the problem or OK."""
    count = 0
    while start < end:
        unpacked = kind != BYTES and data[start] != LENGTH_DELIMITED
        if unpacked:
            if data[start] != (_UNPACKED_FLOAT if kind == FLOAT else _UNPACKED_INT):
                return count, NOT_AN_EXAMPLE
            first, last = start + 1, end
        else:
            first, last = _enter(data, start, end, LENGTH_DELIMITED)
            if first < 0:
                return count, NOT_AN_EXAMPLE
        if kind == BYTES:
            spans[slot, row, 0], spans[slot, row, 1] = first, last
            count += 1
            first = last
        while first < last:
            if kind == FLOAT:
                if first + 4 > last:
                    return count, NOT_AN_EXAMPLE
                floats[slot, row] = _get_four(data, first)
                first += 4
            else:
                value, first = _get_varint(data, first, last)
                if first < 0:
                    return count, NOT_AN_EXAMPLE
                ints[slot, row] = np.int64(value)
            count += 1
            if unpacked:
                break
        start = first
    return count, (OK if count < 2 else SEVERAL_VALUES)


@njit(cache=True, nogil=True)
def _find_short(
    data: Array, position: int, end: int, keys: Array, first: int, last: int, tag: int
) -> tuple[int, int]:
    """Finds the value of the entry at `position` if `put_records` wrote it and it is short.

    Its key must be keys[first:last], and its list of the kind with this tag. Returns the start and
    end of the value, or -1, -1 if the entry has to be parsed step by step. Nearly all entries of
    tables are short, and this takes a third of the time.
    """
    key = last - first
    value = position + key + 10
    if value > end:
        return -1, -1
    # A checksum follows the last entry, so these words end within the data.
    middle = np.int64(word(data, value - 6) & np.uint64(0xFFFFFFFFFFFF))
    size = middle >> 40
    after = value + size
    if (
        after > end
        or key + size > 100  # each length takes one byte
        or np.int64(word(data, position) & np.uint64(0xFFFFFFFF))
        != LENGTH_DELIMITED | (key + size + 8) << 8 | LENGTH_DELIMITED << 16 | key << 24
        or middle
        != ENTRY_VALUE
        | (size + 4) << 8
        | np.int64(tag) << 16
        | (size + 2) << 24
        | LENGTH_DELIMITED << 32
        | size << 40
    ):
        return -1, -1
    for byte in range(0, key, 8):
        different = word(data, position + 4 + byte) ^ word(keys, first + byte)
        if key - byte < 8:
            different <<= np.uint64(8 * (8 - (key - byte)))
        if different:
            return -1, -1
    return value, after


@njit(cache=True, nogil=True)
def _get_short(
    data: Array,
    position: int,
    end: int,
    row: int,
    column: int,
    keys: Array,
    key_ends: Array,
    kinds: Array,
    slots: Array,
    valid: Array,
    floats: Array,
    ints: Array,
    spans: Array,
) -> tuple[int, int]:
    """Reads a row's entries from `position` on, while they are short and in column order.

    Returns the position after them and the column that is expected there.
    """
    expected = column
    while column < len(kinds) and position < end:
        kind, slot = kinds[column], slots[column]
        start, after = _find_short(
            data, position, end, keys, key_ends[column], key_ends[column + 1], KIND_TAGS[kind]
        )
        if start < 0:
            column += 1  # its value may be missing
            continue
        if kind == FLOAT:
            if after - start != 4:
                break
            floats[slot, row] = np.uint32(word(data, start))
        elif kind == INT:
            value, stop = _get_varint(data, start, after)
            if stop != after:
                break
            ints[slot, row] = np.int64(value)
        else:
            spans[slot, row, 0], spans[slot, row, 1] = start, after
        valid[column, row] = True
        position = after
        column += 1
        expected = column
    return position, expected


@njit(cache=True, nogil=True)
def get_records(
    data: Array,
    records: Array,
    keys: Array,
    key_ends: Array,
    kinds: Array,
    slots: Array,
    valid: Array,
    floats: Array,
    ints: Array,
    spans: Array,
) -> tuple[int, int, int]:
    """Parses the records from `find_records` into the matrices; `valid` must be all False.

    Skips keys that are not in the layout. Returns the row and column (-1: none) of the first
    problem, and the problem or OK.
    """
    for row in range(len(records)):
        start, end = records[row]
        position, end = _enter(data, start, end, LENGTH_DELIMITED)
        if position < 0:
            return row, -1, NOT_AN_EXAMPLE
        expected = 0
        while position < end:
            position, expected = _get_short(
                data,
                position,
                end,
                row,
                expected,
                keys,
                key_ends,
                kinds,
                slots,
                valid,
                floats,
                ints,
                spans,
            )
            if position >= end:
                break
            entry, entry_end = _enter(data, position, end, LENGTH_DELIMITED)
            key, key_end = _enter(data, entry, entry_end, LENGTH_DELIMITED)
            feature, feature_end = _enter(data, key_end, entry_end, ENTRY_VALUE)
            if entry < 0 or key < 0 or feature < 0:
                return row, -1, NOT_AN_EXAMPLE
            position = entry_end
            column = _find_key(data, key, key_end, keys, key_ends, expected)
            if column < 0 or feature == feature_end:
                continue
            expected = column + 1
            kind = kinds[column]
            if data[feature] != KIND_TAGS[kind]:
                return row, column, OTHER_KIND
            first, last = _enter(data, feature, feature_end, KIND_TAGS[kind])
            if first < 0:
                return row, column, NOT_AN_EXAMPLE
            count, problem = _get_value(
                data, first, last, kind, slots[column], row, floats, ints, spans
            )
            if problem != OK:
                return row, column, problem
            valid[column, row] = count == 1
    return -1, -1, OK
