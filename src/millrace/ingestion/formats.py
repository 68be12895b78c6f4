"""Non-standard formats of a column's numbers or times.

A format comes from the config or is inferred: of all known formats, the one that all cells of the
column fit. If several formats fit and give different values, the rest of the table decides, or the
column is refused.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np

from millrace.artifacts.schema import SchemaColumn
from millrace.errors import MillraceError
from millrace.ingestion import cells, number_kernels, time_kernels

Array = np.ndarray[Any, Any]

# Both directives accept full and abbreviated names of months and weekdays.
_ALIKE = {"b": "B", "A": "a"}

TIME_DIRECTIVES = frozenset("HIMSfpzZsQ")

# The number of distinct cells of a column that select the formats to try.
SAMPLES = 50

# A format that fits a smaller share of the samples is not tried on the rest of the table.
LEAST_SHARE = 0.25

_THOUSANDS = {"": 0, ",": 44, ".": 46, " ": number_kernels.SPACE, "'": number_kernels.APOSTROPHE}


@dataclass(frozen=True)
class NumberFormat:
    """A format of numbers, optionally with a currency, a percent sign, or brackets for a minus.

    `decimal` separates the fraction; `thousands` separates groups of digits: nothing, a comma, a
    point, a space (of any kind) or an apostrophe.
    """

    decimal: str
    thousands: str

    def read(self, data: Array, spans: Array, classes: Array) -> tuple[Array, Array]:
        """Returns the classes and values of cells, like cells.classify: uint8 and int64 [rows].

        Args:
          data: the bytes of the cells.
          spans: the start and end of each cell, int64 [rows, 2].
          classes: uint8 [rows]; only cells.MISSING is used.
        """
        found, values = classes.copy(), np.zeros(len(classes), np.int64)
        signs = ord(self.decimal), _THOUSANDS[self.thousands]
        number_kernels.read_numbers(data, spans, *signs, found, values)
        for row in np.flatnonzero(found == cells.PRECISE).tolist():
            number = self._precise(data[slice(*spans[row])].tobytes().decode())
            values[row : row + 1] = np.array([number]).view(np.int64)
            found[row] = cells.FLOAT
        return found, values

    def _precise(self, text: str) -> float:
        """Parses a number with more digits than the kernel supports."""
        kept = [letter for letter in text if letter in f"0123456789eE-{self.decimal}"]
        digits = "".join(kept).replace(self.decimal, ".")
        negative = "(" in text or "−" in text or digits.endswith("-")
        return -abs(float(digits.rstrip("-"))) if negative else float(digits)

    def __str__(self) -> str:
        return f"1{self.thousands}000{self.decimal}5"

    def describe(self, column: SchemaColumn) -> SchemaColumn:
        """Returns the column of schema.json with this format added."""
        return replace(column, decimal=self.decimal, thousands=self.thousands)


@dataclass(frozen=True)
class TimeFormat:
    """A format of times: a pattern of strptime's directives.

    `%s` and `%Q` are seconds and milliseconds since 1970; `%Z` is UTC, GMT or Z. Raises
    MillraceError when the pattern has an unknown directive, or has no year and month.
    """

    pattern: str

    def __post_init__(self) -> None:
        known = [letter for directive, letter in _parts(self.pattern) if directive]
        allowed = time_kernels.OPS + "".join(_ALIKE)
        if unknown := [letter for letter in known if letter not in allowed]:
            raise MillraceError(
                f"format {self.pattern!r}: expected directives out of "
                f"{', '.join('%' + letter for letter in allowed)}, found %{unknown[0]}.",
                note="see `format` under data.types in docs/reference/config.md.",
            )
        if not ({"Y", "y"} & set(known) and {"m", "b", "B"} & set(known)) and not (
            {"s", "Q"} & set(known)
        ):
            raise MillraceError(
                f"format {self.pattern!r}: expected a year and a month, found none.",
                note="write it as in Python's strptime, such as %d/%m/%Y or %m/%d/%Y %H:%M.",
            )

    @property
    def kind(self) -> str:
        """The type of the values: timestamp if the pattern has a time of day, else date."""
        directives = {letter for directive, letter in _parts(self.pattern) if directive}
        return "timestamp" if directives & TIME_DIRECTIVES else "date"

    @cached_property
    def ops(self) -> Array:
        """The pattern as instructions for the kernels, (op, literal byte): int64 [ops, 2]."""
        found: list[tuple[int, int]] = []
        for directive, letter in _parts(self.pattern):
            if directive:
                op = time_kernels.OPS.index(_ALIKE.get(letter, letter))
                found.append((op, 0))
            else:
                found += [(time_kernels.LITERAL, byte) for byte in letter.encode()]
        return np.array(found, np.int64).reshape(-1, 2)

    def read(self, data: Array, spans: Array, classes: Array) -> tuple[Array, Array]:
        """Returns the classes and values of cells; see `NumberFormat.read`."""
        found, values = classes.copy(), np.zeros(len(classes), np.int64)
        kind = cells.DATE if self.kind == "date" else cells.TIMESTAMP
        time_kernels.read_times(data, spans, self.ops, kind, found, values)
        return found, values

    def write(self, time: datetime) -> str:
        """Returns a time, in UTC and without a zone, in this format."""
        return "".join(
            _directive(letter, time) if directive else letter
            for directive, letter in _parts(self.pattern)
        )

    def __str__(self) -> str:
        return self.pattern

    def describe(self, column: SchemaColumn) -> SchemaColumn:
        """Returns the column of schema.json with this format added."""
        return replace(column, format=self.pattern)


def _directive(letter: str, time: datetime) -> str:
    if letter in "sQ":
        micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        whole, rest = divmod(abs(micros), 1_000_000 if letter == "s" else 1000)
        return f"{'-' if micros < 0 else ''}{whole}.{rest:0{6 if letter == 's' else 3}}"
    # strftime does not pad years, and only writes a zone if the time has one.
    own = {"Y": f"{time.year:04}", "z": "+0000", "Z": "UTC"}
    return own.get(letter) or time.strftime(f"%{letter}")


Format = NumberFormat | TimeFormat


class Written(Protocol):
    """A description of how a column's cells are written: of `data.types`, or of a schema."""

    @property
    def decimal(self) -> str | None:
        """The decimal separator."""

    @property
    def thousands(self) -> str | None:
        """The thousands separator."""

    @property
    def format(self) -> str | None:
        """The format of times."""


