"""The train stage: its outputs, their reproducibility, and errors."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from millrace import models
from millrace.config import runs
from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing

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
    """Trains a model of a synthetic job with other settings; returns the output."""
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
        ".millrace",
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
        # Otherwise Keras continues numbering layers, as if both were in one program.
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


def train_run(job: Any, directory: Path, run: str, **arguments: Any) -> dict[str, Any]:
    """Trains a run of the job's config in `directory`; returns its training.json."""
    output = directory / run / "training"
    job.run("train", model=run, config=directory / "config.yaml", output=output, **arguments)
    written: dict[str, Any] = json.loads((output / "training.json").read_text())
    return written


def write_config(job: Any, directory: Path, model: dict[str, Any], **sections: Any) -> None:
    config = yaml.safe_load(job.config.read_text()) | sections
    config["models"] = {"m": {"kind": "dnn", "hidden_units": [8], **model}}
    (directory / "config.yaml").write_text(json.dumps(config))


@pytest.mark.parametrize("kind", ["tabm", "boosted_trees"])
def test_an_ensemble_predicts_the_mean_of_its_seeds(
    made_job: Any, tmp_path: Path, kind: str
) -> None:
    job = made_job("binary").until("preprocess")
    settings = {"tabm": {"hidden_units": [8]}, "boosted_trees": {"trees": 5}}[kind]
    write_config(job, tmp_path, {})
    config = json.loads((tmp_path / "config.yaml").read_text())
    config["models"]["m"] = {"kind": kind, "seeds": 2, "ensemble": True, **settings}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    members = []
    for seed in range(2):
        member = train_run(job, tmp_path, f"m/seeds/{seed}")
        assert member["seed"] == seed
        members.append(member["settings"])
    written = train_run(job, tmp_path, "m", models=tmp_path)
    runs_of = {"runs": ["m/seeds/0", "m/seeds/1"], "weights": [0.5] * 2, "temperatures": [1.0] * 2}
    assert written["settings"] == {"kind": "ensemble", "members": members, **runs_of}
    assert "weighing" not in written
    said = [
        models.load(job.results / "preprocessing.json", tmp_path / run / "training").predict_split(
            job.results / "encoded", job.results / "examples", "test"
        )
        for run in ("m", "m/seeds/0", "m/seeds/1")
    ]
    assert np.abs(said[1] - said[2]).max() > 1e-3
    np.testing.assert_allclose(said[0], (said[1] + said[2]) / 2, atol=1e-6)


def test_calibrated_logits_are_divided_by_the_temperature(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    said = []
    for calibration in ("none", "auto"):
        directory = tmp_path / calibration
        directory.mkdir()
        # Trained too short, so that it is not sure enough.
        write_config(job, directory, {}, training={"epochs": 3, "calibration": calibration})
        written = train_run(job, directory, "m")
        folder = directory / "m" / "training"
        predictor = models.load(job.results / "preprocessing.json", folder)
        said.append(
            predictor.predict_split(job.results / "encoded", job.results / "examples", "test")
        )
    found = written["calibration"]
    assert (found["rows"], found["temperature"] < 0.95) == (300, True)
    assert found["after"] < found["before"] == pytest.approx(written["val_loss"], rel=1e-5)
    logits = np.log(said[0]) - np.log1p(-said[0])
    expected = 1 / (1 + np.exp(-logits / found["temperature"]))
    np.testing.assert_allclose(said[1], expected, atol=1e-6)


def test_a_search_does_not_calibrate_its_trials(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    search = {"tune": {"trials": 2, "space": {"dropout": [0, 0.1]}}}
    write_config(job, tmp_path, search, training={"epochs": 1, "calibration": "auto"})
    assert "calibration" not in train_run(job, tmp_path, "m/rungs/0/1")


def test_values_of_a_regression_cannot_be_calibrated(made_job: Any, tmp_path: Path) -> None:
    job = made_job("regression").until("preprocess")
    write_config(job, tmp_path, {}, training={"calibration": "auto"})
    with pytest.raises(MillraceError, match=r"training\.calibration: expected none for a regress"):
        train_run(job, tmp_path, "m")


def test_a_search_trains_short_trials_and_then_the_best(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    space = {"training.learning_rate": [1e-4, 1e-2], "hidden_units": [[4], [8, 4]]}
    write_config(job, tmp_path, {"tune": {"trials": 3, "space": space}}, training={"epochs": 6})
    trials = [train_run(job, tmp_path, f"m/rungs/0/{place}") for place in range(3)]
    assert [trial["epochs"] for trial in trials] == [2, 2, 2]
    best = min(trials, key=lambda trial: trial["val_loss"])
    model = train_run(job, tmp_path, "m", models=tmp_path)
    assert model["trial"] == best["trial"]
    assert model["settings"]["hidden_units"] == best["settings"]["hidden_units"]
    assert model["epochs"] == 6
    tuned = yaml.safe_load((tmp_path / "m" / "training" / "tuned.yaml").read_text())
    write_config(job, tmp_path, tuned["models"]["m"], training={"epochs": 6})
    pasted = train_run(job, tmp_path, "m")
    assert (pasted["val_loss"], "trial" in pasted) == (model["val_loss"], False)


def test_a_trial_that_diverges_is_the_worst_and_a_model_that_does_is_an_error(
    made_job: Any, tmp_path: Path
) -> None:
    job = made_job("regression").until("preprocess")
    space = {"training.learning_rate": [1e15]}
    write_config(job, tmp_path, {"tune": {"trials": 2, "space": space}})
    assert train_run(job, tmp_path, "m/rungs/0/1")["val_loss"] is None
    write_config(job, tmp_path, {"training": {"learning_rate": 1e15}})
    with pytest.raises(MillraceError, match="expected finite numbers"):
        train_run(job, tmp_path, "m")


def test_a_fold_is_left_out_of_the_training(made_job: Any, tmp_path: Path) -> None:
    job = made_job("binary").until("preprocess")
    preprocessing = Preprocessing.load(job.results / "preprocessing.json")
    read = encoded.read(job.results / "encoded" / "train.tfrecord", preprocessing.spec)
    held_out = runs.fold_rows(read.labels, 3, seed=0)[1]
    kept = np.setdiff1d(np.arange(len(read)), held_out)
    inputs = {name: part[kept] for name, part in read.inputs.items()}
    made = tmp_path / "encoded"
    made.mkdir()
    encoded.write(made / "train.tfrecord", [encoded.Encoded(inputs, read.labels[kept])])
    shutil.copy(job.results / "encoded" / "validation.tfrecord", made)

    write_config(job, tmp_path, {}, selection={"folds": 3})
    fold = train_run(job, tmp_path, "m/folds/1")
    keras.utils.clear_session()
    same = train_run(job, tmp_path, "m", encoded=made)
    assert fold["val_loss"] == pytest.approx(same["val_loss"], abs=1e-6)


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
                *["--models", tmp_path],
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
