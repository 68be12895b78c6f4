import base64
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from millrace.artifacts.statistics import ColumnStatistics
from millrace.errors import MillraceError
from millrace.report import inline_html, page
from millrace.results import Results
from tests.helpers.artifacts import column_statistics

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)

TASKS = ["binary", "multiclass", "regression"]


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
    text = page.build(results, "flights")
    model = embedded(text)["model"]
    assert model["topology"] == json.loads((results.tfjs / "model.json").read_text())
    weights = next(results.tfjs.glob("*.bin")).read_bytes()
    assert base64.b64decode(model["weights"]) == weights
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_same_results_give_the_same_page(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    assert page.build(results, "flights") == page.build(results, "flights")


def test_form_follows_signature_and_statistics(make_results: Callable[[str], Results]) -> None:
    age, carrier = embedded(page.build(make_results("binary"), "flights"))["columns"]
    # 98 % of the made ages, which are even between 20 and 80, lie between 20.6 and 79.4.
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
    samples = embedded(page.build(results, "flights"))["samples"]
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
    text = page.build(results, "flights")
    assert embedded(text)["samples"] == []
    assert "A real test row" not in text


def test_a_model_that_does_not_run_in_a_browser_has_a_page_that_says_why(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    conversion = results.tfjs / "conversion.json"
    conversion.write_text('{"left_out": "TF.js lacks Bucketize (node b)"}')
    (results.tfjs / "model.json").unlink()
    text = page.build(results, "flights")
    assert "does not run in a browser: TF.js lacks Bucketize (node b)." in text
    assert "<form" not in text


def test_missing_model_is_named(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    (results.tfjs / "model.json").unlink()
    with pytest.raises(MillraceError, match=r"tfjs/model\.json: expected an artifact"):
        page.build(results, "flights")


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
    assert page._step(width, whole) == step


def numbers(quantiles: list[float]) -> ColumnStatistics:
    return column_statistics(type="float32", quantiles=quantiles)


@pytest.mark.parametrize("value", [3.5, -1e6, 1e-7])
def test_a_column_of_one_value_still_has_a_slider(value: float) -> None:
    field = page._range([numbers([value] * 1025)], whole=False)
    assert field["low"] <= value <= field["high"]
    assert field["low"] < field["high"]
    assert np.isfinite(list(field.values())).all()


def test_slider_covers_every_split_and_starts_at_the_median_of_train() -> None:
    field = page._range([numbers([1.0, 5.0, 9.0]), numbers([12.0])], whole=True)
    assert (field["low"], field["high"], field["default"]) == (1, 12, 5)


def test_a_column_without_values_has_a_slider_too() -> None:
    field = page._range([numbers([])] * 3, whole=True)
    assert (field["low"], field["high"], field["default"]) == (0, 1, None)
