"""select as users run it, in its own process."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from millrace.artifacts.diagnostics import Diagnostics, PrecisionRecall, Slice
from millrace.artifacts.metrics import Interval
from millrace.results import RunFolder
from tests.helpers.artifacts import comparison_of, metrics_of

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, auc in {"linear": 0.6875, "dnn": 0.71875}.items():
        run = RunFolder(tmp_path / "models" / name)
        measured = {"auc": Interval(auc, 0.65, 0.75), "log_loss": None}
        comparison = comparison_of(
            {"auc": Interval(auc + 0.125, 0.75, 0.875)}, resampled=[auc, auc + 0.25]
        )
        metrics_of(name, measured, comparison=comparison).save(run.metrics)
        pr = PrecisionRecall(recall=[0.5, 1.0], precision=[1.0, 0.25], threshold=[1, 0])
        Diagnostics(pr=pr).save(run.diagnostics)
        (tmp_path / "models" / name / "training").mkdir()
        history = "epoch,loss,val_loss\n0,0.5,0.75\n1,0.25,0.625\n"
        (tmp_path / "models" / name / "training" / "history.csv").write_text(history)
    return tmp_path


def select(
    folder: Path, evaluation: dict[str, object] | None = None, **settings: object
) -> subprocess.CompletedProcess[str]:
    config = {
        "name": "made",
        "data": {"files": "x.csv", "label": "y"},
        "models": ["linear", "dnn"],
        "evaluation": evaluation or {},
        "selection": settings,
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    script = REPOSITORY / "scripts" / "select_champion.py"
    arguments = [sys.executable, str(script), "--config", str(folder / "config.yaml")]
    arguments += ["--models", str(folder / "models")]
    arguments += ["--leaderboard", str(folder / "out/leaderboard.csv")]
    arguments += ["--scores", str(folder / "out/scores.json")]
    arguments += ["--curves", str(folder / "out/curves.csv")]
    arguments += ["--champion", str(folder / "out/champion.json")]
    return subprocess.run(arguments, capture_output=True, text=True)


def test_writes_leaderboard_and_champion(folder: Path) -> None:
    result = select(folder)
    assert (result.returncode, result.stderr) == (0, "")
    with (folder / "out/leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["model"], row["auc"], row["log_loss"]) for row in rows] == [
        ("1", "dnn", "0.71875", ""),
        ("2", "linear", "0.6875", ""),
    ]
    champion = json.loads((folder / "out/champion.json").read_text())
    assert (champion["model"], champion["margin"]) == ("dnn", 0.03125)
    columns = ("ranked_on", "ranking", "ranking_low", "behind", "behind_low", "behind_high")
    assert [[row[column] for column in columns] for row in rows] == [
        ["validation", "0.84375", "0.75", "", "", ""],
        ["validation", "0.8125", "0.75", "0.03125", "0.03125", "0.03125"],
    ]
    assert "dnn is better than linear by 0.031 auc" in result.stdout


def test_a_slice_gate_reads_the_slices_of_the_champion(folder: Path) -> None:
    for name, auc in {"linear": 0.9, "dnn": 0.625}.items():
        path = RunFolder(folder / "models" / name).diagnostics
        slices = [Slice("town", "Rome", 40, {"auc": Interval(auc, 0.5, 0.9)})]
        replace(Diagnostics.load(path), slices=slices).save(path)
    result = select(folder, {"slices": ["town"]}, slice_gates={"town": 0.65})
    assert (result.returncode, result.stderr) == (0, "")
    gate = json.loads((folder / "out/champion.json").read_text())["gate"]
    assert (gate["passed"], gate["checks"][-1]["found"]) == (False, 0.625)


def test_writes_what_dvc_compares(folder: Path) -> None:
    select(folder)
    scores = json.loads((folder / "out/scores.json").read_text())
    assert scores == {"auc": {"linear": 0.8125, "dnn": 0.84375}}
    lines = (folder / "out/curves.csv").read_text().splitlines()
    assert lines[0] == "chart,model,x,y"
    assert lines[1:7] == [
        "Training loss by epoch,linear,1,0.5",
        "Training loss by epoch,linear,2,0.25",
        "Validation loss by epoch,linear,1,0.75",
        "Validation loss by epoch,linear,2,0.625",
        "Precision by recall,linear,0.5,1.0",
        "Precision by recall,linear,1.0,0.25",
    ]
    assert len(lines) == 13


def test_a_failed_gate_is_written_down_for_export_to_refuse(folder: Path) -> None:
    """Snakemake deletes the outputs of a failed job, but the leaderboard is needed."""
    result = select(folder, gate=0.9)
    assert (result.returncode, result.stderr) == (0, "")
    assert (folder / "out/leaderboard.csv").is_file()
    champion = json.loads((folder / "out/champion.json").read_text())
    assert not champion["gate"]["passed"]


def test_a_metric_of_another_task_is_one_clear_error(folder: Path) -> None:
    assert_refused(select(folder, metric="rmse"), "expected a metric of a binary task")
    assert not (folder / "out").exists()


def test_missing_metrics_are_one_clear_error(folder: Path) -> None:
    (folder / "models" / "dnn" / "metrics.json").unlink()
    assert_refused(
        select(folder), "models/dnn/metrics.json: expected an artifact of an earlier stage"
    )


def assert_refused(result: subprocess.CompletedProcess[str], message: str) -> None:
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
