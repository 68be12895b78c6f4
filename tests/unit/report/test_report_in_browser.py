"""A real browser draws every chart of a report, in desktop and in phone size."""

from collections.abc import Callable
from pathlib import Path

import pytest

from millrace import config, report
from millrace.report import provenance
from millrace.results import Results
from tests.helpers.browser import needs_chromium, run_driver

TASKS = ["binary", "multiclass", "regression"]


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_every_chart_draws_for_everyone_and_nothing_overflows(
    make_results: Callable[[str], Results], width: int
) -> None:
    data = {"files": "x.csv", "label": "late"}
    job = config.complete({"name": "made", "data": data, "models": ["linear", "dnn"]})
    paths = []
    for task in TASKS:
        results = make_results(task)
        paths.append(results.report)
        text = report.build(job, results, provenance.collect(job))
        paths[-1].write_text(text, encoding="utf-8")
    urls = [path.as_uri() for path in paths]
    pages = run_driver(Path(__file__).with_name("open_report.mjs"), width, *urls)
    for task, url, found in zip(TASKS, urls, pages, strict=True):
        assert found["errors"] == [], task
        assert found["requests"] == [url]
        assert not found["overflows"], task
        assert found["inaccessible"] == [], task
        assert len(found["charts"]) > 8
        assert all(marks > 1 for _, marks in found["charts"]), (task, found["charts"])
