"""What `features: auto` proposes, column by column."""

import pytest

from millrace.features.auto import propose


def column(type_, distinct, rows=1000, missing=0, values=None, **more):
    values = values or [[f"v{i}", rows // max(distinct, 1)] for i in range(distinct)]
    return {
        "type": type_,
        "rows": rows,
        "distinct": distinct,
        "missing": missing,
        "values": values,
        "min": 0,
        "max": distinct - 1,
        **more,
    }


@pytest.mark.parametrize(
    "statistics, kind",
    [
        (column("float32", 900), "numeric"),
        (column("int64", 60), "numeric"),
        (column("int64", 5), "vocabulary"),
        (column("int64", 2), "numeric"),
        (column("bool", 2), "numeric"),
        (column("string", 7), "vocabulary"),
        # A value or nothing: the missing indicator tells them apart.
        (column("float32", 1, missing=400), "numeric"),
    ],
)
def test_a_column_gets_a_feature(statistics, kind):
    features, left_out = propose({"c": statistics}, 1000)
    assert features["c"]["kind"] == kind
    assert not left_out


@pytest.mark.parametrize(
    "statistics, reason",
    [
        (column("float32", 0, missing=1000), "every value is missing"),
        (column("string", 1), "every row has the same value"),
        (column("string", 800, values=[["a", 2]]), "an id: 800 different values in 1000 rows"),
        (column("int64", 1000), "an id: it counts the rows"),
        (column("int64", 60, max=2**24), "from 2^24 on lose digits"),
        (column("int64", 60, min=-(2**24)), "from 2^24 on lose digits"),
        (column("date", 2, values=[["2020-01-01", 9], ["2020-01-14", 9]]), "within 2 weeks"),
    ],
)
def test_a_useless_column_is_left_out_with_the_reason(statistics, reason):
    features, left_out = propose({"c": statistics}, 1000)
    assert not features
    assert reason in left_out["c"]


@pytest.mark.parametrize(
    "type_, values, kinds",
    [
        ("date", ["2020-01-15", "2020-01-01"], {"d weekday": "date_part"}),
        ("date", ["2019-12-31", "2020-12-31"], {"d weekday": "date_part", "d season": "cyclic"}),
        ("timestamp", ["2020-01-01T00:00:00Z", "2020-01-02T09:30:00Z"], {"d time": "cyclic"}),
        ("timestamp", ["2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"], {"d weekday": "date_part"}),
    ],
)
def test_of_a_date_there_is_what_comes_back(type_, values, kinds):
    dates = column(type_, len(values), values=[[value, 1] for value in values])
    features, left_out = propose({"d": dates}, 1000)
    assert {name: feature["kind"] for name, feature in features.items()} == kinds
    assert {feature["column"] for feature in features.values()} == {"d"}
    assert not left_out
