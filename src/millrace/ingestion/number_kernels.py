"""Compiled kernels that parse formatted numbers.

Examples: `$1,234.50`, `12,5 %`, `(300)`, `$(300)`, `300-`, `1 234 567`. The caller says which
separators a column uses; millrace.ingestion.formats finds them.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from numba import njit

from millrace.ingestion import cells

Array = np.ndarray[Any, Any]

# The counts of `count_numbers`.
COUNTS = 5
FITS, WHOLE, DECIMAL, GROUPED, PERCENT = range(COUNTS)

# Longer names come before their prefixes.
CURRENCIES = (
    *("US$", "R$", "A$", "C$", "$", "£", "€", "¥", "₹", "₽", "₺", "₩", "₪", "₫", "₴", "฿"),
    *("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "TRY", "SGD", "HKD", "KRW", "RUB"),
    *("kr.", "kr", "zł", "Kč", "Ft", "Rs.", "Rs"),
)
_TEXT = np.frombuffer("".join(CURRENCIES).encode(), np.uint8)
_ENDS = np.cumsum([0, *(len(text.encode()) for text in CURRENCIES)])

SPACE, APOSTROPHE = ord(" "), ord("'")


@njit(cache=True, nogil=True)
def _space(data: Array, position: int, end: int) -> int:
    """Returns the number of bytes of the space or no-break space at `position`; 0 if none."""
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
    """Returns the position after the spaces at `position`."""
    while True:
        size = _space(data, position, end)
        if size == 0:
            return position
        position += size


@njit(cache=True, nogil=True)
def _currency(data: Array, position: int, end: int) -> tuple[int, int]:
    """Returns the currency at `position`, from 1 (0: none), and the position after it."""
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
    """Returns 1 for a plus, -1 for a minus, 0 for neither, and the position after it."""
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
    """Returns the number of bytes of the thousands separator at `position`; 0 if none."""
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
    """Reads digits, optionally with thousands separators.

    Returns the mantissa, the number of digits (-1: malformed), the position after them, whether
    there are separators, and whether the mantissa overflowed.
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
        # Groups have three digits; in India all but the last have two.
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
    """Reads a formatted number.

    Returns its class (cells.INT, FLOAT or PRECISE; TEXT if it is not a number), its value as in
    cells.classify, the bits `1 << DECIMAL`, GROUPED and PERCENT that apply, and the number of its
    currency, from 1 (0: none). Percentages are not divided: 12.5% is 12.5.
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
        if position < end and data[position] == 40 and data[end - 1] == 41 and not brackets:
            brackets, position, end, sides = True, position + 1, end - 1, 1
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
        behind, power = cells._exponent(data, position + 1, end)
        # No digits after the E: it may be the start of EUR.
        if behind >= 0:
            position, exponent, point = behind, power, True
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
    """Counts, for each number format, the cells that fit it and their features.

    Args:
      data: the bytes of the cells, uint8.
      spans: the start and end of each cell, int64 [rows, 2].
      wanted: the rows to count, bool [rows].
      decimals: the decimal separator of each format, uint8 [formats].
      thousands: the thousands separator of each format, uint8 [formats].
      counts: the counts to add to, int64 [formats, COUNTS].
      currencies: a bit for each currency found, to add to, int64 [formats].
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
