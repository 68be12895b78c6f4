"""The interpretation of cells, compared with Python's parsers."""

import math
import re
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.ingestion import cells, count_kernels

NO_MARKERS = np.empty(0, np.uint8), np.zeros(1, np.int64)

INFINITY = int(np.float64(np.inf).view(np.int64))
MINUS_INFINITY = int(np.float64(-np.inf).view(np.int64))


def classify(
    texts: list[str | bytes], markers: tuple[str, ...] = (), plain: bool = False
) -> tuple[list, list]:
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    ends = np.cumsum([0, *map(len, encoded)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)[None].astype(np.int64)
    classes, values = np.zeros((1, len(texts)), np.uint8), np.zeros((1, len(texts)), np.int64)
    marker_ends = np.cumsum([0, *(len(marker) for marker in markers)], dtype=np.int64)
    marker_text = np.frombuffer("".join(markers).encode(), np.uint8)
    data = np.frombuffer(b"".join(encoded), np.uint8)
    cells.classify(data, spans, marker_text, marker_ends, np.array([plain]), classes, values)
    return classes[0].tolist(), values[0].tolist()


def one(text: str | bytes) -> tuple[int, int]:
    classes, values = classify([text])
    return classes[0], values[0]


@settings(deadline=None)
@given(st.integers(-(2**70), 2**70))
@example(2**63 - 1)
@example(-(2**63) + 1)
@example(2**63)
def test_integers(number: int) -> None:
    fits = abs(number) < 2**63
    assert one(str(number)) == ((cells.INT, number) if fits else (cells.LONG, 0))


@settings(deadline=None, max_examples=500)
@given(
    st.from_regex(
        r"[+-]?(0|[1-9][0-9]{0,20})?(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
    )
)
def test_numbers_are_read_as_python_reads_them(text: str) -> None:
    kind, value = one(text)
    if not re.search("[0-9]", re.split("[eE]", text)[0]):
        assert kind == cells.TEXT
    elif re.fullmatch(r"[+-]?\d+", text):
        assert (kind, value) == (cells.INT, int(text)) or abs(int(text)) >= 2**63
    elif kind == cells.FLOAT:
        assert struct.pack("q", value) == struct.pack("d", float(text))
    else:
        assert kind == cells.PRECISE


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_a_number(number: float) -> None:
    kind, value = one(repr(number))
    assert kind in (cells.FLOAT, cells.PRECISE)
    if kind == cells.FLOAT:
        assert struct.unpack("d", struct.pack("q", value))[0] == number


@settings(deadline=None)
@given(st.dates())
def test_dates(day: date) -> None:
    assert one(day.isoformat()) == (cells.DATE, (day - date(1970, 1, 1)).days)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None, max_examples=300)
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES),
    st.sampled_from("T "),
    st.sampled_from(["auto", "minutes", "milliseconds"]),
)
def test_timestamps(time: datetime, separator: str, precision: str) -> None:
    text = time.isoformat(separator, precision)
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert one(text) == (cells.TIMESTAMP, since // timedelta(microseconds=1))


@pytest.mark.parametrize("suffix", ["", "Z", "+00:00", "+0000", "-00:00"])
def test_a_timestamp_without_zone_is_in_utc(suffix: str) -> None:
    assert one("1970-01-02 00:00:01" + suffix) == (cells.TIMESTAMP, 86_401_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "2013-02-29",
        "1900-02-29",
        "2013-13-01",
        "2013-00-10",
        "2013-01-32",
        "0000-01-01",
        "2013-1-1",
        "2013-01-01T24:00",
        "2013-01-01T10:60",
        "2013-01-01T10",
        "2013-01-01T10:00:",
        "2013-01-01T10:00:00.",
        "2013-01-01T10:00:00+1",
        "2013-01-01x",
        "2013/01/01",
    ],
)
def test_what_is_no_time_is_text(text: str) -> None:
    assert one(text) == (cells.TEXT, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("007", (cells.CODE, 7)),
        ("00", (cells.CODE, 0)),
        ("0", (cells.INT, 0)),
        ("-0", (cells.INT, 0)),
        ("+5", (cells.INT, 5)),
        ("00.5", (cells.TEXT, 0)),
        ("true", (cells.BOOL, 1)),
        ("FALSE", (cells.BOOL, 0)),
        ("-true", (cells.TEXT, 0)),
        ("inf", (cells.INFINITE, INFINITY)),
        ("-Infinity", (cells.INFINITE, MINUS_INFINITY)),
        ("nan", (cells.PRECISE, 0)),
        ("1,5", (cells.TEXT, 0)),
        ("1 000", (cells.TEXT, 0)),
        ("0x1F", (cells.TEXT, 0)),
        ("1e", (cells.TEXT, 0)),
        (".", (cells.TEXT, 0)),
        ("-", (cells.TEXT, 0)),
        ("1_000", (cells.TEXT, 0)),
    ],
)
def test_other_cells(text: str, expected: tuple[int, int]) -> None:
    assert one(text) == expected


