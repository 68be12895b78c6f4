"""rehearse, on the synthetic job: untrained models in every format, and early errors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.export.runtimes import tflite

EVERYWHERE = [
    "saved_model serving_default",
    "saved_model serving_examples",
    "tflite float32",
    "tfjs cpu",
    "tfjs wasm",
    "onnx python",
]
# An op that neither TF Lite nor TF.js supports.
CODE = """
import keras
import tensorflow as tf
from millrace.models.input_layers import DenseFeatures, encoded_inputs

class Odd(keras.layers.Layer):
    def call(self, x):
        return tf.math.igamma(1.0, tf.abs(x))

class Concrete(keras.Model):
    def __init__(self, spec, task):
        super().__init__()
        self.features = DenseFeatures(spec)
        self.dense = keras.layers.Dense(task.outputs)

    def call(self, inputs, training=False):
        x = self.dense(self.features(inputs))
        return x if len(x) else x

def odd(spec, task):
    inputs = encoded_inputs(spec)
    x = Odd(name="odd_one")(DenseFeatures(spec)(inputs))
    return keras.Model(inputs, keras.layers.Dense(task.outputs)(x))
"""


def rehearse(job, tmp_path, rehearsed="built-in", **changed):
    """Rehearses the synthetic job with other settings; returns the output by model."""
    text = job.config.read_text(encoding="utf-8")
    for key, settings in changed.items():
        text = re.sub(rf"^{key}:.*(\n .*)*\n|\Z", "", text, count=1, flags=re.M)
        text += f"{key}: {json.dumps(settings)}\n"
    config = tmp_path / "config.yaml"
    config.write_text(text, encoding="utf-8")
    output = tmp_path / "rehearsal" / "one.json"
    job.run("rehearse", config=config, rehearsed=rehearsed, output=output)
    return {found["model"]: found for found in json.loads(output.read_text())["models"]}


def code(tmp_path: Path, function: str) -> dict[str, str]:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return {"kind": "custom", "path": f"{path}:{function}"}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_untrained_models_of_every_kind_agree_in_every_form(made_job, tmp_path, task):
    kinds = ["linear", "dnn", "wide_deep", "dcn", "tabm", "boosted_trees"]
    small = {"dnn": {"hidden_units": [4]}, "wide_deep": {"hidden_units": [4]}}
    models = {kind: {"kind": kind, **small.get(kind, {})} for kind in kinds}
    # The first training of a search and of an ensemble.
    models["tuned"] = {
        "kind": "linear",
        "tune": {"trials": 3, "space": {"training.learning_rate": [0.1, 0.01]}},
    }
    models["several"] = {"kind": "linear", "seeds": 2, "ensemble": True}
    # One across models has no training of its own to rehearse.
    across = {"across": {"kind": "ensemble"}}
    found = rehearse(made_job(task).until("preprocess"), tmp_path, models=models | across)
    assert found == {name: {"model": name, "forms": EVERYWHERE, "left_out": {}} for name in models}


@pytest.mark.slow
def test_the_model_whose_op_a_runtime_lacks_is_named_before_training(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    models = {"plain": {"kind": "linear"}, "mine": code(tmp_path, "odd")}
    expected = r"models\.mine: expected ops that TF Lite has, found Igamma \(node \S*odd_one\S*\)"
    with pytest.raises(MillraceError, match=expected):
        rehearse(job, tmp_path, "mine", models=models)
    assert not list(tmp_path.glob("rehearsal/*"))
    assert list(rehearse(job, tmp_path, models=models)) == ["plain"]
    both = {"tflite": "where_possible", "tfjs": "where_possible"}
    found = rehearse(job, tmp_path, "mine", models=models, export=both)
    assert found["mine"]["forms"] == EVERYWHERE[:2]
    assert found["mine"]["left_out"].keys() == {"tflite", "tfjs", "onnx"}
    assert found["mine"]["left_out"]["tfjs"].startswith("TF.js lacks Igamma")


def test_a_form_that_is_not_wanted_is_not_tried(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    wanted = {"tflite": False, "tfjs": False, "onnx": False}
    found = rehearse(job, tmp_path, models={"plain": {"kind": "linear"}}, export=wanted)
    left_out = {runtime: f"export.{runtime} is false" for runtime in wanted}
    assert found["plain"] == {"model": "plain", "forms": EVERYWHERE[:2], "left_out": left_out}


def test_an_old_model_alone_is_exported_without_the_jobs_look_up_tables(made_job, tmp_path):
    with tf.Graph().as_default() as graph:
        size = tf.compat.v1.placeholder(tf.float32, [None], "size")
        tf.sigmoid(size / 100, name="probability")
    path = tmp_path / "old.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    fed = {"inputs": {"size": "size (mm)"}, "missing": {"size (mm)": 0}}
    old = {"kind": "tf1", "graph_def": str(path), "output": "probability", **fed}
    job, wanted = made_job("binary").until("preprocess"), {"tflite": False, "tfjs": False}
    found = rehearse(job, tmp_path, "old", models={"old": old}, export=wanted)
    assert found["old"]["forms"] == [*EVERYWHERE[:2], "onnx python"]


def test_code_that_cannot_be_traced_is_named(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    expected = r"models\.mine: expected a model that can be exported, found an error: \w+"
    with pytest.raises(MillraceError, match=expected):
        rehearse(job, tmp_path, "mine", models={"mine": code(tmp_path, "Concrete")})


def test_the_column_that_a_form_reads_otherwise_is_named(made_job, tmp_path, monkeypatch):
    job = made_job("binary").until("preprocess")
    truth = tflite.predict

    def lie(model, columns, inputs):
        off = np.where(np.isnan(columns["count"]), 0, 0.25)[:, None]
        return truth(model, columns, inputs) + off

    monkeypatch.setattr(tflite, "predict", lie)
    expected = r"models\.plain: tflite float32: .*a difference of 0\.25.*missing: \['count'\]"
    with pytest.raises(MillraceError, match=expected):
        rehearse(job, tmp_path, models={"plain": {"kind": "linear"}})


def test_of_several_models_the_one_that_differs_is_named(made_job, tmp_path, monkeypatch):
    job = made_job("binary").until("preprocess")
    truth = tflite.predict

    def lie(model, columns, inputs):
        # Of the second model, together with the first or alone.
        predictions = truth(model, columns, inputs)
        off = [0, 0.25] if predictions.shape[1] == 2 else [0.25 * is_last.pop(0)]
        return predictions + off

    is_last = [False, True, True]
    monkeypatch.setattr(tflite, "predict", lie)
    models = {"one": {"kind": "linear"}, "other": {"kind": "linear"}}
    with pytest.raises(MillraceError, match=r"models\.other: tflite float32: .* of 0\.25"):
        rehearse(job, tmp_path, models=models, export={"tfjs": False})


def test_a_cell_that_was_stored_as_another_is_found_before_training(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    raw = job.results / "test.csv"
    text = raw.read_text()
    try:
        raw.write_text(text.replace("Zürich", "Aarhus"))
        expected = r"models\.plain: row \d+ of test\.csv: .* stored as something else: city\."
        with pytest.raises(MillraceError, match=expected) as caught:
            rehearse(job, tmp_path, models={"plain": {"kind": "linear"}})
    finally:
        raw.write_text(text)
    assert not re.search("Zürich|Aarhus", str(caught.value))
