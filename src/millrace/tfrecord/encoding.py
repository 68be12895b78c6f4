"""Compiled kernels that serialize rows to records; millrace.tfrecord describes the layout."""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

import numpy as np
from numba import njit

from millrace.tfrecord import (
    ENTRY_VALUE,
    FLOAT,
    FOOTER_BYTES,
    HEADER_BYTES,
    INT,
    KIND_TAGS,
    LENGTH_DELIMITED,
    Array,
)
from millrace.tfrecord.byte_kernels import masked_crc, put_bytes, put_word


@njit(cache=True, nogil=True)
def _varint_size(value: int) -> int:
    rest = np.uint64(value)
    size = 1
    while rest >= np.uint64(0x80):
        rest >>= np.uint64(7)
        size += 1
    return size


@njit(cache=True, nogil=True)
def _put_varint(out: Array, position: int, value: int) -> int:
    rest = np.uint64(value)
    while rest >= np.uint64(0x80):
        out[position] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        position += 1
    out[position] = np.uint8(rest)
    return position + 1


@njit(cache=True, nogil=True)
def _put_header(out: Array, position: int, tag: int, length: int) -> int:
    out[position] = tag
    return _put_varint(out, position + 1, length)


@njit(cache=True, nogil=True)
def _wrapped(length: int) -> int:
    """Returns the size of a length-delimited field with its tag and length prefix."""
    return 1 + _varint_size(length) + length


@njit(cache=True, nogil=True)
def _value_size(kind: int, slot: int, row: int, ints: Array, spans: Array) -> int:
    if kind == FLOAT:
        return 4
    if kind == INT:
        return _varint_size(ints[slot, row])
    return spans[slot, row, 1] - spans[slot, row, 0]


@njit(cache=True, nogil=True)
def body_sizes(
    key_ends: Array, kinds: Array, slots: Array, valid: Array, ints: Array, spans: Array
) -> Array:
    """Returns, for each row, the size of its Features message: int64 [rows]."""
    columns, rows = valid.shape
    sizes = np.zeros(rows, np.int64)
    for column in range(columns):
        key = _wrapped(key_ends[column + 1] - key_ends[column])
        for row in range(rows):
            if valid[column, row]:
                value = _value_size(kinds[column], slots[column], row, ints, spans)
                sizes[row] += _wrapped(key + _wrapped(_wrapped(_wrapped(value))))
    return sizes


@njit(cache=True, nogil=True)
def put_records(
    keys: Array,
    key_ends: Array,
    kinds: Array,
    slots: Array,
    valid: Array,
    floats: Array,
    ints: Array,
    spans: Array,
    text: Array,
    sizes: Array,
    taken: Array,
    out: Array,
) -> int:
    """Writes the rows `taken` (int64 [n]) into `out`, one record each, in that order.

    Returns the number of bytes written.

    `keys` is the concatenation of the column names, and `key_ends` (int64 [columns + 1]) their
    ends; `sizes` comes from `body_sizes`; `floats` are passed as bits (uint32). `keys`, `text` and
    `out` need room for WORD_BYTES more.
    """
    columns = len(kinds)
    position = 0
    for row in taken:
        header = position
        put_word(out, header, np.uint64(_wrapped(sizes[row])))
        put_word(out, header + 8, np.uint64(masked_crc(out, header, header + 8)))
        position += HEADER_BYTES
        data = position
        position = _put_header(out, position, LENGTH_DELIMITED, sizes[row])
        for column in range(columns):
            if not valid[column, row]:
                continue
            kind, slot = kinds[column], slots[column]
            start, end = key_ends[column], key_ends[column + 1]
            value = _value_size(kind, slot, row, ints, spans)
            feature = _wrapped(_wrapped(value))
            entry = _wrapped(end - start) + _wrapped(feature)
            position = _put_header(out, position, LENGTH_DELIMITED, entry)
            position = _put_header(out, position, LENGTH_DELIMITED, end - start)
            position = put_bytes(out, position, keys, start, end)
            position = _put_header(out, position, ENTRY_VALUE, feature)
            position = _put_header(out, position, KIND_TAGS[kind], _wrapped(value))
            position = _put_header(out, position, LENGTH_DELIMITED, value)
            if kind == FLOAT:
                put_word(out, position, np.uint64(floats[slot, row]))
                position += 4
            elif kind == INT:
                position = _put_varint(out, position, ints[slot, row])
            else:
                cell = spans[slot, row]
                position = put_bytes(out, position, text, cell[0], cell[1])
        put_word(out, position, np.uint64(masked_crc(out, data, position)))
        position += FOOTER_BYTES
    return position
