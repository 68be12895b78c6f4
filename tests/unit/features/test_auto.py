"""The proposals of `features: auto`, column by column."""

import random

import pytest

from millrace import config
from millrace.features import auto
from millrace.features.auto import propose
from tests.helpers.artifacts import column_statistics


def column(type_, distinct, rows=1000, missing=0, values=None, **more):
    text = type_ in ("string", "date", "timestamp")
    values = values or [[f"v{i}" if text else i, rows // max(distinct, 1)] for i in range(distinct)]
    if not text:
        more = {"min": 0, "max": distinct - 1, **more}
    return column_statistics(
        type=type_, rows=rows, distinct=distinct, missing=missing, values=values, **more
    )


@pytest.mark.parametrize(
    "statistics, kind",
    [
        (column("float32", 900), "numeric"),
        (column("int64", 60), "numeric"),
        (column("int64", 5), "vocabulary"),
        (column("int64", 2), "numeric"),
        (column("bool", 2), "numeric"),
        (column("string", 7), "vocabulary"),
        (column("float64", 3, values=[[1.0, 500], [2.0, 300], [3.0, 200]]), "vocabulary"),
        (column("float64", 3, values=[[1.5, 500], [2.0, 300], [3.0, 200]]), "numeric"),
        # A quantity, with seven digits in float32.
        (column("int64", 60, max=2**31), "numeric"),
        # One value or missing: the missing indicator tells them apart.
        (column("float32", 1, missing=400), "numeric"),
    ],
)
def test_a_column_gets_a_feature(statistics, kind):
    features, left_out = propose({"c": statistics}, 1000)
    assert features["c"].kind == kind
    assert not left_out


@pytest.mark.parametrize(
    "statistics, reason",
    [
        (column("float32", 0, missing=1000), "every value is missing"),
        (column("string", 1), "every row has the same value"),
        (column("string", 800, values=[["a", 2]]), "an id: 800 different values in 1000 rows"),
        (column("int64", 1000), "an id: it counts the rows"),
        (column("int64", 1000, max=2**31), "from 2^24 on, which float32 does not tell apart"),
        (column("int64", 1000, min=-(2**31)), "from 2^24 on, which float32 does not tell apart"),
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
    assert {name: feature.kind for name, feature in features.items()} == kinds
    assert {feature.column for feature in features.values()} == {"d"}
    assert not left_out


def test_an_id_by_its_name_is_none_by_its_values():
    quantity = column("int64", 60, max=2**31)
    for name in ("user_id", "ZIP", "phone number", "order.no"):
        assert "an id" in propose({name: quantity}, 1000)[1][name]
    for name in ("paid", "humid", "piano"):
        assert propose({name: quantity}, 1000)[0][name].kind == "numeric"


@pytest.mark.parametrize(
    "role, reason", [("group", "groups the rows by it"), ("index", "stored index")]
)
def test_a_column_with_a_role_is_no_feature(role, reason):
    features, left_out = propose({"c": column("float32", 900)}, 1000, {"c": role})
    assert not features and reason in left_out["c"]


def test_cells_of_several_words_are_text():
    words = ["the", "lovely", "slow", "pasta", "was", "great", "and", "a", "cheap", "broken"]
    rng = random.Random(0)
    cells = [[" ".join(rng.choices(words, k=rng.randint(3, 9))), 1] for _ in range(1000)]
    features, _ = propose({"review": column("string", 1000, values=cells)}, 1000)
    assert (features["review"].kind, features["review"].max_length) == ("text", 9)
    names = [[f"Ann{i} B{i} C{i}", 1] for i in range(1000)]
    assert "an id" in propose({"name": column("string", 1000, values=names)}, 1000)[1]["name"]


def test_a_config_with_all_its_defaults_has_the_same_features_yaml() -> None:
    """As written by `make reproduce`."""
    features = {"size": {"kind": "numeric", "column": "a"}, "city": "vocabulary"}
    given = {"name": "made", "data": {"files": "t.csv", "label": "y"}, "features": features}
    job = config.complete(given)
    again = config.complete(job.json_form())
    assert auto.as_yaml(again.features, {}) == auto.as_yaml(job.features, {})
    assert "column: a}" in auto.as_yaml(again.features, {})
