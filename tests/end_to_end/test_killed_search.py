"""A search for settings that is killed between trials resumes there and finds the same model."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import CONFIG_FILE, edit, make_folder, snakemake, start

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

RESULTS = "results/made"
MODEL = f"{RESULTS}/models/searched"
TRAINING = f"{MODEL}/training"
LOGS = "logs/made/train/searched/rungs/0"
SEARCH = """
  searched:
    kind: dnn
    tune: {trials: 3, space: {hidden_units: [[4], [8], [16]], dropout: {low: 0, high: 0.5}}}
"""


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job whose next step is the first trial."""
    folder = make_folder(tmp_path_factory.mktemp("search") / "job", "binary")
    models = "  linear: {kind: linear}\n  small: {kind: dnn, hidden_units: [16]}\n"
    edit(folder / CONFIG_FILE, models, SEARCH.lstrip("\n"))
    edit(folder / CONFIG_FILE, "epochs: 15", "epochs: 6")
    snakemake(folder, f"{RESULTS}/encoded")
    return folder


def weights(folder: Path) -> dict[str, bytes]:
    """The files kept of each training, without Snakemake's timestamps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / MODEL).rglob("training/*"))
        if path.name != ".snakemake_timestamp"
    }


def finished_trials(folder: Path) -> dict[str, int]:
    """The time, in nanoseconds, at which each finished trial was written."""
    found = sorted((folder / MODEL / "rungs").glob("*/*/training/training.json"))
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_a_killed_search_goes_on_with_the_trials_that_are_left(
    encoded: Path, tmp_path: Path
) -> None:
    whole = shutil.copytree(encoded, tmp_path / "whole", symlinks=True)
    snakemake(whole, TRAINING)
    process = start(encoded, TRAINING)
    # The second trial has started, so Snakemake has recorded the first one as done.
    while len(list((encoded / LOGS).glob("*.log"))) < 2:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = finished_trials(encoded)
    assert len(done) == 1
    assert not (encoded / TRAINING).exists()

    snakemake(encoded, "--unlock")
    snakemake(encoded, TRAINING)
    assert {path: finished_trials(encoded)[path] for path in done} == done
    assert weights(encoded) == weights(whole)
    trials = [json.loads((encoded / path).read_text()) for path in finished_trials(encoded)]
    best = min(trials, key=lambda trial: trial["val_loss"])
    model = json.loads((encoded / TRAINING / "training.json").read_text())
    assert model["trial"] == best["trial"]
