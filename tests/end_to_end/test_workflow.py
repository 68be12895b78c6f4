"""The real workflow on a small synthetic table, for each of the three tasks."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from millrace.results import Results
from tests.helpers.runner_requests import round_trip
from tests.helpers.synthetic_jobs import (
    CONFIG_FILE,
    ROOT,
    ROWS,
    UNLABELLED,
    hashes,
    make_folder,
    planned,
    snakemake,
    start,
)

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns a function that gives the folder of a finished job; tests must not change it."""
    folders: dict[str, Path] = {}

    def get(task: str) -> Path:
        if task not in folders:
            folders[task] = make_folder(tmp_path_factory.mktemp("job") / task, task)
            snakemake(folders[task])
        return folders[task]

    return get


@pytest.mark.parametrize(
    ("task", "metric", "better_than"),
    [
        ("binary", "auc", 0.85),
        ("multiclass", "accuracy", 0.6),
        ("regression", "r2", 0.7),
    ],
    ids=["binary", "multiclass", "regression"],
)
class TestEveryTask:
    def test_goes_from_the_table_to_a_certificate(
        self, finished: Callable[[str], Path], task: str, metric: str, better_than: float
    ) -> None:
        results = finished(task) / "results" / "made"
        account = json.loads((results / "ingest.json").read_text())
        assert account["rows_read"] == ROWS
        assert account["unlabelled"] == UNLABELLED
        assert sum(account["written"].values()) == ROWS - UNLABELLED - account["rejected"]
        champion = json.loads((results / "champion.json").read_text())
        assert champion["gate"]["passed"]
        metrics = json.loads((results / "models" / champion["model"] / "metrics.json").read_text())
        assert metrics["task"] == task
        assert metrics["metrics"][metric]["value"] > better_than
        with (results / "leaderboard.csv").open() as file:
            assert {row["model"] for row in csv.DictReader(file)} == {"linear", "small"}
        parity = json.loads((results / "parity.json").read_text())
        assert parity["passed"]
        assert {runtime["runtime"] for runtime in parity["runtimes"]} == {
            "saved_model",
            "tflite",
            "tfjs",
            "onnx",
        }
        for made in ("report.html", "model_card.md", "web/index.html", "export/saved_model/1"):
            assert (results / made).exists()

    def test_a_second_run_runs_nothing(
        self, finished: Callable[[str], Path], task: str, metric: str, better_than: float
    ) -> None:
        assert "Nothing to be done" in snakemake(finished(task))

    def test_the_summary_names_the_champion(
        self, finished: Callable[[str], Path], task: str, metric: str, better_than: float
    ) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "millrace.console.summary", "--config", CONFIG_FILE],
            cwd=finished(task),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("Champion: ")
        assert "Parity: passed" in done.stdout


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_text_cells_of_the_test_rows_get_the_predictions_of_the_evaluation(
    finished: Callable[[str], Path], tmp_path: Path, task: str
) -> None:
    results = Results(finished(task) / "results" / "made")
    bound = json.loads(results.parity.read_text())["tolerance"]
    found = round_trip(finished(task), results, tmp_path)
    assert len(found) == 4 and max(found.values()) <= bound, found