def test_markers_are_whole_cells() -> None:
    classes, _ = classify(["", "NA", "NAN", "N", "?", "-"], ("", "NA", "?"))
    text, missing = cells.TEXT, cells.MISSING
    assert classes == [missing, missing, cells.PRECISE, text, missing, text]


@settings(deadline=None, max_examples=500)
@given(st.binary(min_size=1, max_size=8))
@example("é".encode())
@example(b"\xed\xa0\x80")
@example(b"\xc0\x80")
@example(b"\xf4\x90\x80\x80")
def test_text_must_be_utf8(text: bytes) -> None:
    try:
        text.decode()
        broken = False
    except UnicodeDecodeError:
        broken = True
    assert (one(text)[0] == cells.BROKEN) == broken


def test_plain_columns_hold_text_alone() -> None:
    classes, _ = classify(["1", "", "2013-01-31", b"\xff"], ("",), plain=True)
    assert classes == [cells.TEXT, cells.MISSING, cells.TEXT, cells.BROKEN]


def test_classes_of_taken_rows_are_counted() -> None:
    classes = np.array([[cells.INT, cells.INT, cells.TEXT], [cells.MISSING] * 3], np.uint8)
    counts, rounded = np.zeros((2, cells.CLASSES), np.int64), np.zeros(2, np.int64)
    taken = np.array([True, False, True])
    count_kernels.count_classes(classes, np.zeros((2, 3), np.int64), taken, counts, rounded)
    assert {(int(c), int(k)): int(counts[c, k]) for c, k in np.argwhere(counts)} == {
        (0, cells.INT): 1,
        (0, cells.TEXT): 1,
        (1, cells.MISSING): 2,
    }
    assert math.isclose(counts.sum(), 4)


DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda x: f"{x:f}")


@settings(deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70).map(str) | DECIMAL, min_size=1, max_size=20))
@example(["9007199254740993", "9007199254740992.0", "-1152921504606846976", "16777217", "nan"])
@example([str(2**64), str(2**63), "-18446744073709551609", "18446744073709551610"])
@example(["0.1234567890123456789", "123456789012345678.50", "0.10000000000000000000", "1.5e-30"])
def test_numbers_that_lose_digits_are_counted(texts: list[str]) -> None:
    """Python's fractions tell which integers are exact in float32; its decimals count digits."""
    found, values = classify(texts)
    classes, taken = np.array([found], np.uint8), np.ones(len(texts), np.bool_)
    counts, rounded = np.zeros((1, cells.CLASSES), np.int64), np.zeros(1, np.int64)
    count_kernels.count_classes(classes, np.array([values]), taken, counts, rounded)
    ends = np.cumsum([0, *map(len, texts)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    lost = count_kernels.count_lost_digits(data, spans, classes[0], taken)
    numbers = [
        Decimal(text)
        for text, kind in zip(texts, found, strict=True)
        if kind not in (cells.TEXT, cells.CODE) and text != "nan"
    ]
    whole = [x for x in numbers if x == x.to_integral_value()]
    held = [Fraction(float(np.float32(int(x)))) == int(x) for x in whole]
    beyond = [abs(x) > 18_446_744_073_709_551_609 for x in whole]  # by their digits, in int64
    expected = sum(far or not fits for far, fits in zip(beyond, held, strict=True))
    others = [x.normalize(Context(prec=99)) for x in numbers if x != x.to_integral_value()]
    assert (rounded[0] + lost[0], lost[1]) == (
        expected,
        sum(len(x.as_tuple().digits) > 17 for x in others),
    )


def test_whole_floats_that_float32_cannot_hold_are_counted() -> None:
    numbers = np.array([[2.0**24 + 1, 2.0**24 + 2, -(2.0**30) - 1, 2.0**24 + 0.5, 1e20, 5]])
    classes = np.full(numbers.shape, cells.FLOAT, np.uint8)
    counts, rounded = np.zeros((1, cells.CLASSES), np.int64), np.zeros(1, np.int64)
    taken = np.ones(numbers.shape[1], np.bool_)
    count_kernels.count_classes(classes, numbers.view(np.int64), taken, counts, rounded)
    whole = numbers == np.floor(numbers)
    assert rounded[0] == (whole & (numbers.astype(np.float32) != numbers)).sum()
