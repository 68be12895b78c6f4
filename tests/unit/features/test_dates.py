"""Dates and times, compared with pandas."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.features.feature_columns import Context, Cyclic, DatePart, Elapsed, from_json
from millrace.features.raw_row import name_columns, parse_examples, raw_columns
from tests.helpers.artifacts import column_statistics
from tests.helpers.columns import learn_column

TIMES = pd.Series(pd.date_range("1999-12-30 22:10", "2025-03-02", periods=997, tz="UTC"))
PANDAS_NAMES = {"weekday": "day_of_week"}
DAYS = pd.Series(pd.date_range("1999-12-30", "2004-03-02", freq="D"))


def statistics(texts, type_):
    counts = pd.Series(texts).value_counts()
    return column_statistics(
        type=type_,
        rows=len(texts) + 1,
        missing=1,
        distinct=len(counts),
        values=[(text, int(count)) for text, count in counts.items()],
    )


def learn(kind, times, **config):
    type_ = "date" if times is DAYS else "timestamp"
    context = Context({"t": statistics(texts(times), type_)}, "label")
    return learn_column(kind, "t", config, context)


def texts(times):
    form = "%Y-%m-%d" if times is DAYS else "%Y-%m-%dT%H:%M:%SZ"
    return times.dt.strftime(form).tolist()


def raw(times):
    columns = name_columns({"t": "date" if times is DAYS else "timestamp"})
    return {"t": tf.constant(raw_columns(pd.DataFrame({"t": times}), columns)["t"])}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize("part", ["year", "month", "day", "weekday", "hour"])
def test_parts_of_timestamps_are_those_of_pandas(part, zone):
    column = learn(DatePart, TIMES, part=part, timezone=zone)
    local = TIMES.dt.tz_convert(zone)
    ids = column.encode(raw(TIMES), {}).numpy()[:, 0]
    expected = getattr(local.dt, PANDAS_NAMES.get(part, part)).to_numpy() - {
        "month": 1,
        "day": 1,
    }.get(part, 0)
    if part == "year":
        expected = expected - 1999
        # New York is still in 1999 when the first training example is; no year is out of range.
        assert ids.max() < column.buckets
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("part", ["year", "month", "day", "weekday"])
def test_parts_of_dates_are_those_of_pandas(part):
    column = learn(DatePart, DAYS, part=part)
    first = {"month": 1, "day": 1, "year": 1999}.get(part, 0)
    ids = column.encode(raw(DAYS), {}).numpy()[:, 0]
    np.testing.assert_array_equal(ids, getattr(DAYS.dt, PANDAS_NAMES.get(part, part)) - first)


def test_clocks_change_at_the_right_second():
    instants = pd.Series(
        pd.to_datetime(
            [f"2024-{time}Z" for time in ("03-10T06:59:59", "03-10T07:00:00", "11-03T05:59:59")]
        )
    )
    column = learn(DatePart, TIMES, part="hour", timezone="America/New_York")
    expected = instants.dt.tz_convert("America/New_York").dt.hour
    np.testing.assert_array_equal(column.encode(raw(instants), {}).numpy()[:, 0], expected)
    assert expected.tolist() == [1, 3, 1]


def test_missing_and_other_years_have_ids_of_their_own():
    column = learn(DatePart, DAYS, part="year")
    days = tf.constant([np.nan, 0.0, 3e38, -3e38])
    assert column.encode({"t": days}, {}).numpy()[:, 0].tolist() == [7, 6, 6, 6]


@pytest.mark.parametrize("period", ["day", "week", "year"])
def test_cycles_are_those_of_pandas(period):
    column = learn(Cyclic, TIMES, period=period)
    day = (TIMES - TIMES.dt.normalize()) / pd.Timedelta(days=1)
    turns = {
        "day": day,
        "week": (TIMES.dt.day_of_week + day) / 7,
        "year": (TIMES.dt.day_of_year - 1 + day) / 365.2425,
    }[period]
    expected = np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=1)
    np.testing.assert_allclose(column.encode_numbers(raw(TIMES)), expected, atol=3e-6)
    missing = {"t": tf.constant([[np.nan, np.nan]])}
    assert column.encode_numbers(missing).numpy().tolist() == [[0, 0]]


@pytest.mark.parametrize("since", [None, "2001-01-01"])
def test_elapsed_days_are_those_of_pandas(since):
    config = {"since": since} if since else {}
    column = learn(Elapsed, TIMES, normalizer="none", **config)
    start = pd.Timestamp(since or "1999-12-30", tz="UTC")
    expected = (TIMES - start) / pd.Timedelta(days=1)
    encoded = column.encode_numbers(raw(TIMES)).numpy()
    np.testing.assert_allclose(encoded[:, 0], expected, atol=1e-3)
    np.testing.assert_array_equal(encoded[:, 1], 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.datetimes(pd.Timestamp("1800-01-01"), pd.Timestamp("2200-01-01")), min_size=1))
def test_text_in_examples_is_read_as_pandas_reads_it(times):
    series = pd.Series(pd.to_datetime(times)).dt.as_unit("us").dt.tz_localize("UTC")
    columns = name_columns({"d": "date", "t": "timestamp"})
    serialized = []
    for time in series:
        example = tf.train.Example()
        text = time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        example.features.feature["d"].bytes_list.value.append(text[:10].encode())
        example.features.feature["t"].bytes_list.value.append(text.encode())
        serialized.append(example.SerializeToString())
    parsed = parse_examples(tf.constant([*serialized, b""]), columns)
    expected = raw_columns(
        pd.DataFrame({"d": series.dt.strftime("%Y-%m-%d"), "t": series}), columns
    )
    np.testing.assert_array_equal(parsed["d"][:-1], expected["d"])
    np.testing.assert_allclose(parsed["t"][:-1], expected["t"], rtol=1e-7, atol=1e-4)
    assert np.isnan(parsed["d"][-1])
    assert np.isnan(parsed["t"][-1]).all()


@pytest.mark.parametrize(
    "kind, times, config, message",
    [
        (DatePart, DAYS, {"part": "hour"}, "of type date, found 'hour'"),
        (Cyclic, DAYS, {"period": "day"}, "type date, found 'day'"),
        (DatePart, TIMES, {"part": "day", "timezone": "Mars/Base"}, "found 'Mars/Base'"),
        (DatePart, DAYS, {"part": "day", "timezone": "Europe/Paris"}, "expected none"),
        (Elapsed, DAYS, {"since": "last year"}, "found 'last year'"),
    ],
)
def test_what_a_date_cannot_give_is_refused(kind, times, config, message):
    with pytest.raises(MillraceError, match=message):
        learn(kind, times, **config)


def test_a_column_of_text_is_refused():
    context = Context({"t": statistics(["a"], "string")}, "label")
    with pytest.raises(MillraceError, match="expected a column of dates or timestamps"):
        learn_column(DatePart, "t", {"part": "day"}, context)


@pytest.mark.parametrize(
    "kind, config",
    [
        (DatePart, {"part": "year", "timezone": "Europe/Paris"}),
        (Cyclic, {"period": "week"}),
        (Elapsed, {}),
    ],
)
def test_columns_come_back_from_json(kind, config):
    column = learn(kind, TIMES, **config)
    assert from_json(column.to_json()) == column
