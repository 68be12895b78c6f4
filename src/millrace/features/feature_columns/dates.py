"""Dates and times: parts, cycles and elapsed days, exact in every runtime.

A date is passed to a model as float32 [n], days since 1970-01-01, and a timestamp as float32
[n, 2], days and seconds of the day in UTC, because only TensorFlow can parse the text of a date,
and float32 cannot represent seconds since 1970. NaN means missing.
"""

from __future__ import annotations

import datetime
import math
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import ColumnStatistics, TextStatistics
from millrace.config.feature_bases import DateConfig
from millrace.config.features import CyclicConfig, DatePartConfig, ElapsedConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import (
    Categorical,
    Context,
    FeatureColumn,
    NumberInput,
    Raw,
)
from millrace.features.feature_columns.numeric import Numeric
from millrace.statistics.number_statistics import describe_numbers

EPOCH = datetime.date(1970, 1, 1)
SECONDS_PER_DAY = 86_400
# 0001-01-01 and 9999-12-31; days beyond are clipped.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
# The parts of a date, with the number of values of each.
PARTS = {"month": 12, "day": 31, "weekday": 7, "hour": 24}


@dataclass(frozen=True)
class Clock:
    """Converts a column of dates or timestamps to the local time of a time zone.

    Attributes:
        column: the raw column.
        is_timestamp: whether it has seconds.
        offset: the zone's offset from UTC in seconds before the first change.
        changes: day and second (both UTC) of each change, and the seconds that it adds.
    """

    column: str
    is_timestamp: bool
    offset: int = 0
    changes: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def learn(cls, name: str, settings: DateConfig, context: Context) -> Clock:
        """Checks that the raw column is a date or timestamp, and looks up the zone's changes."""
        column, statistics = context.column(name, settings.column)
        if statistics.type not in ("date", "timestamp"):
            raise MillraceError(
                f"features.{name}: expected a column of dates or timestamps, found {column!r} of "
                f"type {statistics.type}.",
                note=f"declare data.types: {{{column}: date}} if its cells are dates.",
            )
        zone = settings.timezone
        is_timestamp = statistics.type == "timestamp"
        if zone == "UTC":
            return cls(column, is_timestamp)
        if not is_timestamp:
            raise MillraceError(
                f"features.{name}.timezone: expected none for {column!r}, which is of type date, "
                f"found {zone!r}.",
                note="a date without a time is the same day everywhere.",
            )
        return cls(column, True, *_changes(f"features.{name}.timezone", zone))

    def read(self, raw: Raw) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns local days and seconds of the day, float32 [n, 1], and which are missing."""
        x = tf.reshape(raw[self.column], [-1, 2 if self.is_timestamp else 1])
        days = x[:, :1]
        seconds = x[:, 1:] if self.is_timestamp else tf.zeros_like(days)
        missing = tf.logical_or(tf.not_equal(days, days), tf.not_equal(seconds, seconds))
        days = tf.where(missing, 0.0, tf.minimum(tf.maximum(days, FIRST_DAY), LAST_DAY))
        seconds = tf.where(missing, 0.0, seconds)
        seconds = tf.minimum(tf.maximum(seconds, 0.0), SECONDS_PER_DAY - 1.0)
        if not self.offset and not self.changes:
            return days, seconds, missing
        local = seconds + self._offset(days, seconds)
        carry = tf.floor(local / SECONDS_PER_DAY)
        return days + carry, local - carry * SECONDS_PER_DAY, missing

    def _offset(self, days: tf.Tensor, seconds: tf.Tensor) -> tf.Tensor:
        if not self.changes:
            return tf.constant(float(self.offset))
        day, second, forward = np.array(self.changes, np.float32).T[:, None, :]
        # Exact where it matters: within a day of a change the difference is a small integer.
        since = (days - day) * SECONDS_PER_DAY + (seconds - second)
        passed = tf.cast(tf.greater_equal(since, 0.0), tf.float32)
        return self.offset + tf.reduce_sum(passed * forward, axis=1, keepdims=True)


def _changes(where: str, zone: str) -> tuple[int, tuple[tuple[int, int, int], ...]]:
    """Returns a zone's offset in 1970 and its changes until 2037, where zone files end."""
    try:
        clock = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise MillraceError(
            f"{where}: expected the name of a time zone such as Europe/Paris, found {zone!r}.",
            note="see the TZ identifiers in the IANA time zone database.",
        ) from None

    def offset_at(time: int) -> int:
        ahead = datetime.datetime.fromtimestamp(time, clock).utcoffset()
        return 0 if ahead is None else int(ahead.total_seconds())

    first = offset_at(0)
    changes = []
    for day in range(24_837):
        low, high = day * SECONDS_PER_DAY, (day + 1) * SECONDS_PER_DAY
        before, after = offset_at(low), offset_at(high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(middle) == before else (low, middle)
        changes.append((*divmod(high, SECONDS_PER_DAY), after - before))
    return first, tuple(changes)


def civil(days: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the date of days since 1970-01-01, all int32; the day of the year is from 0.

    Source: civil_from_days in Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    """
    shifted = tf.cast(tf.floor(days), tf.int32) + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    # Counted from March, so that the leap day comes last.
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * of_year + 2) // 153
    month = tf.where(tf.less(shifted_month, 10), shifted_month + 3, shifted_month - 9)
    year = year_of_era + era * 400 + tf.cast(tf.less_equal(month, 2), tf.int32)
    leap = tf.cast(_divides(4, year), tf.int32) - tf.cast(_divides(100, year), tf.int32)
    leap += tf.cast(_divides(400, year), tf.int32)
    return {
        "year": year,
        "month": month,
        "day": of_year - (153 * shifted_month + 2) // 5 + 1,
        "day_of_year": tf.where(tf.greater(month, 2), of_year + 59 + leap, of_year - 306),
    }


def days_since_1970(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Returns the days since 1970-01-01 of dates, int32; the inverse of `civil`, same source."""
    year -= tf.cast(month <= 2, tf.int32)
    era = year // 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    year_of_era = year - era * 400
    of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year
    return era * 146_097 + of_era - 719_468


def parse_time(text: tf.Tensor, type_: str) -> tf.Tensor:
    """Parses dates or timestamps in ISO 8601 and UTC, string [n], "" for missing.

    Returns the days since 1970-01-01, float32 [n]; for a timestamp, days and seconds of the day,
    [n, 2].
    """
    missing = tf.equal(text, "")
    text = tf.where(missing, "1970-01-01T00:00:00Z", text)

    def number(start: int, length: int) -> tf.Tensor:
        return tf.strings.to_number(tf.strings.substr(text, start, length), tf.int32)

    days = tf.cast(days_since_1970(number(0, 4), number(5, 2), number(8, 2)), tf.float32)
    if type_ == "date":
        return tf.where(missing, float("nan"), days)
    # After the minutes: seconds, optionally with a fraction, and the Z of UTC.
    rest = tf.strings.regex_replace(tf.strings.substr(text, 17, -1), "Z", "")
    whole = tf.cast(3600 * number(11, 2) + 60 * number(14, 2), tf.float32)
    both = tf.stack([days, whole + tf.strings.to_number(rest)], axis=1)
    return tf.where(missing[:, None], float("nan"), both)


def _divides(divisor: int, x: tf.Tensor) -> tf.Tensor:
    return tf.equal(x // divisor * divisor, x)


def _days(statistics: ColumnStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Returns the training examples' times, sorted, in days since 1970, and their counts."""
    assert isinstance(statistics, TextStatistics), "`Clock.learn` requires dates"
    texts = [value.removesuffix("Z") for value, _ in statistics.values]
    times = np.array(texts, "datetime64[us]").astype(np.int64) / (SECONDS_PER_DAY * 1e6)
    order = np.argsort(times)
    counts = np.array([count for _, count in statistics.values])
    return times[order], counts[order]


@dataclass(frozen=True)
class DatePart(Categorical):
    """A part of a date as an id: year, month, day, weekday (Monday first) or hour.

    Years outside those of the training examples get the id before the last.
    """

    clock: Clock
    part: str
    first: int
    buckets: int

    kind: ClassVar[str] = "date_part"

    @classmethod
    def learn(cls, name: str, settings: DatePartConfig, context: Context) -> Self:
        clock, part = Clock.learn(name, settings, context), settings.part
        if part == "hour" and not clock.is_timestamp:
            raise MillraceError(
                f"features.{name}.part: expected year, month, day or weekday of {clock.column!r}, "
                "which is of type date, found 'hour'.",
                note="set another part, or read the column as a timestamp under data.types.",
            )
        if part != "year":
            first = 1 if part in ("month", "day") else 0
            return cls(name, clock, part, first, PARTS[part])
        times, _ = _days(context.statistics[clock.column])
        first, last = (
            datetime.date.fromordinal(EPOCH.toordinal() + math.floor(time)).year
            for time in (times[0], times[-1])
        )
        return cls(name, clock, part, first, last - first + 1)

    @property
    def cardinality(self) -> int:
        return self.buckets + 2

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.clock.column,)

    def encode(self, raw: Raw, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        days, seconds, missing = self.clock.read(raw)
        if self.part == "hour":
            value = tf.cast(tf.floor(seconds / 3600.0), tf.int32)
        elif self.part == "weekday":
            # 1970-01-01 was a Thursday.
            shifted = tf.cast(days, tf.int32) + 3
            value = shifted - shifted // 7 * 7
        else:
            value = civil(days)[self.part] - self.first
        inside = tf.logical_and(tf.greater_equal(value, 0), tf.less(value, self.buckets))
        return tf.where(missing, self.buckets + 1, tf.where(inside, value, self.buckets))


@dataclass(frozen=True)
class Cyclic(FeatureColumn):
    """The phase of a time in a day, week or year, as sine and cosine; both 0 if missing."""

    clock: Clock
    period: str

    kind: ClassVar[str] = "cyclic"

    @classmethod
    def learn(cls, name: str, settings: CyclicConfig, context: Context) -> Self:
        clock = Clock.learn(name, settings, context)
        if settings.period == "day" and not clock.is_timestamp:
            raise MillraceError(
                f"features.{name}.period: expected week or year for {clock.column!r}, which is of "
                "type date, found 'day'.",
                note="set another period, or read the column as a timestamp under data.types.",
            )
        return cls(name, clock, settings.period)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.clock.column,)

    @property
    def inputs(self) -> tuple[NumberInput, ...]:
        edges = tuple(np.linspace(-1, 1, 9).tolist())
        return tuple(NumberInput(f"{self.name} {x}", "value", edges) for x in ("sine", "cosine"))

    def encode_numbers(self, raw: Raw) -> tf.Tensor:
        """Returns float32 [n, 2]."""
        days, seconds, missing = self.clock.read(raw)
        turns = seconds / float(SECONDS_PER_DAY)
        if self.period == "week":
            shifted = days + 3.0
            turns = (shifted - tf.floor(shifted / 7.0) * 7.0 + turns) / 7.0
        elif self.period == "year":
            turns = (tf.cast(civil(days)["day_of_year"], tf.float32) + turns) / 365.2425
        angle = turns * (2.0 * math.pi)
        both = tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)
        return tf.where(missing, 0.0, both)


@dataclass(frozen=True)
class Elapsed(Numeric):
    """The days since a given day, normalized like any number."""

    clock: Clock = field(default_factory=lambda: Clock("", False))
    since: int = 0

    kind: ClassVar[str] = "elapsed"

    @classmethod
    def learn(cls, name: str, settings: ElapsedConfig, context: Context) -> Self:
        clock = Clock.learn(name, settings, context)
        statistics = context.statistics[clock.column]
        times, counts = _days(statistics)
        given = settings.since
        try:
            first = datetime.date.fromisoformat(given) if given else None
        except ValueError:
            raise MillraceError(
                f"features.{name}.since: expected a date such as 2013-01-31, found {given!r}.",
                note="write it as YYYY-MM-DD.",
            ) from None
        since = (first - EPOCH).days if first else math.floor(times[0])
        described = describe_numbers(
            f"{clock.column!r}", "float32", statistics.rows, times - since, counts
        )
        return cls._from_statistics(
            name, settings, clock.column, described, clock=clock, since=since
        )

    def _number(self, raw: Raw) -> tf.Tensor:
        days, seconds, missing = self.clock.read(raw)
        elapsed = days - float(self.since) + seconds / float(SECONDS_PER_DAY)
        return tf.where(missing, float("nan"), elapsed)
