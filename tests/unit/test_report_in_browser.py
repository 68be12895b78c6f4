"""Every chart of a report draws in a real browser, on a desk and on a phone."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace import config, html, provenance, report
from millrace.runtimes import NODE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
TASKS = ["binary", "multiclass", "regression"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: tests/install_chromium.sh"),
    pytest.mark.skipif(
        not (html.WEB / "node_modules" / "playwright-core").is_dir(),
        reason="needs `npm ci --prefix web`",
    ),
]


@pytest.mark.parametrize("width", [1280, 360])
def test_every_chart_draws_and_nothing_overflows(
    make_results: Callable[[str], Path], width: int
) -> None:
    data = {"files": "x.csv", "label": "late"}
    job = config.complete({"name": "made", "data": data, "models": ["linear", "dnn"]})
    paths = []
    for task in TASKS:
        results = make_results(task)
        paths.append(results / "report.html")
        text = report.build(job, results, provenance.collect(job))
        paths[-1].write_text(text, encoding="utf-8")
    driver = Path(__file__).with_name("open_report.mjs")
    urls = [path.as_uri() for path in paths]
    command = [str(NODE), str(driver), str(CHROMIUM), str(width), *urls]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for task, url, found in zip(TASKS, urls, json.loads(done.stdout), strict=True):
        assert found["errors"] == [], task
        assert found["requests"] == [url]
        assert not found["overflows"], task
        assert len(found["charts"]) > 8
        assert all(marks > 1 for _, marks in found["charts"]), (task, found["charts"])
