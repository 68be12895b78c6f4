"""Old models through the real workflow, from the table to the certificate."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

# One folder serves all tests, so that the table is read once.
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "tf1"

JOB: dict[str, Any] = yaml.safe_load((ROOT / "config" / "old_models.yaml").read_text("utf-8"))
MODELS: dict[str, dict[str, Any]] = {
    **JOB["models"],
    "new": {**JOB["models"]["new"], "training": {"epochs": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that jobs run in: the fixtures, and the project beside them."""
    folder: Path = tmp_path_factory.mktemp("tf1")
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(FIXTURES, folder / "tests" / "fixtures" / "tf1")
    return folder


def results(folder: Path) -> Path:
    return folder / "results" / "old_models"


def run(folder: Path, *models: str) -> Any:
    """Runs the workflow with some of the models, up to the report; returns the certificate."""
    job = {
        **JOB,
        "models": {model: MODELS[model] for model in models},
        "evaluation": {"bootstrap": 20},
        "export": {"reduced": []},
    }
    (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    targets = ["results/old_models/parity.json", "results/old_models/report.html"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--configfile", "job.yaml"],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((results(folder) / "parity.json").read_text(encoding="utf-8"))


def exact(certificate: Any) -> dict[str, float]:
    """Returns the largest difference of each runtime that does not trade accuracy for size."""
    return {
        f"{entry['runtime']} {entry['variant']}": entry["max_difference"]
        for entry in certificate["runtimes"]
        if not entry["reduced"]
    }


RUNTIMES = {
    "saved_model serving_default",
    "saved_model serving_examples",
    "tflite float32",
    "tfjs cpu",
    "tfjs wasm",
}


def test_an_old_graph_stands_beside_a_new_model_and_runs_everywhere(folder: Path) -> None:
    certificate = run(folder, "graph", "new")
    with (results(folder) / "leaderboard.csv").open(encoding="utf-8") as file:
        board = [(row["model"], row["kind"]) for row in csv.DictReader(file)]
    assert board == [("graph", "tf1"), ("new", "wide_deep")]
    assert certificate["reference"] == "tf.compat.v1 session"
    assert set(exact(certificate)) == RUNTIMES
    assert max(exact(certificate).values()) <= 1e-6


def test_an_adopted_wide_deep_is_the_old_one_in_every_runtime(folder: Path) -> None:
    certificate = run(folder, "wide_deep")
    assert certificate["model"] == "wide_deep"
    differences = exact(certificate)
    assert set(differences) == RUNTIMES | {"tf1 session"}
    assert max(differences.values()) <= 1e-6
    (old,) = (entry for entry in certificate["runtimes"] if entry["runtime"] == "tf1")
    # Two of sixty rows hold a city or job that training never saw.
    assert (old["rows"], old["rows_with_unseen_text"]) == (58, 2)
