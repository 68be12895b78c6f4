import base64
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from millrace import config
from millrace.artifacts.signature import Input
from millrace.artifacts.statistics import ColumnStatistics
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.report import form_fields, inline_html, page
from millrace.report.privacy import Privacy
from millrace.results import Results
from tests.helpers.artifacts import column_statistics

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)

TASKS = ["binary", "multiclass", "regression"]


def job(**published: Any) -> JobConfig:
    data = {"files": "x.csv", "label": "late"}
    return config.complete({"name": "flights", "data": data, "report": published})


def embedded(text: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="job">(.*?)</script>', text, re.DOTALL)
    assert match
    job: dict[str, Any] = json.loads(match[1])
    return job


@pytest.mark.parametrize("task", TASKS)
def test_page_holds_the_model_and_needs_nothing_else(
    make_results: Callable[[str], Results], task: str
) -> None:
    results = make_results(task)
    text = page.build(job(), results)
    model = embedded(text)["model"]
    assert model["topology"] == json.loads((results.tfjs / "model.json").read_text())
    weights = next(results.tfjs.glob("*.bin")).read_bytes()
    assert base64.b64decode(model["weights"]) == weights
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "Copyright 2019 David Bau." in text  # of seedrandom, which is part of TF.js


def test_same_results_give_the_same_page(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    assert page.build(job(), results) == page.build(job(), results)


def test_form_follows_signature_and_statistics(make_results: Callable[[str], Results]) -> None:
    age, carrier = embedded(page.build(job(), make_results("binary")))["columns"]
    # 98 % of the ages, which are uniform between 20 and 80, are between 20.6 and 79.4.
    assert age["low"] <= 20.6 < age["low"] + 2 * age["step"]
    assert age["high"] - 2 * age["step"] < 79.4 <= age["high"]
    assert age["default"] == 50
    assert [value for value, _ in carrier["values"]] == ["UA", "AA", "Ü", "</script>"]
    assert carrier["default"] == "UA"


@pytest.mark.parametrize("task", TASKS)
def test_samples_are_test_rows_with_what_keras_predicted(
    make_results: Callable[[str], Results], task: str
) -> None:
    results = make_results(task)
    samples = embedded(page.build(job(samples=True), results))["samples"]
    predicted = pq.read_table(results.run("dnn").predictions).to_pylist()
    assert [sample["index"] for sample in samples] == [0, 1, 2, 3, 4]
    assert samples[1]["row"] == {"age": None, "carrier": "AA"}
    assert samples[3]["row"] == {"age": 33.25, "carrier": None}
    for sample, row in zip(samples, predicted, strict=True):
        assert sample["label"] == str(row["label"])
        assert sample["prediction"] == [row[name] for name in row if name.startswith("prediction")]


def test_without_predictions_there_are_no_samples(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    results.run("dnn").predictions.unlink()
    text = page.build(job(samples=True), results)
    assert embedded(text)["samples"] == []
    assert ">Test row<" not in text


def test_synthetic_rows_are_drawn_from_what_the_form_shows(
    make_results: Callable[[str], Results],
) -> None:
    found = embedded(page.build(job(), make_results("binary")))
    age, carrier = found["columns"]
    assert all(list(sample) == ["row"] for sample in found["samples"])
    rows = [sample["row"] for sample in found["samples"]]
    ages = [row["age"] for row in rows if row["age"] is not None]
    assert all(age["low"] <= value <= age["high"] for value in ages)
    assert all(value == round(value / age["step"]) * age["step"] for value in ages)
    assert 1 <= len(rows) - len(ages) <= 10  # a tenth of the training rows has no age
    offered = {value for value, _ in carrier["values"]}
    assert {row["carrier"] for row in rows} <= {*offered, None}
    assert len({row["carrier"] for row in rows}) > 2


def test_rare_dates_are_offered_as_months_or_years() -> None:
    days = [
        (f"200{year}-{1 + day % 12:02}-{1 + day % 28:02}", 1)
        for year in (1, 2)
        for day in range(40)
    ]
    column = column_statistics(type="date", rows=80, distinct=80, values=days)
    item = Input("day", "day", "float32", "date", 0, "", None, False, None, None, None)
    months = [f"200{year}-{month:02}-01" for year in (1, 2) for month in range(1, 13)]
    for min_count, offered in ((3, months), (30, ["2001-01-01", "2002-01-01"]), (50, [])):
        field = form_fields.of_input(item, [column], Privacy(min_count, {"day": column}, ()))
        assert sorted(value for value, _ in field.offered) == offered


def test_a_model_that_does_not_run_in_a_browser_has_a_page_that_says_why(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    conversion = results.tfjs / "conversion.json"
    conversion.write_text('{"left_out": "TF.js lacks Bucketize (node b)"}')
    (results.tfjs / "model.json").unlink()
    text = page.build(job(), results)
    assert "does not run in a browser: TF.js lacks Bucketize (node b)." in text
    assert "<form" not in text


def test_missing_model_is_named(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    (results.tfjs / "model.json").unlink()
    with pytest.raises(MillraceError, match=r"tfjs/model\.json: expected an artifact"):
        page.build(job(), results)


@pytest.mark.parametrize("change", [lambda content: content[:-4], lambda content: content + b"x"])
def test_weights_that_changed_since_verify_are_refused(
    make_results: Callable[[str], Results], change: Callable[[bytes], bytes]
) -> None:
    results = make_results("binary")
    weights = next(results.tfjs.glob("*.bin"))
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(MillraceError, match=rf"{weights.name}: expected the file that verify"):
        page.build(job(), results)
    weights.unlink()
    with pytest.raises(MillraceError, match="found no file"):
        page.build(job(), results)


@pytest.mark.parametrize(
    ("width", "whole", "step"),
    [
        (1.0, False, 0.01),
        (59.0, False, 1.0),
        (0.4, False, 0.005),
        (59.0, True, 1),
        (900.0, True, 10),
    ],
)
def test_steps_are_round(width: float, whole: bool, step: float) -> None:
    assert form_fields.step_of(width, whole) == step


def numbers(quantiles: list[float]) -> ColumnStatistics:
    return column_statistics(type="float32", quantiles=quantiles)


@pytest.mark.parametrize("value", [3.5, -1e6, 1e-7])
def test_a_column_of_one_value_still_has_a_slider(value: float) -> None:
    field = form_fields.slider([numbers([value] * 1025)], whole=False)
    assert field.low <= value <= field.high
    assert field.low < field.high
    assert np.isfinite([*vars(field).values()]).all()


def test_slider_covers_every_split_and_starts_at_the_median_of_train() -> None:
    field = form_fields.slider([numbers([1.0, 5.0, 9.0]), numbers([12.0])], whole=True)
    assert (field.low, field.high, field.default) == (1, 12, 5)


def test_a_column_without_values_has_a_slider_too() -> None:
    field = form_fields.slider([numbers([])] * 3, whole=True)
    assert (field.low, field.high, field.default) == (0, 1, None)
