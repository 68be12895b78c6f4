"""provenance as users run it, in its own process."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from millrace import config

MADE = [
    "examples",
    "schema.json",
    "ingest.json",
    "rejected.csv",
    "statistics.json",
    "anomalies.json",
    "suggested_schema.json",
    "preprocessing.json",
    "features.yaml",
    "encoded",
    "leaderboard.csv",
    "scores.json",
    "curves.csv",
    "champion.json",
    "export/saved_model/1",
    "export/signature.json",
    "export/tflite",
    "export/tfjs",
    "export/onnx",
    "parity.json",
    "report.html",
    "model_card.md",
    "web/index.html",
]
MADE_OF_A_RUN = ["training", "metrics.json", "diagnostics.json", "predictions.parquet"]

MACHINE = {"cpu": "fast", "cores": 2, "instructions": [], "gpus": [], "replicas": 1}

SCRIPT = Path(__file__).parents[3] / "scripts" / "provenance.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job whose artifacts contain their names, with a query, a table and a user's model."""
    results = tmp_path / "results" / "made"
    models = [f"models/mine/{name}" for name in MADE_OF_A_RUN]
    for name in [*MADE, *models]:
        # A path without suffix is a folder.
        path = results / name if "." in name else results / name / "part"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (results / "encoded" / ".snakemake_timestamp").write_text("")
    (results / "models" / "gone").mkdir()
    (results / "models" / "gone" / "metrics.json").write_text("of a model that was left out")
    (results / "hardware").mkdir()
    (results / "hardware" / "mine.json").write_text(json.dumps(MACHINE))
    (tmp_path / "raw").mkdir()
    files = [
        {"path": "table.csv", "source": "table.csv", "split": None, "sha256": "0" * 64, "bytes": 1},
        {"path": "raw/q.parquet", "source": "q.sql", "split": None, "sha256": "1" * 64, "bytes": 2},
    ]
    (tmp_path / "raw" / "manifest.json").write_text(json.dumps({"files": files}))
    (tmp_path / "q.sql").write_text("select 1")
    (tmp_path / "mine.py").write_text("def build(spec, task): ...")
    (tmp_path / "job.yaml").write_text(
        "name: made\nseed: 3\ndata: {files: [table.csv, q.sql], label: y}\n"
        "models: {mine: {kind: custom, path: mine.py:build}}\n"
    )
    return tmp_path


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--config", "job.yaml", "--raw", "raw"]
    command += ["--results", "results/made", "--provenance", "results/made/provenance.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_says_what_made_the_results_the_same_every_time(folder: Path) -> None:
    assert run(folder).returncode == 0
    path = folder / "results" / "made" / "provenance.json"
    written = path.read_bytes()
    found = json.loads(written)
    assert found["seed"] == 3
    assert config.complete(found["config"]) == config.load(folder / "job.yaml")
    assert [file["sha256"] for file in found["data"]] == ["0" * 64, "1" * 64]
    assert found["files"] == {name: sha256(folder / name) for name in ("mine.py", "q.sql")}
    assert found["hardware"] == {"mine": MACHINE}
    assert found["packages"]["numpy"]
    assert run(folder).returncode == 0
    assert path.read_bytes() == written


def test_every_artifact_of_this_job_has_its_checksum(folder: Path) -> None:
    run(folder)
    results = folder / "results" / "made"
    found = json.loads((results / "provenance.json").read_text())["artifacts"]
    made = {
        str(path.relative_to(results))
        for path in results.rglob("*")
        if path.is_file() and path.name not in (".snakemake_timestamp", "provenance.json")
    }
    assert found.keys() == made - {"models/gone/metrics.json", "hardware/mine.json"}
    assert all(checksum == sha256(results / name) for name, checksum in found.items())


def test_a_missing_artifact_is_one_clear_error(folder: Path) -> None:
    (folder / "results" / "made" / "parity.json").unlink()
    done = run(folder)
    assert done.returncode == 1
    assert done.stderr == (
        "error: results/made/parity.json: expected an artifact of an earlier stage, found none.\n"
        "Note: run the stage that writes it, or the whole workflow with `snakemake --cores 2`.\n"
    )
    assert not (folder / "results" / "made" / "provenance.json").exists()
