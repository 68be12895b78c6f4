"""Old models through the real workflow, from the table to the certificate."""

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from millrace.results import Results
from tests.helpers.runner_requests import round_trip

# All tests share a folder, so that the table is ingested once.
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "tf1"

JOB: dict[str, Any] = yaml.safe_load((ROOT / "config" / "old_models.yaml").read_text("utf-8"))
MODELS: dict[str, dict[str, Any]] = {
    **JOB["models"],
    # The Estimator itself, with its string hashing and bucketizing.
    "estimator": {"kind": "tf1", **JOB["models"]["wide_deep"]["adopt"]["reference"]},
    "new": {**JOB["models"]["new"], "training": {"epochs": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for jobs, with the fixtures and the project."""
    folder: Path = tmp_path_factory.mktemp("tf1")
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(FIXTURES, folder / "tests" / "fixtures" / "tf1")
    return folder


def results(folder: Path) -> Path:
    return folder / "results" / "old_models"


def start(folder: Path, *models: str, **export: str) -> subprocess.CompletedProcess[str]:
    """Runs the workflow up to the report with some of the models."""
    job = {
        **JOB,
        "models": {model: MODELS[model] for model in models},
        "evaluation": {"bootstrap": 20},
        "export": {"reduced": [], **export},
    }
    (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    targets = ["results/old_models/parity.json", "results/old_models/report.html"]
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--configfile", "job.yaml"],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, *models: str, **export: str) -> Any:
    """Runs the workflow like `start`, checks that it succeeds, and returns the certificate."""
    done = start(folder, *models, **export)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((results(folder) / "parity.json").read_text(encoding="utf-8"))


def exact(certificate: Any) -> dict[str, float]:
    """Returns the largest difference of each runtime except the quantized ones."""
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
    "onnx python",
}


def test_adopted_boosted_trees_are_the_old_ones_in_every_runtime(folder: Path) -> None:
    certificate = run(folder, "trees")
    assert certificate["model"] == "trees"
    assert set(exact(certificate)) == RUNTIMES
    assert max(exact(certificate).values()) <= 1e-6
    # TensorFlow 2 cannot run the old trees, so TensorFlow 1.15's predictions are in the fixtures.
    found = pq.read_table(results(folder) / "models" / "trees" / "predictions.parquet")
    logits = json.loads((FIXTURES / "oracle.json").read_text())["boosted_trees_classifier"][
        "logits"
    ]
    said = 1 / (1 + np.exp(-np.array(logits)[:, 0]))
    np.testing.assert_allclose(found.sort_by("row")["prediction"], said, atol=1e-6)
    sent = round_trip(folder, Results(results(folder)), folder)
    assert len(sent) == 4 and max(sent.values()) <= 1e-6, sent


def test_a_runtime_that_lacks_an_op_is_left_out_with_the_reason(folder: Path) -> None:
    refused = start(folder, "estimator")
    named = r"StringToHashBucketFast \(node \S+\)"
    assert refused.returncode == 1
    assert re.search(
        rf"error: .*expected ops that TF Lite has, found .*{named}", refused.stderr + refused.stdout
    )
    assert "export: {tflite: false}" in refused.stderr + refused.stdout
    certificate = run(folder, "estimator", tflite="where_possible", tfjs="where_possible")
    reasons = {entry["runtime"]: entry["reason"] for entry in certificate["not_reached"]}
    assert re.match(f"TF Lite lacks .*{named}", reasons["tflite"])
    assert re.match(f"ONNX lacks .*{named}", reasons["onnx"])
    assert set(exact(certificate)) >= {
        "saved_model serving_default",
        "saved_model serving_examples",
    }
    assert reasons["tflite"] in html.unescape((results(folder) / "report.html").read_text("utf-8"))


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
    # Two of sixty rows have a city or job that is not in the training rows.
    assert (old["rows"], certificate["rows_with_unseen_text"]) == (58, 2)


def test_a_new_model_starts_from_an_old_one(folder: Path) -> None:
    certificate = run(folder, "warm")
    assert certificate["model"] == "warm"
    assert max(exact(certificate).values()) <= 1e-6
    text = (results(folder) / "models" / "warm" / "training" / "training.json").read_text("utf-8")
    started = json.loads(text)["started"]
    assert len(started["taken"]) == 14
    assert (started["left"], started["misfits"]) == ([], {})
    assert started["vocabularies"]["city_oov"] == {"values": 3, "of the old model": 3}
