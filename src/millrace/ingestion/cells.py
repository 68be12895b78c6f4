"""Compiled kernels that classify and parse text cells: missing, numbers, times, words.

Cells come from millrace.ingestion.csv_kernels: bytes, and `spans` with the start and end of each.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]

# Classes of cells. CODE: digits after a leading zero, such as 007. LONG: an integer beyond 64 bits.
# PRECISE: a number that one operation on doubles cannot parse exactly. BROKEN: not UTF-8.
CLASSES = 12
(
    MISSING,
    INT,
    FLOAT,
    PRECISE,
    INFINITE,
    CODE,
    LONG,
    BOOL,
    DATE,
    TIMESTAMP,
    TEXT,
    BROKEN,
) = range(CLASSES)

MICROSECONDS_PER_DAY = 86_400_000_000
_POWERS = 10.0 ** np.arange(23)  # the powers of ten that a double holds exactly
_INT64_MAX = np.uint64(2**63 - 1)


@njit(cache=True, nogil=True)
def classify(
    data: Array,
    spans: Array,
    markers: Array,
    marker_ends: Array,
    plain: Array,
    classes: Array,
    values: Array,
) -> None:
    """Classifies and parses cells.

    Fills `classes` (uint8 [columns, rows]) and `values` (int64 [columns, rows]): an integer, the
    bits of a double, 0 or 1, days or microseconds since 1970. `markers` is the concatenation of the
    texts that mean missing, and `marker_ends` (int64 [markers + 1]) their ends. In `plain` columns
    (bool [columns]) every cell that is not missing is text.
    """
    begins_marker = np.zeros(256, np.bool_)
    for marker in range(len(marker_ends) - 1):
        if marker_ends[marker] < marker_ends[marker + 1]:
            begins_marker[markers[marker_ends[marker]]] = True
    for column in range(spans.shape[0]):
        for row in range(spans.shape[1]):
            start, end = spans[column, row]
            may_miss = start == end or begins_marker[data[start]]
            if may_miss and _is_missing(data, start, end, markers, marker_ends):
                classes[column, row] = MISSING
            elif plain[column]:
                classes[column, row] = TEXT if _is_utf8(data, start, end) else BROKEN
            else:
                kind, value = _meaning(data, start, end)
                classes[column, row] = kind
                values[column, row] = value


@njit(cache=True, nogil=True)
def _is_missing(data: Array, start: int, end: int, markers: Array, marker_ends: Array) -> bool:
    for marker in range(len(marker_ends) - 1):
        first = marker_ends[marker]
        if marker_ends[marker + 1] - first == end - start:
            same = True
            for byte in range(end - start):
                if markers[first + byte] != data[start + byte]:
                    same = False
                    break
            if same:
                return True
    return False


@njit(cache=True, nogil=True)
def _meaning(data: Array, start: int, end: int) -> tuple[int, int]:
    """Returns the class and the value of a cell that is not missing."""
    position = start
    negative = position < end and data[position] == 45
    if position < end and (negative or data[position] == 43):
        position += 1
    mantissa, whole, position, lost = _digits(data, position, end, np.uint64(0), 0)
    zeros = whole > 1 and data[position - whole] == 48
    if position == end and whole > 0:
        if lost or mantissa > _INT64_MAX:
            return LONG, 0
        value = np.int64(mantissa)
        return (CODE if zeros else INT), (-value if negative else value)
    if whole == 4 and position == start + 4 and data[position] == 45:
        return _time(data, start, end)
    fraction = 0
    if position < end and data[position] == 46:
        mantissa, fraction, position, lost = _digits(data, position + 1, end, mantissa, whole)
    if whole + fraction == 0:
        return _word(data, start, end)
    exponent = 0
    if position < end and (data[position] == 101 or data[position] == 69):
        position, exponent = _exponent(data, position + 1, end)
    if position != end:
        return _word(data, start, end)
    if zeros:
        return TEXT, 0
    power = exponent - fraction
    if lost or mantissa >= np.uint64(1 << 53) or power > 22 or power < -22:
        return PRECISE, 0
    value = np.float64(mantissa)
    value = value * _POWERS[power] if power >= 0 else value / _POWERS[-power]
    return FLOAT, _bits(-value if negative else value)


@njit(cache=True, nogil=True)
def _bits(value: float) -> int:
    return np.float64(value).view(np.int64)


@njit(cache=True, nogil=True)
def _digits(
    data: Array, position: int, end: int, mantissa: int, count: int
) -> tuple[int, int, int, bool]:
    """Reads digits; returns the mantissa, the number of digits, the position after them, and
    whether the mantissa overflowed."""
    lost = False
    first = position
    while position < end and 48 <= data[position] <= 57:
        if mantissa > np.uint64(1844674407370955160):
            lost = True
        else:
            mantissa = mantissa * np.uint64(10) + np.uint64(data[position] - 48)
        position += 1
    return mantissa, position - first, position, lost


@njit(cache=True, nogil=True)
def _exponent(data: Array, position: int, end: int) -> tuple[int, int]:
    """Reads an exponent after its e; returns the position after it (-1: no digits) and it."""
    negative = position < end and data[position] == 45
    if position < end and (negative or data[position] == 43):
        position += 1
    first = position
    exponent = 0
    while position < end and 48 <= data[position] <= 57:
        exponent = min(10 * exponent + data[position] - 48, 9999)
        position += 1
    return (position if position > first else -1), (-exponent if negative else exponent)


@njit(cache=True, nogil=True)
def _number(data: Array, position: int, end: int, size: int) -> int:
    """Returns the number of exactly `size` digits at `position`, or -1."""
    if position + size > end:
        return -1
    value = 0
    for place in range(position, position + size):
        if data[place] < 48 or data[place] > 57:
            return -1
        value = 10 * value + data[place] - 48
    return value


@njit(cache=True, nogil=True)
def _days(year: int, month: int, day: int) -> int:
    """Returns the days since 1970-01-01 of a Gregorian date.

    Source: days_from_civil in Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    """
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - 719468


@njit(cache=True, nogil=True)
def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


@njit(cache=True, nogil=True)
def _time(data: Array, start: int, end: int) -> tuple[int, int]:
    """Reads 2013-01-31, optionally followed by a time of day."""
    year = _number(data, start, end, 4)
    month = _number(data, start + 5, end, 2)
    day = _number(data, start + 8, end, 2)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= _days_in_month(year, month):
        return _word(data, start, end)
    if data[start + 7] != 45:
        return _word(data, start, end)
    days = _days(year, month, day)
    if end == start + 10:
        return DATE, days
    micros, position = _time_of_day(data, start + 10, end)
    offset, position = _offset(data, position, end)
    if position != end:
        return _word(data, start, end)
    return TIMESTAMP, days * MICROSECONDS_PER_DAY + micros - offset


@njit(cache=True, nogil=True)
def _time_of_day(data: Array, position: int, end: int) -> tuple[int, int]:
    """Reads T08:30, T08:30:00 or T08:30:00.25; a space may replace the T.

    Returns the microseconds since midnight, and the position after it or -1 if it is malformed.
    """
    hour = _number(data, position + 1, end, 2)
    minute = _number(data, position + 4, end, 2)
    if (data[position] != 84 and data[position] != 32) or not 0 <= hour <= 23:
        return 0, -1
    if data[position + 3] != 58 or not 0 <= minute <= 59:
        return 0, -1
    position += 6
    micros = (hour * 60 + minute) * 60_000_000
    if position < end and data[position] == 58:
        second = _number(data, position + 1, end, 2)
        if not 0 <= second <= 59:
            return 0, -1
        position += 3
        micros += second * 1_000_000
        if position < end and data[position] == 46:
            position += 1
            first = position
            unit = 100_000
            while position < end and 48 <= data[position] <= 57:
                micros += (data[position] - 48) * unit
                unit //= 10
                position += 1
            if not 1 <= position - first <= 9:
                return 0, -1
    return micros, position


@njit(cache=True, nogil=True)
def _offset(data: Array, position: int, end: int) -> tuple[int, int]:
    """Reads Z, +01:00, +0100, or nothing (UTC); returns microseconds and the position after it."""
    if position < 0 or position == end:
        return 0, position
    if data[position] == 90:
        return 0, position + 1
    if data[position] != 43 and data[position] != 45:
        return 0, -1
    colon = 1 if position + 3 < end and data[position + 3] == 58 else 0
    hours = _number(data, position + 1, end, 2)
    minutes = _number(data, position + 3 + colon, end, 2)
    if not 0 <= hours <= 23 or not 0 <= minutes <= 59:
        return 0, -1
    micros = (hours * 60 + minutes) * 60_000_000
    return (-micros if data[position] == 45 else micros), position + 5 + colon


_WORDS = np.frombuffer(b"true\0\0\0\0false\0\0\0inf\0\0\0\0\0infinitynan\0\0\0\0\0", np.uint8)


@njit(cache=True, nogil=True)
def _word(data: Array, start: int, end: int) -> tuple[int, int]:
    """Returns the class and value of a cell that is not a number or time: a bool, inf or text."""
    signed = end > start and (data[start] == 43 or data[start] == 45)
    first = start + 1 if signed else start
    if end - first in (3, 4, 5, 8):
        for word in range(5):
            same = True
            for place in range(8):
                letter = data[first + place] | 32 if first + place < end else 0
                if letter != _WORDS[8 * word + place]:
                    same = False
                    break
            if same and word < 2 and not signed:
                return BOOL, 1 - word
            if same and word in (2, 3):
                return INFINITE, _bits(-np.inf if data[start] == 45 else np.inf)
            if same and word == 4:
                return PRECISE, 0
    return (TEXT if _is_utf8(data, start, end) else BROKEN), 0


@njit(cache=True, nogil=True)
def _is_utf8(data: Array, start: int, end: int) -> bool:
    position = start
    while position < end:
        lead = data[position]
        position += 1
        if lead < 0x80:
            continue
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
        elif 0xF0 <= lead <= 0xF4:
            more = 3
        else:
            return False
        if position + more > end:
            return False
        # The second byte must not make the code point too short, a surrogate or too large.
        low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
        high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
        if not low <= data[position] <= high:
            return False
        for place in range(position + 1, position + more):
            if not 0x80 <= data[place] <= 0xBF:
                return False
        position += more
    return True
