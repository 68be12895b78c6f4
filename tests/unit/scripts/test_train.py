"""The train stage: what it writes, the same every time, and what it refuses."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import yaml

from millrace.errors import MillraceError

ROOT = Path(__file__).parents[3]

USER_CODE = """
import keras
import tensorflow as tf


class Mine(keras.Model):
    def __init__(self, task):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="relu")
        self.logits = keras.layers.Dense(task.outputs)

    def call(self, inputs, training=False):
        return self.logits(self.hidden(inputs["numbers"]))

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_loss(x, y, logits, sample_weight)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * tf.distribute.get_strategy().num_replicas_in_sync)
        return {"loss": loss}


def build(spec, task):
    return Mine(task)


class Note(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("noted", epoch, sorted(logs), flush=True)


def callbacks():
    return [Note()]
"""


def train(job: Any, directory: Path, model: str = "dnn", **training: Any) -> Path:
    """Trains a model of a made job with other settings; returns the output."""
    config = yaml.safe_load(job.config.read_text())
    config["training"] |= training
    (directory / "config.yaml").write_text(json.dumps(config))
    output = directory / model / "training"
    job.run("train", model=model, config=directory / "config.yaml", output=output)
    return output


def test_it_writes_weights_history_and_what_they_are(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    output = train(job, tmp_path)
    assert sorted(path.name for path in output.iterdir()) == [
        "history.csv",
        "model.weights.h5",
        "training.json",
    ]
    with (output / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert list(history[0]) == ["epoch", "learning_rate", "loss", "val_loss"]
    written = json.loads((output / "training.json").read_text())
    losses = [float(row["val_loss"]) for row in history]
    assert written["epochs"] == len(history) == 4
    assert written["val_loss"] == min(losses) == losses[written["best_epoch"] - 1]
    assert written["training"]["batch_size"] == 256
    assert [path.name for path in output.parent.iterdir()] == ["training"]


def test_the_same_again_is_the_same_bytes(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        # Else Keras numbers the layers on, as if both were in one program.
        keras.utils.clear_session()
        output = train(job, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in output.iterdir()})
    assert contents[0] == contents[1]


def test_debugging_takes_the_first_rows_only(
    made_job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = made_job("binary").until("preprocess")
    train(job, tmp_path, debug={"rows": 100, "check_numerics": True})
    assert "train dnn: 400 examples" in capsys.readouterr().err


def test_a_model_that_the_config_does_not_name_is_refused(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    with pytest.raises(MillraceError, match=r"expected one of \['dnn', 'linear'\], found 'gnn'"):
        train(job, tmp_path, model="gnn")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:f", "training.callbacks: expected a Python file at"),
        ("mine.py:f", "expected a function 'f', found"),
        ("mine.py:build", "expected callbacks, found an error: TypeError"),
        ("mine.py:number", "expected Keras callbacks, found 1"),
    ],
)
def test_callbacks_that_are_none_are_refused(
    made_job: Any, tmp_path: Path, name: str, message: str
) -> None:
    job = made_job("binary").until("preprocess")
    (tmp_path / "mine.py").write_text(USER_CODE + "number = lambda: [1]")
    with pytest.raises(MillraceError, match=message):
        train(job, tmp_path, callbacks=str(tmp_path / name))


def test_tensorboard_gets_a_log_beside_the_output(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(MillraceError, match="expected the package tensorboard, found none"):
            train(job, tmp_path, tensorboard=True)
        return
    train(job, tmp_path, tensorboard=True)
    for split in ("train", "validation"):
        assert list((tmp_path / "dnn" / "tensorboard" / split).glob("events*"))


@pytest.mark.slow
def test_a_model_with_its_own_train_step_and_callbacks_from_a_file_on_two_replicas(
    made_job: Callable[[str], Any], tmp_path: Path
) -> None:
    job = made_job("binary").until("preprocess")
    (tmp_path / "mine.py").write_text(USER_CODE)
    config = yaml.safe_load(job.config.read_text())
    config["models"] = {"mine": {"kind": "custom", "path": f"{tmp_path}/mine.py:build"}}
    config["training"] |= {"callbacks": f"{tmp_path}/mine.py:callbacks"}
    losses = []
    for name, strategy in (("one", {}), ("two", {"strategy": "mirrored", "replicas": 2})):
        config["training"] |= strategy
        (tmp_path / f"{name}.yaml").write_text(json.dumps(config))
        output = tmp_path / name / "training"
        done = subprocess.run(
            [
                *[sys.executable, ROOT / "scripts" / "train.py"],
                *["--config", tmp_path / f"{name}.yaml", "--model", "mine", "--output", output],
                *["--preprocessing", job.results / "preprocessing.json"],
                *["--encoded", job.results / "encoded"],
                *["--hardware", tmp_path / "hardware.json"],
            ],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "noted 3 ['learning_rate', 'loss', 'val_loss']" in done.stdout
        losses.append(json.loads((output / "training.json").read_text())["val_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