def test_raw_files_scored_as_new_rows_get_the_predictions_of_the_evaluation(
    finished: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = finished("binary")
    command = [sys.executable, "scripts/score.py", "--config", CONFIG_FILE, "--rows", "table.csv"]
    scored = tmp_path / "scored.parquet"
    subprocess.run([*command, "--output", str(scored)], cwd=folder, check=True)
    results = folder / "results" / "made"
    champion = json.loads((results / "champion.json").read_text())["model"]
    evaluated = pd.read_parquet(results / "models" / champion / "predictions.parquet")
    both = evaluated.merge(pd.read_parquet(scored), on=["file", "row"], suffixes=("_before", ""))
    assert len(both) == len(evaluated) > 300
    bound = json.loads((results / "parity.json").read_text())["tolerance"]
    assert (both["prediction"] - both["prediction_before"]).abs().max() <= bound
    assert ((both["prediction"] >= 0.5) == (both["class"] == "yes")).all()
    account = json.loads(scored.with_suffix(".score.json").read_text())
    assert (account["rows_read"], account["scored"], account["rejected"]) == (ROWS, ROWS, 0)


def test_files_of_new_rows_are_scored_in_jobs_of_their_own(
    finished: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = finished("binary")
    (tmp_path / "new.csv").write_text((folder / "table.csv").read_text())
    changed = tmp_path / "scored.yaml"
    listed = f"score: {{files: ['{tmp_path}/*.csv']}}\n"
    changed.write_text((folder / CONFIG_FILE).read_text() + listed)
    # The report shows the whole config.
    assert planned(folder, "--configfile", str(changed)) == {"report", "provenance"}
    assert planned(folder, "scores", "--configfile", str(changed)) == {"score", "scores"}


@pytest.mark.parametrize(
    ("old", "new", "reruns", "spares"),
    [
        (
            "quantiles: 5",
            "quantiles: 6",
            {"preprocess", "train", "evaluate", "select", "export", "verify", "report"},
            {"fetch", "ingest", "gather", "analyze"},
        ),
        (
            "hidden_units: [16]",
            "hidden_units: [8]",
            {"train", "evaluate", "select", "export", "verify", "report"},
            {"fetch", "ingest", "gather", "analyze", "preprocess"},
        ),
        (
            "bootstrap: 20",
            "bootstrap: 30",
            {"evaluate", "select", "report"},
            {"fetch", "ingest", "gather", "analyze", "preprocess", "train"},
        ),
        (
            "rows: 200",
            "rows: 201",
            {"verify", "report"},
            {"fetch", "ingest", "gather", "analyze", "preprocess", "train", "evaluate", "export"},
        ),
        (
            "label: label",
            "label: label, exclude: [rooms]",
            {"ingest", "gather", "analyze", "preprocess", "train", "report"},
            {"fetch"},
        ),
    ],
    ids=["feature", "model", "evaluation", "parity", "data"],
)
def test_a_change_of_the_config_reruns_what_depends_on_it(
    finished: Callable[[str], Path], old: str, new: str, reruns: set[str], spares: set[str]
) -> None:
    folder = finished("binary")
    changed = folder / "changed.yaml"
    text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    assert old in text
    changed.write_text(text.replace(old, new), encoding="utf-8")
    rules = planned(folder, "--configfile", "changed.yaml")
    assert reruns <= rules
    assert not spares & rules


def test_a_config_of_another_name_but_the_same_content_reruns_nothing(
    finished: Callable[[str], Path],
) -> None:
    folder = finished("binary")
    (folder / "copy.yaml").write_bytes((folder / CONFIG_FILE).read_bytes())
    assert not planned(folder, "--configfile", "copy.yaml")


def test_a_changed_raw_file_is_fetched_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", "binary")
    snakemake(folder, "--until", "gather")
    assert not planned(folder, "--until", "gather")
    with (folder / "table.csv").open("a") as file:
        file.write("31.5,2,Aarhus,yes\n")
    assert planned(folder, "--until", "gather") == {"fetch", "ingest", "gather"}
    snakemake(folder, "--until", "gather")
    account = json.loads((folder / "results" / "made" / "ingest.json").read_text())
    assert account["rows_read"] == ROWS + 1


def test_a_missing_raw_file_is_one_clear_error(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", "binary")
    (folder / "table.csv").rename(folder / "tables.csv")
    process = start(folder)
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "error: table.csv: expected a file, found none." in output
    assert "Traceback" not in output
    assert not (folder / "results").exists()


def test_snakemakes_report_has_what_a_reader_looks_for(
    finished: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = finished("binary")
    snakemake(folder, "--report", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    (found,) = re.findall(r"var categories = (\{.*?\});?\n", text)
    categories = {name: of["Other"] for name, of in json.loads(found).items()}
    made = "results/made"
    read_first = {"model_card.md", "provenance.json", "report.html", "web/index.html"}
    assert set(categories["Result"]) == {f"{made}/{name}" for name in read_first}
    assert f"{made}/models/small/metrics.json" in categories["Models"]
    # Artifacts with cells of the table are not published.
    assert set(categories) == {"Result", "Models"}
    for caption in (ROOT / "rules" / "captions").glob("*.rst"):
        first = re.split(r"[:*,;]", caption.read_text(encoding="utf-8"))[0]
        assert first in text, caption.name
    assert '"model": "small"' in text  # a label
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)  # opens offline


def test_two_runs_make_the_same_bytes_also_after_a_kill(
    finished: Callable[[str], Path], tmp_path: Path
) -> None:
    """The second job is killed with its children while a model trains, and then resumes."""
    folder = make_folder(tmp_path / "job", "binary")
    process = start(folder)
    log = folder / "logs" / "made" / "train" / "small.log"
    deadline = time.monotonic() + 300
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    snakemake(folder, "--unlock")
    snakemake(folder)
    assert hashes(folder) == hashes(finished("binary"))
