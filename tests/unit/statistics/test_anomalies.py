"""Anomalies of handwritten statistics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from millrace.artifacts.statistics import LabelStatistics, SplitStatistics, Statistics
from millrace.statistics import anomalies
from millrace.statistics.number_statistics import describe_numbers
from tests.helpers.artifacts import as_json, column_statistics


def text(values: list[list[Any]], missing: int = 0, **more: Any) -> dict[str, Any]:
    rows = sum(count for _, count in values) + missing
    return {
        "type": "string",
        "rows": rows,
        "missing": missing,
        "distinct": len(values),
        "values": values,
        **more,
    }


def number(counts: list[int], missing: int = 0) -> dict[str, Any]:
    values = [[float(i), count] for i, count in enumerate(counts) if count]
    edges = list(range(len(counts) + 1))
    column = text(values, missing, histogram={"edges": edges, "counts": counts})
    column["quantiles"] = np.repeat(range(len(counts)), counts).tolist()
    return column | {"type": "float32"}


def statistics(
    train: dict[str, Any],
    test: dict[str, Any],
    alone: float | None = 0.5,
    task: str = "binary",
) -> dict[str, Any]:
    label = number([train["rows"] // 2, train["rows"] - train["rows"] // 2])
    return {
        "splits": {
            "train": {"rows": train["rows"], "columns": {"x": train, "y": label}},
            "test": {"rows": test["rows"], "columns": {"x": test, "y": label}},
        },
        "label": {"name": "y", "task": task, "classes": [0.0, 1.0], "alone": {"x": alone}},
    }


def built(made: dict[str, Any]) -> Statistics:
    """Returns statistics parsed from plain JSON values."""
    splits = {
        split: SplitStatistics(
            part["rows"],
            {name: column_statistics(**column) for name, column in part["columns"].items()},
            part.get("repeated"),
        )
        for split, part in made["splits"].items()
    }
    return Statistics(splits, LabelStatistics(**made["label"]))


def find(made: dict[str, Any], previous: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    found = anomalies.find(built(made), previous and built(previous))
    return [as_json(anomaly) for anomaly in found]


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(a["severity"], a["kind"], a["split"]) for a in found]


def test_equal_splits_have_no_anomaly() -> None:
    column = text([["a", 300], ["b", 200]], missing=10)
    assert find(statistics(column, column)) == []


def test_l_infinity_by_hand() -> None:
    train, test = text([["a", 60], ["b", 30]], missing=10), text([["a", 10], ["c", 40]])
    # a: .6 and .2; b: .3 and 0; c: 0 and .8; missing: .1 and 0.
    assert anomalies.l_infinity(
        column_statistics(**train), column_statistics(**test)
    ) == pytest.approx(0.8)


def test_jensen_shannon_is_scipys_squared_distance() -> None:
    train, test = number([10, 20, 30, 0], missing=5), number([40, 0, 1, 9], missing=50)
    expected = jensenshannon([10, 20, 30, 0, 5], [40, 0, 1, 9, 50], base=2) ** 2
    assert anomalies.jensen_shannon(
        column_statistics(**train), column_statistics(**test)
    ) == pytest.approx(expected)


def test_a_column_without_values_has_no_bins() -> None:
    train, test = number([], missing=500), number([60, 40], missing=400)
    assert anomalies.jensen_shannon(
        column_statistics(**train), column_statistics(**test)
    ) == pytest.approx(jensenshannon([0, 500], [100, 400], base=2) ** 2)


def test_drift_is_a_warning() -> None:
    found = find(statistics(number([500, 500]), number([990, 10])))
    assert kinds(found) == [("warning", "drift", "test")]
    assert "Jensen-Shannon divergence" in found[0]["message"]
    found = find(statistics(text([["a", 900], ["b", 100]]), text([["a", 1000]])))
    assert kinds(found) == []
    found = find(statistics(text([["a", 800], ["b", 200]]), text([["a", 1000]])))
    assert kinds(found) == [("warning", "drift", "test")]


def test_a_column_that_goes_missing_drifts() -> None:
    found = find(statistics(number([500, 500]), number([200, 200], missing=600)))
    assert kinds(found) == [("warning", "drift", "test")]


def test_few_rows_show_no_drift() -> None:
    assert find(statistics(number([500, 500]), number([150, 0]))) == []


def test_columns_that_say_nothing() -> None:
    constant = text([["a", 500]])
    assert kinds(find(statistics(constant, constant))) == [("warning", "constant", "train")]
    empty = text([], missing=500)
    assert kinds(find(statistics(empty, empty))) == [("warning", "all_missing", "train")]
    flag = text([["a", 300]], missing=200)
    assert find(statistics(flag, flag)) == []


@pytest.mark.parametrize(("unseen", "severity"), [(1, "info"), (50, "warning")])
def test_new_categories(unseen: int, severity: str) -> None:
    train, test = text([["a", 1000], ["b", 9]]), text([["a", 1000 - unseen], ["z", unseen]])
    found = find(statistics(train, test | {"unseen": unseen}))
    assert kinds(found) == [(severity, "new_categories", "test")]
    assert found[0]["value"] == unseen / 1000


@pytest.mark.parametrize(("in_train", "in_test"), [(0, 3), (0, 0), (5, 3)])
def test_whole_numbers_that_lose_digits(in_train: int, in_test: int) -> None:
    train, test = number([150, 50]), number([150, 50])
    whole = {"type": "int64"}
    found = find(
        statistics(train | whole | {"rounded": in_train}, test | whole | {"rounded": in_test})
    )
    told = {split: n for split, n in (("train", in_train), ("test", in_test)) if n}
    assert kinds(found) == [("warning", "rounded", split) for split in told]
    assert [anomaly["value"] for anomaly in found] == [n / 200 for n in told.values()]


@pytest.mark.parametrize(
    "values, told",
    [
        (["Oslo", "oslo", "Bergen"], "'Oslo' and 'oslo'"),
        (["New York", "New-York"], "'New York' and 'New-York'"),
        (["<=50K", "<=50K."], "'<=50K' and '<=50K.'"),
        (["A+", "A-", "A"], ""),
        (["1.5 kg", "15 kg"], ""),
        (["C", "C++", "C#"], ""),
    ],
)
def test_spellings_of_one_value_are_a_warning(values: list[str], told: str) -> None:
    column = text([[value, 500] for value in values])
    found = find(statistics(column, column))
    assert kinds(found) == ([("warning", "spelled_alike", "train")] if told else [])
    assert all(told in anomaly["message"] for anomaly in found)


def test_later_dates_are_no_anomaly() -> None:
    train, test = text([["2013-01-01", 500]]), text([["2013-01-02", 500]], unseen=500)
    train["values"].append(["2013-01-03", 500])
    made = statistics(
        train | {"type": "date", "distinct": 2, "rows": 1000}, test | {"type": "date"}
    )
    assert find(made) == []


def test_a_leak_is_a_warning() -> None:
    column = number([500, 500])
    found = find(statistics(column, column, alone=0.9999))
    assert kinds(found) == [("warning", "label_leak", "validation")]
    assert find(statistics(column, column, alone=0.98)) == []
    assert find(statistics(column, column, alone=None)) == []


def test_accuracy_on_a_lopsided_label_is_no_leak() -> None:
    column = number([500, 500])
    made = statistics(column, column, alone=0.995, task="multiclass")
    assert kinds(find(made)) == [("warning", "label_leak", "validation")]
    made["splits"]["train"]["columns"]["y"]["values"] = [[0.0, 995], [1.0, 5]]
    assert find(made) == []


def test_the_config_says_how_severe_a_kind_is() -> None:
    made = statistics(text([["a", 500]]), text([["b", 500]]))
    found = anomalies.find(built(made))
    before = kinds(as_json(found))
    assert before == [("warning", "constant", "train"), ("warning", "drift", "test")]
    assert anomalies.graded(found, {}) == found
    graded = anomalies.graded(found, {"drift": "error", "constant": "ignore", "label_leak": "info"})
    assert graded == [replace(found[1], severity="error")]
    assert kinds(as_json(found)) == before


def test_rows_in_two_splits_are_told_by_their_share() -> None:
    column = text([["a", 300]])
    found = statistics(column, column)
    for repeated, severity in ((0, None), (3, "info"), (4, "warning")):
        found["splits"]["test"]["repeated"] = repeated
        repeats = [a for a in find(found) if a["kind"] == "repeated_rows"]
        assert [a["severity"] for a in repeats] == ([severity] if severity else [])
    message = "4 of the 300 rows of test (1.3%) have the same features as a row of an earlier split"
    assert message in repeats[0]["message"]


def since(before: dict[str, Any], now: dict[str, Any]) -> list[dict[str, Any]]:
    found = find(statistics(now, now), statistics(before, before))
    return [anomaly for anomaly in found if anomaly["kind"] == "previous_drift"]


def test_drift_of_categories_since_the_previous_run() -> None:
    before, now = text([["a", 600], ["b", 400]]), text([["a", 450], ["b", 550]])
    (found,) = since(before, now)
    assert found["value"] == pytest.approx(0.15)
    assert found["message"].startswith(
        "the distribution of 'x' differs from the previous run: L-inf"
    )
    assert since(before, before) == []


def sampled(values: np.ndarray, missing: int = 0) -> dict[str, Any]:
    """Returns a number's statistics, with the histogram over its range."""
    rows = len(values) + missing
    described = describe_numbers("x", "float32", rows, *np.unique(values, return_counts=True))
    return {**as_json(described), "values": [[1.0, len(values)]], "distinct": 1}