def of_column(column: Written) -> Format | None:
    """Returns the format of a column, or None."""
    if column.format is not None:
        return TimeFormat(column.format)
    if column.decimal is not None or column.thousands is not None:
        thousands = column.thousands or ""
        decimal = column.decimal or ("," if thousands == "." else ".")
        if decimal == thousands:
            raise MillraceError(
                f"decimal and thousands: expected different characters, found {decimal!r} for "
                "both.",
                note="change one of them.",
            )
        return NumberFormat(decimal, thousands)
    return None


def _parts(pattern: str) -> list[tuple[bool, str]]:
    """Splits a pattern into directives, as (True, letter), and literal text, as (False, text)."""
    found, rest = [], iter(pattern)
    for letter in rest:
        following = next(rest, "") if letter == "%" else ""
        found.append((False, following or letter) if following in ("", "%") else (True, following))
    return found


NUMBERS = tuple(
    NumberFormat(decimal, thousands)
    for decimal, others in ((".", ",' "), (",", ".' "))
    for thousands in ("", *others)
)

_DATES = (
    *("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%Y{0}%d{0}%m"),
    *("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%d{0}%b{0}%Y", "%d{0}%b{0}%y"),
)
_MONTHS = ("%m{0}%Y", "%Y{0}%m", "%b{0}%Y", "%Y{0}%b")
_NAMED = ("%b %d, %Y", "%b %d %Y", "%a, %d %b %Y", "%a %b %d %Y", "%b, %Y", "%b-%y", "%b %y")
_TIMES = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", "T%H:%M", "T%H:%M:%S.%f"),
    *(" %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I %p"),
)
_ZONES = ("", " %Z", " %z", "%z")
_OTHERS = ("%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y")


# A digit, a separator and a digit, or a separator between the name of a month and a digit.
_LIKE_A_TIME = re.compile(
    rb"(?i)\d[-/. ]\d|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-/., ]+\d"
    rb"|\d[-/. ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
)


@cache
def _times() -> tuple[TimeFormat, ...]:
    """Returns all formats of times that inference tries."""
    dates = [date.format(sign) for date in _DATES for sign in "/-. "]
    dates += [date for date in _NAMED if "%d" in date]
    moments = [
        date + time + zone
        for date, time, zone in itertools.product(dates, _TIMES, _ZONES)
        if time or not zone
    ]
    months = [month.format(sign) for month in _MONTHS for sign in "/-. "]
    others = [date for date in _NAMED if "%d" not in date]
    return tuple(map(TimeFormat, [*moments, *months, *others, *_OTHERS]))


