"""Old models through the real workflow, from the table to the certificate."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "tf1"

FEATURES: dict[str, Any] = {
    "age": {"kind": "numeric", "normalizer": "none", "default": 0},
    "hours": {
        "kind": "numeric",
        "normalizer": "none",
        "center": 30,
        "scale": 0.0625,
        "default": 0,
    },
    "age_bucket": {
        "kind": "bucketized",
        "column": "age",
        "boundaries": [25, 35.5, 50],
        "default": 0,
    },
    "city_id": {"kind": "vocabulary", "column": "city", "values": ["Paris", "Rome", "Zürich"]},
    "job_hash": {"kind": "hashed", "column": "job", "buckets": 7},
    "city_x_job": {"kind": "crossed", "keys": ["city", "job"], "buckets": 11, "compat": "tf1"},
    "age_x_city": {
        "kind": "crossed",
        "keys": ["age_bucket", "city_id"],
        "buckets": 13,
        "compat": "tf1",
    },
}
MISSING = {"age": 0, "hours": 0}
EXPORT = {"saved_model": str(FIXTURES / "estimator_export"), "missing": MISSING}
MODELS: dict[str, dict[str, Any]] = {
    "session": {
        "kind": "tf1",
        "saved_model": str(FIXTURES / "saved_model"),
        "missing": MISSING,
    },
    "export": {"kind": "tf1", **EXPORT},
    "native": {
        "kind": "linear",
        "adopt": {
            "checkpoint": str(FIXTURES / "linear_classifier" / "model.ckpt"),
            "reference": EXPORT,
        },
    },
}


def run(folder: Path, model: str, features: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Runs the workflow up to the certificate with one old model, on the fixtures' table."""
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    for split in ("train", "test"):
        table = pd.DataFrame(json.loads((FIXTURES / f"{split}.json").read_text(encoding="utf-8")))
        table.drop(columns=["level", "wage"]).to_csv(folder / f"{split}.csv", index=False)
    job = {
        "name": "old",
        "data": {"files": {"train": "train.csv", "test": "test.csv"}, "label": "label"},
        "features": features,
        "models": {model: MODELS[model]},
        "evaluation": {"bootstrap": 20},
    }
    (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    targets = ["results/old/parity.json", "results/old/report.html"]
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2"]
    return subprocess.run(
        [*command, "--configfile", "job.yaml"],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def certificate(folder: Path) -> Any:
    return json.loads((folder / "results" / "old" / "parity.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_an_old_graph_runs_in_every_runtime_as_in_its_session(tmp_path: Path) -> None:
    done = run(tmp_path, "session", FEATURES)
    assert done.returncode == 0, done.stdout + done.stderr
    proof = certificate(tmp_path)
    assert proof["reference"] == "tf.compat.v1 session"
    exact = [entry for entry in proof["runtimes"] if not entry["reduced"]]
    assert {entry["runtime"] for entry in exact} == {"saved_model", "tflite", "tfjs"}
    assert max(entry["max_difference"] for entry in exact) <= 1e-6
    board = (tmp_path / "results" / "old" / "leaderboard.csv").read_text(encoding="utf-8")
    assert board.splitlines()[1].startswith("1,session,tf1,")


@pytest.mark.slow
@pytest.mark.end_to_end
def test_an_adopted_estimator_is_the_old_one_in_every_runtime(tmp_path: Path) -> None:
    features = {name: settings for name, settings in FEATURES.items() if name != "age"}
    done = run(tmp_path, "native", features)
    assert done.returncode == 0, done.stdout + done.stderr
    runtimes = {entry["runtime"]: entry for entry in certificate(tmp_path)["runtimes"]}
    assert set(runtimes) == {"saved_model", "tflite", "tfjs", "tf1"}
    assert runtimes["tf1"]["max_difference"] <= 1e-6
    # Two of sixty rows hold a city or job that training never saw.
    assert (runtimes["tf1"]["rows"], runtimes["tf1"]["rows_with_unseen_text"]) == (58, 2)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_an_op_that_a_runtime_lacks_is_named_with_its_node(tmp_path: Path) -> None:
    done = run(tmp_path, "export", FEATURES)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "expected ops that TF Lite has built in, found " in output
    assert "StringToHashBucketFast (node linear/" in output
