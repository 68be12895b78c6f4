"""Logs for other tools, read with those tools."""

import csv
import json
from pathlib import Path
from typing import Any

import keras
import pytest

from millrace.training.checkpoints import Checkpoints
from millrace.training.logs import DVCLive
from tests.helpers.trainings import run


class Interrupted(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Stops a training when its log is one epoch ahead of its checkpoints."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            raise Interrupted


def files(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def test_dvclive_has_each_epoch_once_whether_the_training_was_killed_or_not(tmp_path: Path) -> None:
    _, outcome = run(callbacks=[DVCLive(tmp_path / "whole")])
    found = files(tmp_path / "whole")
    rows = list(
        csv.DictReader(found["plots/metrics/val/loss.tsv"].decode().splitlines(), delimiter="\t")
    )
    assert [float(row["loss"]) for row in rows] == [logs["val_loss"] for logs in outcome.history]
    last = json.loads(found["metrics.json"])
    assert (last["train"]["loss"], last["step"]) == (outcome.history[-1]["loss"], 2)

    def saved() -> Checkpoints:
        return Checkpoints(tmp_path / "checkpoints", {}, minutes=5)

    with pytest.raises(Interrupted):
        run(callbacks=[DVCLive(tmp_path / "killed"), Interrupt()], checkpoints=saved())
    resumed = [DVCLive(tmp_path / "killed"), keras.callbacks.Callback()]
    model, _ = run(callbacks=resumed, checkpoints=saved())
    assert files(tmp_path / "killed") == found
    assert model.history.history["val_loss"] == [logs["val_loss"] for logs in outcome.history]
