import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.console.summary import summary
from millrace.errors import MillraceError
from millrace.results import Results


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_says_who_won_how_well_and_what_to_open(
    make_results: Callable[[str], Results], task: str
) -> None:
    results = make_results(task)
    text = summary(results)
    assert text.startswith("Champion: dnn, on 5 test rows")
    metrics = json.loads(results.run("dnn").metrics.read_text())["metrics"]
    for name, metric in metrics.items():
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{name} "))
        assert f"{metric['value']:.4g}" in line
        assert f"({metric['low']:.4g} to {metric['high']:.4g})" in line
    assert "next: linear" in text
    assert "Parity: passed, 1,100 rows through 2 runtimes" in text
    assert "not shipped: int8.tflite, differs by 0.3, more than 0.02" in text
    for made in ("report.html", "export/saved_model/1", "export/tfjs", "export/onnx"):
        assert str(results.folder / made) in text


def test_a_test_that_is_too_small_is_a_warning_without_intervals(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    path = results.run("dnn").metrics
    metrics = json.loads(path.read_text()) | {"too_small": "2 rows, fewer than 30"}
    for metric in metrics["metrics"].values():
        metric["low"] = metric["high"] = None
    path.write_text(json.dumps(metrics))
    text = summary(results)
    assert "warning: the test has 2 rows, fewer than 30" in text
    assert "interval" not in text and "None" not in text


def test_what_was_taken_for_what_is_told_warnings_first(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    noted = {"kind": "number_format", "column": "x", "split": "", "value": None}
    anomalies = [
        noted | {"severity": "info", "message": "'x' is read as numbers"},
        noted | {"severity": "info", "kind": "drift", "message": "not told"},
        noted | {"severity": "warning", "kind": "mixed", "message": "'y' is text"},
    ]
    results.anomalies.write_text(json.dumps({"anomalies": anomalies}))
    results.preprocessing.write_text(json.dumps({"left_out": {"id": "it counts the rows"}}))
    lines = summary(results).splitlines()
    first = lines.index("Assumptions and anomalies:")
    assert lines[first + 1 : first + 4] == [
        "  warning: 'y' is text",
        "  'x' is read as numbers",
        "  'id' is not a feature: it counts the rows",
    ]
    assert "not told" not in "\n".join(lines)


def test_a_certificate_that_failed_is_not_called_passed(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    parity = json.loads(results.parity.read_text())
    results.parity.write_text(json.dumps(parity | {"passed": False}))
    assert "Parity: FAILED" in summary(results)


def test_a_runtime_that_is_left_out_is_told_and_not_offered(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    parity = json.loads(results.parity.read_text())
    parity["not_reached"] = [{"runtime": "tfjs", "reason": "export.tfjs is false"}]
    results.parity.write_text(json.dumps(parity))
    text = summary(results)
    assert "not on tfjs: export.tfjs is false" in text
    assert "export/tfjs" not in text
    assert "web/index.html" not in text


def test_unfinished_results_are_named(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    results.parity.unlink()
    with pytest.raises(MillraceError, match=r"parity\.json: expected an artifact"):
        summary(results)


def test_runs_as_a_module(make_results: Callable[[str], Results], tmp_path: Path) -> None:
    make_results("binary")
    (tmp_path / "job.yaml").write_text("name: binary\ndata: {files: t.csv, label: late}\n")
    done = subprocess.run(
        [sys.executable, "-m", "millrace.console.summary", "--config", "job.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "results/binary/report.html" in done.stdout
