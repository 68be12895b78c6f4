"""Published files contain no rare values and no columns that no feature reads."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace import config, report
from millrace.artifacts.anomalies import Anomalies, Anomaly
from millrace.artifacts.diagnostics import Diagnostics, Slice
from millrace.artifacts.parity import Parity
from millrace.artifacts.provenance import Origin
from millrace.artifacts.statistics import Statistics
from millrace.config.job import JobConfig
from millrace.files import write_json
from millrace.report import inline_html, page
from millrace.report.privacy import SUPPRESSED, Privacy, rounded, step_of
from millrace.results import Results
from tests.helpers.artifacts import column_statistics

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)

MADE_BY = Origin("c0ffee", False, "ab" * 32, 0, "3.11.7", "Linux", {}, {}, [])

# Values of 1 or 9 training rows, with letters that JSON and HTML escape.
RARE_NAMES = ["Zoë <O'Brien> & Søn", 'Ann "Q" Quimby', "Łukasz \\ Żak"]
RARE_AGES = [97.8125, 13.4375]
IDS = ["patient-00417", "patient-00418"]
NUMBERS = [2_125_550_199, 9_173_330_042]


def job(**published: Any) -> JobConfig:
    data = {"files": "x.csv", "label": "late"}
    return config.complete(
        {"name": "made", "data": data, "models": ["linear", "dnn"], "report": published}
    )


@pytest.fixture
def results(make_results: Callable[[str], Results]) -> Results:
    """A job's results with rare values wherever an artifact can contain them."""
    results = make_results("regression")
    statistics = Statistics.load(results.statistics)
    splits = {}
    for split, part in statistics.splits.items():
        age, carrier, late = part.columns.values()
        rare = [(value, 9) for value in [*RARE_NAMES]]
        carrier = replace(carrier, values=[*carrier.values, *rare])
        low, high = min(RARE_AGES), max(RARE_AGES)
        edges = [low + (high - low) * i / 32 for i in range(33)]
        histogram = replace(age.histogram, edges=edges)
        age = replace(
            age, min=low, max=high, histogram=histogram, values=[(x, 1) for x in RARE_AGES]
        )
        patient = column_statistics(
            type="string", rows=part.rows, distinct=2, values=[(IDS[0], 500), (IDS[1], 1)]
        )
        phone = column_statistics(
            type="int64", rows=part.rows, distinct=2, min=NUMBERS[0], max=NUMBERS[1],
            median=float(NUMBERS[0]), quantiles=[float(x) for x in NUMBERS],
            histogram={"edges": [float(x) for x in NUMBERS], "counts": [part.rows]},
            values=[(x, 1) for x in NUMBERS],
        )  # fmt: skip
        columns = {
            "age": age, "carrier": carrier, "late": late, "patient": patient, "phone": phone
        }  # fmt: skip
        splits[split] = replace(part, columns=columns)
    replace(statistics, splits=splits).save(results.statistics)
    left_out = {"patient": "an id", "phone": "an id: it counts the rows"}
    vocabulary = {"kind": "vocabulary", "name": "line", "column": "carrier"}
    columns = [
        vocabulary | {"values": ["UA", "AA", RARE_NAMES[0], "never seen"], "rare": [RARE_NAMES[1]]},
        {"kind": "numeric", "name": "age", "column": "age", "edges": RARE_AGES},
        {"kind": "crossed", "name": "both", "keys": ["line", "age"], "values": [["UA", "1"]]},
    ]
    write_json(results.preprocessing, {"left_out": left_out, "columns": columns})
    _spread(results)
    return results


def _spread(results: Results) -> None:
    texts = [repr(name) for name in RARE_NAMES]
    message = f"'carrier' has values in several spellings: {' and '.join(texts)}"
    Anomalies(
        [Anomaly("warning", "spelled_alike", "carrier", "train", message, 1, ["'UA'", *texts])]
    ).save(results.anomalies)
    parity = Parity.load(results.parity)
    rare = {"age": RARE_AGES[0], "carrier": RARE_NAMES[0]}
    *runtimes, stored_rows = (
        replace(runtime, worst_row=replace(runtime.worst_row, raw=rare))
        for runtime in (*parity.runtimes, parity.stored_rows)
    )
    replace(parity, runtimes=runtimes, stored_rows=stored_rows).save(results.parity)
    for model in ("linear", "dnn"):
        path = results.run(model).diagnostics
        diagnostics = Diagnostics.load(path)
        assert diagnostics.slices and diagnostics.predicted
        few = [Slice("carrier", name, 9, diagnostics.slices[0].metrics) for name in RARE_NAMES]
        points = replace(diagnostics.predicted, label=RARE_AGES, prediction=RARE_AGES[::-1])
        replace(diagnostics, slices=[*diagnostics.slices, *few], predicted=points).save(path)


def spellings(value: str | float) -> list[bytes]:
    """Returns a value as HTML, JSON, Python and base64 may write it."""
    text = str(value)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    texts = {
        text,
        escaped,
        escaped.replace("'", "&#39;").replace('"', "&#34;"),
        repr(text)[1:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1].replace("<", "\\u003c"),
        json.dumps(text)[1:-1].replace("<", "\\u003c"),
    }
    if isinstance(value, int):
        texts |= {f"{value:,}", f"{value}.0"}
    # Base64 depends on the offset modulo 3; its first and last letters mix with neighbours.
    shifted = [base64.b64encode(b"\0" * shift + text.encode())[4:-4] for shift in range(3)]
    return [text.encode() for text in texts] + [found for found in shifted if len(found) > 6]