class Evidence:
    """Counts of the cells of one column that fit each possible format.

    Args:
      given: the decimal and thousands separators in the config, each None if not given.
    """

    def __init__(self, given: tuple[str | None, str | None] = (None, None)) -> None:
        self._is_given = given != (None, None)
        self.samples: dict[bytes, None] = {}
        self.numbers = [way for way in NUMBERS if _agrees(way, given)]
        self.times: list[TimeFormat] = []
        self.number_counts = np.zeros((len(self.numbers), number_kernels.COUNTS), np.int64)
        self.currencies = np.zeros(len(self.numbers), np.int64)
        self.time_counts: list[int] = []
        self._looked = False

    def add(self, data: Array, spans: Array, classes: Array, taken: Array) -> None:
        """Counts the cells of a block (spans: int64 [rows, 2], classes: uint8 [rows]) in the rows
        selected by `taken`, bool [rows]."""
        wanted = taken & (classes != cells.MISSING)
        odd = (cells.TEXT, cells.FLOAT, cells.PRECISE) if self._is_given else (cells.TEXT,)
        self._sample(data, spans, wanted & np.isin(classes, odd))
        if not self._looked:
            self._look()
        if self.numbers:
            signs = _signs(self.numbers)
            number_kernels.count_numbers(
                data, spans, wanted, *signs, self.number_counts, self.currencies
            )
        for place, way in enumerate(self.times):
            self.time_counts[place] += time_kernels.count_times(data, spans, wanted, way.ops)

    def add_plain(self, whole: int, fractions: int) -> None:
        """Counts cells that are numbers in standard form."""
        with_point = np.array([way.decimal == "." for way in self.numbers], np.int64)
        self.number_counts[:, number_kernels.FITS] += whole + fractions * with_point
        self.number_counts[:, number_kernels.WHOLE] += whole
        self.number_counts[:, number_kernels.DECIMAL] += fractions * with_point

    def values(self, way: Format) -> list[Any]:
        """Returns the values of the samples in a format; see `read_texts`."""
        return read_texts(list(self.samples), way)

    def _sample(self, data: Array, spans: Array, texts: Array) -> None:
        if len(self.samples) < SAMPLES:
            rows = np.flatnonzero(texts)[: 4 * SAMPLES]
            found = [data[slice(*spans[row])].tobytes() for row in rows.tolist()]
            self.samples |= dict.fromkeys(found[: SAMPLES - len(self.samples)])

    def _look(self) -> None:
        """Selects the formats to count by the first cells that are text."""
        self._looked = True
        texts = [text for text in self.samples if len(text) < 64]
        data, spans = _joined(texts)
        wanted = np.ones(len(texts), np.bool_)
        least = max(1, LEAST_SHARE * len(self.samples))
        counts, currencies = np.zeros_like(self.number_counts), np.zeros_like(self.currencies)
        number_kernels.count_numbers(data, spans, wanted, *_signs(self.numbers), counts, currencies)
        kept = np.flatnonzero(counts[:, number_kernels.FITS] >= least)
        self.numbers = [self.numbers[place] for place in kept.tolist()]
        self.number_counts, self.currencies = self.number_counts[kept], self.currencies[kept]
        # There are many formats of times, so columns without any sign of a time skip them all.
        if sum(1 for text in texts if _LIKE_A_TIME.search(text)) >= least:
            self.times = [
                way
                for way in _times()
                if time_kernels.count_times(data, spans, wanted, way.ops) >= least
            ]
        self.time_counts = [0] * len(self.times)


def read_texts(texts: Sequence[bytes], way: Format) -> list[Any]:
    """Returns the values of texts in a format: int, float or ISO 8601; None if one does not fit."""
    data, spans = _joined(texts)
    classes, values = way.read(data, spans, np.full(len(texts), cells.TEXT, np.uint8))
    return [
        {
            cells.INT: lambda value=value: int(value),
            cells.FLOAT: lambda value=value: float(value.view(np.float64)),
            cells.DATE: lambda value=value: str(value.astype("datetime64[D]")),
            cells.TIMESTAMP: lambda value=value: str(value.astype("datetime64[us]")),
        }.get(int(kind), lambda: None)()
        for kind, value in zip(classes, values, strict=True)
    ]


def _joined(texts: Sequence[bytes]) -> tuple[Array, Array]:
    """Returns texts in the kernels' layout: their bytes, and their spans, int64 [texts, 2]."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer(b"".join(texts) + b"\0", np.uint8), np.stack([ends[:-1], ends[1:]], axis=1)


def _agrees(way: NumberFormat, given: tuple[str | None, str | None]) -> bool:
    decimal, thousands = given
    return (decimal is None or way.decimal == decimal) and (
        thousands is None or way.thousands in ("", thousands)
    )


def _signs(ways: Sequence[NumberFormat]) -> tuple[Array, Array]:
    decimals = np.array([ord(way.decimal) for way in ways], np.uint8)
    return decimals, np.array([_THOUSANDS[way.thousands] for way in ways], np.uint8)
