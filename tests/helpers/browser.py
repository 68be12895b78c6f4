"""Pages in headless Chromium without network access."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from millrace.export.runtimes import NODE
from millrace.report import inline_html

HERE = Path(__file__).parents[1] / "end_to_end"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or not (inline_html.WEB / "node_modules" / "playwright-core").is_dir(),
    reason="needs Chromium, as of tests/install_chromium.sh, and `npm ci --prefix web`",
)


def run_driver(driver: Path, *arguments: object) -> Any:
    """Runs a script that drives Chromium; returns its output, parsed as JSON."""
    command = [NODE, driver, CHROMIUM, *arguments]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drive(driver: str, page: Path, *arguments: object) -> dict[str, Any]:
    """Runs a driver in this folder on a page; returns its findings, after checking for errors."""
    found: dict[str, Any] = run_driver(HERE / driver, page.as_uri(), *arguments)
    assert found["errors"] == []
    assert {url.split("#")[0] for url in found["requests"]} == {page.as_uri()}
    return found
