"""Numbers and times as people write them, read by compiled kernels.

Numbers: `$1,234.50`, `12,5 %`, `(300)`, `300-`, `1 234 567`. Times: any order of day, month and
year, names of months, 12-hour clocks. How a column is written is known here; it is found in
millrace.ingestion.formats.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from numba import njit

from millrace.ingestion import cells

Array = np.ndarray[Any, Any]

# What `count_numbers` counts.
COUNTS = 5
FITS, WHOLE, DECIMAL, GROUPED, PERCENT = range(COUNTS)

# Longer ones before those that begin like them.
CURRENCIES = (
    *("US$", "R$", "A$", "C$", "$", "£", "€", "¥", "₹", "₽", "₺", "₩", "₪", "₫", "₴", "฿"),
    *("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "TRY", "SGD", "HKD", "KRW", "RUB"),
    *("kr.", "kr", "zł", "Kč", "Ft", "Rs.", "Rs"),
)
_TEXT = np.frombuffer("".join(CURRENCIES).encode(), np.uint8)
_ENDS = np.cumsum([0, *(len(text.encode()) for text in CURRENCIES)])

SPACE, APOSTROPHE = ord(" "), ord("'")

# What `read_time` does with an op: the directives of strptime, and a byte to be found as it is.
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
def _space(data: Array, position: int, end: int) -> int:
    """Returns how many bytes the space at `position` has: a space, a no-break one, or none: 0."""
    if position >= end:
        return 0
    if data[position] == 32:
        return 1
    if position + 1 < end and data[position] == 0xC2 and data[position + 1] == 0xA0:
        return 2
    if position + 2 < end and data[position] == 0xE2 and data[position + 1] == 0x80:
        last = data[position + 2]
        return 3 if last == 0xAF or last == 0x89 else 0
    return 0


@njit(cache=True, nogil=True)
def _spaces(data: Array, position: int, end: int) -> int:
    """Returns the position behind the spaces at `position`."""
    while True:
        size = _space(data, position, end)
        if size == 0:
            return position
        position += size


@njit(cache=True, nogil=True)
def _currency(data: Array, position: int, end: int) -> tuple[int, int]:
    """Returns which currency stands at `position`, from 1, or 0, and the position behind it."""
    for currency in range(len(_ENDS) - 1):
        first, size = _ENDS[currency], _ENDS[currency + 1] - _ENDS[currency]
        if position + size <= end:
            same = True
            for byte in range(size):
                if data[position + byte] != _TEXT[first + byte]:
                    same = False
                    break
            if same:
                return currency + 1, position + size
    return 0, position


@njit(cache=True, nogil=True)
def _sign(data: Array, position: int, end: int) -> tuple[int, int]:
    """Returns 1 for a plus, -1 for a minus, 0 for neither, and the position behind."""
    if position < end and data[position] == 43:
        return 1, position + 1
    if position < end and data[position] == 45:
        return -1, position + 1
    if (
        position + 2 < end
        and data[position] == 0xE2
        and data[position + 1] == 0x88
        and data[position + 2] == 0x92
    ):
        return -1, position + 3
    return 0, position


@njit(cache=True, nogil=True)
def _separator(data: Array, position: int, end: int, thousands: int) -> int:
    """Returns how many bytes the separator of thousands at `position` has, 0 for none."""
    if position >= end or thousands == 0:
        return 0
    if thousands == SPACE:
        return _space(data, position, end)
    if data[position] == thousands:
        return 1
    if thousands == APOSTROPHE and position + 2 < end and data[position] == 0xE2:
        return 3 if data[position + 1] == 0x80 and data[position + 2] == 0x99 else 0
    return 0


@njit(cache=True, nogil=True)
def _whole(
    data: Array, position: int, end: int, thousands: int
) -> tuple[int, int, int, bool, bool]:
    """Reads digits with separators of thousands among them.

    Returns the mantissa, how many digits there are (-1: no such number), the position behind,
    whether there are separators, and whether the mantissa has lost digits.
    """
    first = position
    mantissa, digits, position, lost = cells._digits(data, position, end, np.uint64(0), 0)
    if digits > 1 and data[first] == 48:
        return mantissa, -1, position, False, lost
    groups, inner, last = 0, 0, 0
    while True:
        size = _separator(data, position, end, thousands)
        behind = position + size
        if size == 0 or behind >= end or not 48 <= data[behind] <= 57:
            break
        if groups == 0 and (digits < 1 or digits > 3 or data[first] == 48):
            return mantissa, -1, position, True, lost
        # All groups but the last are of three digits, or of two, as in India.
        inner = last if groups == 1 else inner
        if groups > 0 and (last != inner or (inner != 3 and inner != 2)):
            return mantissa, -1, position, True, lost
        mantissa, last, position, more = cells._digits(data, behind, end, mantissa, digits)
        lost = lost or more
        digits += last
        groups += 1
    if groups > 0 and last != 3:
        return mantissa, -1, position, True, lost
    return mantissa, digits, position, groups > 0, lost


@njit(cache=True, nogil=True)
def read_number(
    data: Array, start: int, end: int, decimal: int, thousands: int
) -> tuple[int, int, int, int]:
    """Reads a number as people write it.

    Returns its class (cells.INT, FLOAT, PRECISE, or TEXT when it is no number), its value as
    cells.classify does, which of the bits `1 << DECIMAL`, GROUPED and PERCENT apply, and which
    currency it names, from 1, or 0. Percent are not divided: 12.5% is 12.5.
    """
    none = cells.TEXT, 0, 0, 0
    traits, position, sides = 0, start, 0
    brackets = end - start > 2 and data[start] == 40 and data[end - 1] == 41
    if brackets:
        position, end, sides = start + 1, end - 1, 1
    sign, position = _sign(data, position, end)
    position = _spaces(data, position, end)
    currency = 0
    if position < end and not 48 <= data[position] <= 57 and data[position] != decimal:
        currency, position = _currency(data, position, end)
        position = _spaces(data, position, end)
        if sign == 0:
            sign, position = _sign(data, position, end)
    sides += 1 if sign != 0 else 0
    mantissa, digits, position, grouped, lost = _whole(data, position, end, thousands)
    fraction = 0
    if digits < 0:
        return none
    if grouped:
        traits |= 1 << GROUPED
    point = position < end and data[position] == decimal
    if point:
        traits |= 1 << DECIMAL
        mantissa, fraction, position, more = cells._digits(
            data, position + 1, end, mantissa, digits
        )
        lost = lost or more
    if digits + fraction == 0:
        return none
    exponent = 0
    if position < end and not grouped and (data[position] == 101 or data[position] == 69):
        position, exponent = cells._exponent(data, position + 1, end)
        if position < 0:
            return none
        point = True
    position = _spaces(data, position, end)
    if position < end and data[position] == 37:
        traits |= 1 << PERCENT
        position += 1
    elif position < end and currency == 0:
        currency, position = _currency(data, position, end)
        position = _spaces(data, position, end)
    if position < end and sides == 0:
        sign, position = _sign(data, position, end)
    if position != end:
        return none
    negative = brackets or sign < 0
    if brackets and sign != 0:
        return none
    if not point and not lost and mantissa <= np.uint64(2**63 - 1):
        value = np.int64(mantissa)
        return cells.INT, (-value if negative else value), traits, currency
    power = exponent - fraction
    if lost or mantissa >= np.uint64(1 << 53) or power > 22 or power < -22:
        return cells.PRECISE, 0, traits, currency
    number = np.float64(mantissa)
    number = number * cells._POWERS[power] if power >= 0 else number / cells._POWERS[-power]
    return cells.FLOAT, cells._bits(-number if negative else number), traits, currency


@njit(cache=True, nogil=True)
def count_numbers(
    data: Array,
    spans: Array,
    wanted: Array,
    decimals: Array,
    thousands: Array,
    counts: Array,
    currencies: Array,
) -> None:
    """Counts, for each way to write a number, the cells that fit it and what they hold.

    Args:
      spans: int64 [rows, 2], the cells; `wanted`, bool [rows], says which are looked at.
      decimals: uint8 [ways], the bytes that separate the decimals.
      thousands: uint8 [ways], those that separate the thousands.
      counts: int64 [ways, COUNTS], added to.
      currencies: int64 [ways], a bit for each currency that is met, added to.
    """
    for row in range(len(spans)):
        if not wanted[row]:
            continue
        for way in range(len(decimals)):
            kind, _, traits, currency = read_number(
                data, spans[row, 0], spans[row, 1], decimals[way], thousands[way]
            )
            if kind != cells.TEXT:
                counts[way, FITS] += 1
                counts[way, WHOLE] += kind == cells.INT
                for trait in (DECIMAL, GROUPED, PERCENT):
                    counts[way, trait] += (traits >> trait) & 1
                if currency > 0:
                    currencies[way] |= np.int64(1) << np.int64(currency)


@njit(cache=True, nogil=True)
def read_numbers(
    data: Array,
    spans: Array,
    decimal: int,
    thousands: int,
    classes: Array,
    values: Array,
) -> None:
    """Reads the cells that are not missing: fills `classes` (uint8 [rows]) and `values` (int64)."""
    for row in range(len(spans)):
        if classes[row] != cells.MISSING:
            kind, value, _, _ = read_number(data, spans[row, 0], spans[row, 1], decimal, thousands)
            classes[row], values[row] = kind, value


@njit(cache=True, nogil=True)
def _short(data: Array, position: int, end: int, most: int) -> tuple[int, int]:
    """Reads one or more digits, at most so many; returns the number, or -1, and the position."""
    value, first = 0, position
    while position < end and position - first < most and 48 <= data[position] <= 57:
        value = 10 * value + data[position] - 48
        position += 1
    return (value if position > first else -1), position


@njit(cache=True, nogil=True)
def _name(data: Array, position: int, end: int, first: int, names: int) -> tuple[int, int]:
    """Reads a name of a month or a weekday, whole or its first three letters, any case.

    Returns which it is, from 0, or -1, and the position behind it.
    """
    letters = 0
    while position + letters < end and 97 <= (data[position + letters] | 32) <= 122:
        letters += 1
    for name in range(first, first + names):
        size = 0
        while size < 9 and _NAMES[9 * name + size] != 0:
            size += 1
        # The fourth letter of Sept is used too.
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
    """Reads so many units of microseconds since 1970; returns those and the position, or -1."""
    negative = position < end and data[position] == 45
    mantissa, digits, position, lost = cells._digits(
        data, position + 1 if negative else position, end, np.uint64(0), 0
    )
    # Whole numbers that a database has made floats of end in .0
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
    """Reads a time as `ops` (int64 [ops, 2]: an op and the byte of a literal) say.

    Returns whether it is one, and its microseconds since 1970 in UTC.
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
    """Returns how many of the `wanted` cells are times written so."""
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
