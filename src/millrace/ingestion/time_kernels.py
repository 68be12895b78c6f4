"""Compiled kernels that parse formatted dates and times.

Day, month and year may come in any order, months may be names, and clocks may have 12 hours. The
caller gives a column's format; millrace.ingestion.formats finds it.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from numba import njit

from millrace.ingestion import cells

Array = np.ndarray[Any, Any]

# The ops of `read_time`: the directives of strptime, and a literal byte.
OPS = "YymdHIMSfpBazZsQ"
LITERAL = len(OPS)
(
    YEAR,
    SHORT_YEAR,
    MONTH,
    DAY,
    HOUR,
    HOUR_OF_12,
    MINUTE,
    SECOND,
    FRACTION,
    AM_PM,
    MONTH_NAME,
    WEEKDAY_NAME,
    OFFSET,
    UTC,
    EPOCH_SECONDS,
    EPOCH_MILLISECONDS,
) = range(LITERAL)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = np.frombuffer("".join(name.ljust(9, "\0") for name in _MONTHS + _WEEKDAYS).encode(), "u1")


@njit(cache=True, nogil=True)
def _short(data: Array, position: int, end: int, most: int) -> tuple[int, int]:
    """Reads 1 to `most` digits; returns the number, or -1, and the position after them."""
    value, first = 0, position
    while position < end and position - first < most and 48 <= data[position] <= 57:
        value = 10 * value + data[position] - 48
        position += 1
    return (value if position > first else -1), position


@njit(cache=True, nogil=True)
def _name(data: Array, position: int, end: int, first: int, names: int) -> tuple[int, int]:
    """Reads the name of a month or weekday, in full or its first three letters, in any case.

    Returns its index, or -1, and the position after it.
    """
    letters = 0
    while position + letters < end and 97 <= (data[position + letters] | 32) <= 122:
        letters += 1
    for name in range(first, first + names):
        size = 0
        while size < 9 and _NAMES[9 * name + size] != 0:
            size += 1
        # Sept is also common.
        if letters == 3 or letters == size or (letters == 4 and name == 8):
            same = True
            for letter in range(letters):
                if (data[position + letter] | 32) != _NAMES[9 * name + letter]:
                    same = False
                    break
            if same:
                return name - first, position + letters
    return -1, position


@njit(cache=True, nogil=True)
def _epoch(data: Array, position: int, end: int, unit: int) -> tuple[int, int]:
    """Reads a time since 1970 in units of `unit` microseconds.

    Returns microseconds, and the position after it or -1 if it is malformed.
    """
    negative = position < end and data[position] == 45
    mantissa, digits, position, lost = cells._digits(
        data, position + 1 if negative else position, end, np.uint64(0), 0
    )
    # Databases may store whole numbers as floats, which end in .0.
    if position < end and data[position] == 46:
        position += 1
        place = unit // 10
        fraction = 0
        while position < end and 48 <= data[position] <= 57:
            fraction += (data[position] - 48) * place
            place //= 10
            position += 1
    else:
        fraction = 0
    if digits < 1 or lost or mantissa > np.uint64(253_402_300_799_999_999 // unit):
        return 0, -1
    micros = np.int64(mantissa) * unit + fraction
    return (-micros if negative else micros), position


@njit(cache=True, nogil=True)
def read_time(data: Array, start: int, end: int, ops: Array) -> tuple[bool, int]:
    """Reads a time by a pattern, `ops` (int64 [ops, 2]: an op and the byte of a literal).

    Returns whether it matches, and its microseconds since 1970 in UTC.
    """
    year, month, day = 1970, 1, 1
    hour, minute, second, micros, offset = 0, 0, 0, 0, 0
    afternoon, of_12 = -1, False
    position = start
    for op in range(len(ops)):
        kind = ops[op, 0]
        found = 0
        if kind == LITERAL:
            if position >= end or data[position] != ops[op, 1]:
                return False, 0
            position += 1
            while ops[op, 1] == 32 and position < end and data[position] == 32:
                position += 1
        elif kind == YEAR:
            year = found = cells._number(data, position, end, 4)
            found = -1 if year < 1 else found
            position += 4
        elif kind == SHORT_YEAR:
            found = cells._number(data, position, end, 2)
            year = found + (1900 if found >= 69 else 2000)
            position += 2
        elif kind == MONTH:
            month, position = _short(data, position, end, 2)
            found = month if 1 <= month <= 12 else -1
        elif kind == DAY:
            day, position = _short(data, position, end, 2)
            found = day if day >= 1 else -1
        elif kind == HOUR:
            hour, position = _short(data, position, end, 2)
            found = hour if hour <= 23 else -1
        elif kind == HOUR_OF_12:
            hour, position = _short(data, position, end, 2)
            found = hour if 1 <= hour <= 12 else -1
            of_12 = True
        elif kind == MINUTE:
            minute, position = _short(data, position, end, 2)
            found = minute if minute <= 59 else -1
        elif kind == SECOND:
            second, position = _short(data, position, end, 2)
            found = second if second <= 59 else -1
        elif kind == FRACTION:
            first, unit = position, 100_000
            while position < end and 48 <= data[position] <= 57:
                micros += (data[position] - 48) * unit
                unit //= 10
                position += 1
            found = -1 if position == first else 0
        elif kind == AM_PM:
            letter = data[position] | 32 if position + 1 < end else 0
            afternoon = 1 if letter == 112 else 0
            marked = (letter == 112 or letter == 97) and (data[position + 1] | 32) == 109
            found = 0 if marked else -1
            position += 2
        elif kind == MONTH_NAME:
            month, position = _name(data, position, end, 0, 12)
            found = month
            month += 1
        elif kind == WEEKDAY_NAME:
            found, position = _name(data, position, end, 12, 7)
        elif kind == OFFSET:
            before = position
            offset, position = cells._offset(data, position, end)
            found = -1 if position < 0 or position == before else 0
        elif kind == UTC:
            size = 1 if position < end and data[position] == 90 else 3
            utc = size == 1 or (
                position + 3 <= end
                and (
                    (data[position] == 85 and data[position + 1] == 84 and data[position + 2] == 67)
                    or (
                        data[position] == 71
                        and data[position + 1] == 77
                        and data[position + 2] == 84
                    )
                )
            )
            found = 0 if utc else -1
            position += size
        else:
            unit = 1_000_000 if kind == EPOCH_SECONDS else 1000
            micros, position = _epoch(data, position, end, unit)
            found = -1 if position < 0 else 0
        if found < 0 or position < 0:
            return False, 0
    if position != end or day > cells._days_in_month(year, month):
        return False, 0
    if of_12:
        if afternoon < 0:
            return False, 0
        hour = hour % 12 + 12 * afternoon
    days = cells._days(year, month, day)
    of_day = (hour * 3600 + minute * 60 + second) * 1_000_000
    return True, days * cells.MICROSECONDS_PER_DAY + of_day + micros - offset


@njit(cache=True, nogil=True)
def count_times(data: Array, spans: Array, wanted: Array, ops: Array) -> int:
    """Returns the number of `wanted` cells (bool [rows]) that match the pattern."""
    count = 0
    for row in range(len(spans)):
        if wanted[row]:
            count += read_time(data, spans[row, 0], spans[row, 1], ops)[0]
    return count


@njit(cache=True, nogil=True)
def read_times(
    data: Array, spans: Array, ops: Array, kind: int, classes: Array, values: Array
) -> None:
    """Reads the cells that are not missing: fills `classes` with `kind` (cells.DATE or TIMESTAMP)
    or cells.TEXT, and `values` with days or microseconds since 1970."""
    for row in range(len(spans)):
        if classes[row] != cells.MISSING:
            fits, micros = read_time(data, spans[row, 0], spans[row, 1], ops)
            classes[row] = kind if fits else cells.TEXT
            values[row] = micros // cells.MICROSECONDS_PER_DAY if kind == cells.DATE else micros