def published(results: Results, made: JobConfig) -> dict[str, bytes]:
    return {
        "report.html": report.build(made, results, MADE_BY).encode(),
        "model_card.md": report.build_model_card(made, results, MADE_BY).encode(),
        "web/index.html": page.build(made, results).encode(),
    }


def test_rare_values_inside_the_model_are_a_warning_without_them(results: Results) -> None:
    """The fixture's model contains two names of 9 training rows each."""
    expected = "holds 2 values of 'carrier' that fewer than 10 training rows have"
    html = published(results, job())["report.html"].decode()
    assert f"features.line: the model, which web/ and export/ contain, {expected}" in (
        html.replace("&#39;", "'")
    )
    for files in (published(results, job(min_count=9)), published(results, job(min_count=1))):
        assert b"web/ and export/ contain" not in files["report.html"]


@pytest.mark.parametrize(
    ("delimiter", "cells", "held", "rare"),
    [
        ("|", [("a|b", 9), ("a| c", 1), ("b", 1)], ["a", "b", "c", "never seen"], 1),
        ("", [("Ann's car, car", 9), ("A CAR", 1), ("ann", 1)], ["ann", "car", "s"], 1),
    ],
)
def test_items_and_words_inside_the_model_are_counted_by_rows(delimiter, cells, held, rare):
    column = column_statistics(type="string", rows=11, distinct=len(cells), values=cells)
    feature = {"kind": "sequence", "name": "x", "column": "c", "values": held}
    (found,) = Privacy(10, {"c": column}, ()).rare_in_model([feature | {"delimiter": delimiter}])
    assert f"holds {rare} values of 'c'" in found.message


def test_no_published_file_holds_a_rare_value(results: Results) -> None:
    files = published(results, job())
    for value in [*RARE_NAMES, *RARE_AGES, *IDS, *NUMBERS]:
        for name, content in files.items():
            found = [text for text in spellings(value) if text in content]
            assert not found, (name, value, found)
    assert b"UA" in files["report.html"] and b"UA" in files["web/index.html"]
    assert SUPPRESSED.encode() in files["report.html"]
    assert b"No feature reads this column" in files["report.html"]
    # Without a chart, the figures stay under their headings.
    _, *summaries = files["report.html"].split(b'<summary class="column">')
    assert all(each.split(b"</summary>")[0].count(b'class="spark"') == 1 for each in summaries)


def test_a_lower_count_shows_them_so_the_search_can_find_them(results: Results) -> None:
    files = published(results, job(min_count=1))
    for name in RARE_NAMES:
        assert any(text in files["report.html"] for text in spellings(name))
        assert any(text in files["web/index.html"] for text in spellings(name))
    for value in [*IDS, *NUMBERS]:  # what no feature reads is never shown
        assert not any(text in files["report.html"] for text in spellings(value))


def test_test_rows_are_in_the_page_only_where_the_config_says_so(
    results: Results,
) -> None:
    assert b"33.25" not in published(results, job())["web/index.html"]
    assert b"33.25" in published(results, job(samples=True))["web/index.html"]


def test_extreme_values_are_rounded_unless_they_are_frequent() -> None:
    column = column_statistics(
        type="float32", rows=100, min=3.0, max=512.3292, values=[(3.0, 60), (512.3292, 1)]
    )
    privacy = Privacy(10, {"fare": column}, ())
    assert privacy.figure("fare", column, column.min) == 3.0
    assert privacy.figure("fare", column, column.max) == 512.3
    few = replace(column, missing=91)
    assert privacy.figure("fare", few, few.max) is None


@pytest.mark.parametrize(
    ("width", "step", "value", "expected"),
    [(500.0, 0.1, 512.3292, 512.3), (9e9, 1e6, 2_125_550_199, 2_126_000_000), (0.0, 1.0, 4.6, 5)],
)
def test_figures_keep_a_thousandth_of_the_range(
    width: float, step: float, value: float, expected: float
) -> None:
    assert step_of(width, 1 / 1000) == pytest.approx(step)
    assert rounded(value, step) == expected


def test_docs_name_every_published_file() -> None:
    text = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text()
    for name in ("report.html", "model_card.md", "web/", "provenance.json", "parity.json"):
        assert f"`{name}`" in text


def test_rare_texts_in_a_cross_of_tensorflow_1_are_a_warning_too() -> None:
    values = [["Oslo", 90], ["Bergen", 3], ["Hamar", 2]]
    city = column_statistics(type="string", rows=95, distinct=3, values=values)
    cross = {"kind": "crossed_tf1", "name": "city_x_age", "keys": ["city", "age_bucket"]}
    cross["values"] = [["Oslo", "Bergen", "Hamar"], []]
    (found,) = Privacy(10, {"city": city}, ()).rare_in_model([cross])
    assert (found.column, found.value) == ("city", 2)
    assert found.message.startswith("features.city_x_age: the model")
