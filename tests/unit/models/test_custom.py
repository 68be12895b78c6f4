"""Models from a user's file: valid ones are built, invalid ones give errors."""

import keras
import numpy as np
import pytest

from millrace import models
from millrace.config import complete
from millrace.errors import MillraceError
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models import custom
from tests.helpers.configs import model_settings

SPEC = EncodedSpec(
    numbers=(NumberInput("a", edges=(0.0, 1.0)), NumberInput("b", edges=(0.0, 1.0))),
    ids=(CategoricalInput("c", 5, "indicator", 5),),
)
TASK = Task("multiclass", classes=("x", "y", "z"))
INPUTS = {"numbers": np.ones((4, 2), np.float32), "ids": np.ones((4, 1), np.int32)}

FUNCTIONAL = """
import keras
from millrace.models.input_layers import DenseFeatures, encoded_inputs

def build(spec, task):
    inputs = encoded_inputs(spec)
    x = keras.layers.Dense(8, activation="relu")(DenseFeatures(spec)(inputs))
    return keras.Model(inputs, keras.layers.Dense(task.outputs)(x))
"""
SEQUENTIAL = """
import keras

def build(spec, task):
    return keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(task.outputs)])
"""
SUBCLASSED = """
import keras
import tensorflow as tf

class Mine(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.dense = keras.layers.Dense(outputs)

    def call(self, inputs, training=False):
        return self.dense(tf.concat([inputs["numbers"], tf.cast(inputs["ids"], tf.float32)], 1))

    def train_step(self, data):
        inputs, labels = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=labels, y_pred=self(inputs, training=True))
        weights = [weight.value for weight in self.trainable_weights]
        self.optimizer.apply(tape.gradient(loss, weights), self.trainable_weights)
        self._loss_tracker.update_state(loss)
        return {"loss": loss}

def build(spec, task):
    return Mine(task.outputs)
"""


def build(tmp_path, source, name="build"):
    file = tmp_path / "mine.py"
    file.write_text(source)
    return models.build(model_settings("custom", path=f"{file}:{name}"), SPEC, TASK)


@pytest.mark.parametrize("source", [FUNCTIONAL, SEQUENTIAL, SUBCLASSED])
def test_any_keras_model_is_taken(tmp_path, source):
    model = build(tmp_path, source)
    assert isinstance(model, keras.Model)
    assert model(INPUTS).shape == (4, 3)
    assert model.weights


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour.py").write_text(SEQUENTIAL)
    assert build(tmp_path, "from neighbour import build")(INPUTS).shape == (4, 3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def build(spec, task): return 3", "returns a keras.Model, found one that returns a int"),
        ("def other(spec, task): pass", "expected a function 'build', found \\['other'\\]"),
        ("def build(spec): pass", "found an error: TypeError: build\\(\\) takes 1"),
        ("def build(spec, task: return 3", "expected a module, found an error: SyntaxError"),
        (
            SEQUENTIAL.replace("task.outputs", "7"),
            "shape \\[n, 3\\].*multiclass task, found \\[2, 7",
        ),
        (SUBCLASSED.replace("numbers", "number"), "of encoded examples, found an error: KeyError"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, source, message):
    with pytest.raises(MillraceError, match=message):
        build(tmp_path, source)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(MillraceError, match="expected a Python file at 'no/such"):
        models.build(model_settings("custom", path="no/such.py:build"), SPEC, TASK)


def test_a_file_that_changed_after_the_training_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(SEQUENTIAL)
    settings = custom.pinned(model_settings("custom", path=f"{file}:build"))
    assert custom.build(settings, SPEC, TASK)
    file.write_text(SEQUENTIAL + "\n")
    with pytest.raises(MillraceError, match="found a changed one"):
        custom.build(settings, SPEC, TASK)


@pytest.mark.parametrize("path", ["mine.py", "mine:build", "mine.py:"])
def test_a_path_says_file_and_function(path):
    config = {"name": "a", "data": {"files": "t", "label": "y"}}
    config["models"] = {"m": {"kind": "custom", "path": path}}
    with pytest.raises(MillraceError, match=r"models\.m\.path: expected text that matches"):
        complete(config)