def test_drift_of_numbers_since_the_previous_run() -> None:
    """SciPy compares the rows, while the anomaly is based on quantiles."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=20_000)
    for later, missing in ((rows + 1.5, 0), (rows, 9000), (np.round(rows), 0)):
        before, now = sampled(rows), sampled(later, missing)
        edges = before["histogram"]["edges"]
        p = np.append(np.histogram(rows, edges)[0], 0) / len(rows)
        q = np.append(np.histogram(np.clip(later, edges[0], edges[-1]), edges)[0], missing)
        expected = jensenshannon(p, q / q.sum(), base=2) ** 2
        (found,) = since(before, now)
        assert found["value"] == pytest.approx(expected, abs=0.01)
    assert since(sampled(rows), sampled(rng.normal(size=5000))) == []
    empty = sampled(rows) | {"quantiles": [], "histogram": {"edges": [], "counts": []}}
    empty |= {"missing": 20_000, "rows": 20_000}
    assert since(empty, empty) == []
    assert len(since(sampled(rows), empty)) == 1


def test_columns_that_come_go_or_change_their_type() -> None:
    column = text([["a", 300]])
    assert (
        "'x' was string in the previous run, and is float32"
        in (since(column, number([150, 150]))[0]["message"])
    )
    before = statistics(column, column)
    before["splits"]["train"]["columns"]["old"] = column
    del before["splits"]["train"]["columns"]["x"]
    found = find(statistics(column, column), before)
    messages = [a["message"] for a in found if a["kind"] == "previous_drift"]
    assert messages == [
        "'x' was not there in the previous run, and is string",
        "'old' was string in the previous run, and is not there",
    ]
