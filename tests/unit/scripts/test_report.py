import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.report import inline_html
from millrace.results import Results

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)


def run_report(folder: Path, results: Results) -> subprocess.CompletedProcess[str]:
    data = {"files": "x.csv", "label": "late"}
    job = {"name": "made", "data": data, "models": ["linear", "dnn"]}
    (folder / "job.yaml").write_text(json.dumps(job))
    arguments = {
        "--config": folder / "job.yaml",
        "--results": results.folder,
        "--report": results.report,
        "--model-card": results.model_card,
        "--page": results.page,
    }
    parts = [str(part) for pair in arguments.items() for part in pair]
    command = [sys.executable, str(ROOT / "scripts" / "report.py"), *parts]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def outputs(results: Results) -> list[bytes]:
    names = ["report.html", "model_card.md", "web/index.html"]
    return [(results.folder / name).read_bytes() for name in names]


def test_second_run_writes_the_same_bytes(
    make_results: Callable[[str], Results], tmp_path: Path
) -> None:
    results = make_results("binary")
    first = run_report(tmp_path, results)
    assert (first.returncode, first.stderr) == (0, "")
    written = outputs(results)
    assert run_report(tmp_path, results).returncode == 0
    assert outputs(results) == written


def test_missing_artifact_is_one_error_and_leaves_nothing(
    make_results: Callable[[str], Results], tmp_path: Path
) -> None:
    results = make_results("binary")
    results.parity.unlink()
    before = sorted(results.folder.rglob("*"))
    done = run_report(tmp_path, results)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "parity.json: expected an artifact" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(results.folder.rglob("*")) == before


def test_tensorflow_is_not_imported() -> None:
    code = (
        "import sys, millrace.report, millrace.report.page, millrace.report.provenance\n"
        "print(list(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "'tensorflow'" not in done.stdout
