"""An ensemble across kinds: its weights, its predictions, the one graph that is exported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml
from google.protobuf.message import Message
from tensorflow.core.protobuf import saved_model_pb2

from millrace import models
from millrace.config.built import Ensemble
from millrace.errors import MillraceError
from millrace.export import serving
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import raw_columns
from millrace.models.keras_predictor import KerasPredictor, heads_of
from millrace.training import greedy_selection, joined, validation_loss
from tests.helpers.configs import model_settings

SMALL = {
    "net": {"kind": "tabm", "hidden_units": [8], "members": 3},
    "trees": {"kind": "boosted_trees", "trees": 8, "learning_rate": 0.3, "seeds": 2},
}
PATH = "preprocessing.json"
MEMBERS = ("net", "trees", "trees/seeds/1")


def train(job: Any, directory: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Trains small models and their ensemble `all`; returns the training.json of that one."""
    config = yaml.safe_load(job.config.read_text())
    config["models"] = {**settings, "all": {"kind": "ensemble"}}
    (directory / "config.yaml").write_text(json.dumps(config))
    for run in (*MEMBERS, "all"):
        output = directory / run / "training"
        paths = {"config": directory / "config.yaml", "models": directory, "output": output}
        job.run("train", model=run, **paths)
    written: dict[str, Any] = json.loads((output / "training.json").read_text())
    return written


def load(job: Any, directory: Path, run: str) -> KerasPredictor:
    found = models.load(job.results / "preprocessing.json", directory / run / "training")
    assert isinstance(found, KerasPredictor)
    return found


def lookups(saved_model: Path) -> int:
    """Counts the look-up tables of a SavedModel's graph."""
    content = (saved_model / "saved_model.pb").read_bytes()
    graph: Message = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    return sum(node.op == "HashTableV2" for node in graph.node)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_exported_graph_is_the_weighted_mean_of_its_members(
    made_job: Any, tmp_path: Path, task: str
) -> None:
    job = made_job(task).until("preprocess")
    # Of members that learn different things, the predictions are averaged all the same.
    settings = SMALL
    if task == "regression":
        settings = {**SMALL, "trees": {**SMALL["trees"], "target": "log"}}
    written = train(job, tmp_path, settings)
    predictors = {run: load(job, tmp_path, run) for run in (*MEMBERS, "all")}
    folders = job.results / "encoded", job.results / "examples"
    on_validation = [predictors[run].predict_split(*folders, "validation") for run in MEMBERS]

    preprocessing = predictors["all"].preprocessing
    path = job.results / "encoded" / "validation.tfrecord"
    validation = encoded.read(path, preprocessing.spec)
    loss = validation_loss.loss_of(preprocessing.task, validation.labels, validation.weights)
    expected = greedy_selection.select(np.stack(on_validation), loss)
    weighing = written["weighing"]
    assert [member["run"] for member in weighing["members"]] == [*MEMBERS]
    assert [member["weight"] for member in weighing["members"]] == expected.weights.tolist()
    assert weighing["rows"] == len(validation)
    assert written["val_loss"] == weighing["val_loss"] == pytest.approx(expected.loss)
    kept = dict(zip(written["settings"]["runs"], written["settings"]["weights"], strict=True))
    assert kept == {run: x for run, x in zip(MEMBERS, expected.weights, strict=True) if x}
    assert len(kept) > 1

    serving.export_saved_model(predictors["all"], tmp_path / "saved_model")
    raw = raw_columns(pd.DataFrame(job.tables["test"]), preprocessing.raw)
    mean = sum(weight * predictors[run].predict(raw) for run, weight in kept.items())
    np.testing.assert_allclose(predictors["all"].predict(raw), mean, rtol=1e-5, atol=1e-6)
    served = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    inputs = {x.key: tf.constant(raw[x.name], x.dtype) for x in preprocessing.raw}
    np.testing.assert_allclose(served(**inputs)["predictions"], mean, rtol=1e-5, atol=1e-6)
    serving.export_saved_model(predictors["net"], tmp_path / "alone")
    assert lookups(tmp_path / "saved_model") == lookups(tmp_path / "alone") > 0


def test_predictions_that_are_not_finite_are_refused() -> None:
    with pytest.raises(MillraceError, match=r"dnn/seeds/1: expected finite .*, found 1 others"):
        joined._finite("dnn/seeds/1", np.array([0.5, np.nan]))


def test_a_member_that_was_kept_alone_is_the_ensemble(made_job: Any) -> None:
    preprocessing = Preprocessing.load(made_job("binary").until("preprocess").results / PATH)
    member, task = model_settings("dnn", hidden_units=[4]), preprocessing.task
    alone = Ensemble(members=(member,), runs=("dnn",), weights=(1.0,), temperatures=(2.0,))
    model = models.build(alone, preprocessing.spec, task)
    ensemble = KerasPredictor(preprocessing, model, heads_of(alone, task, temperature=1.5))
    (inner,) = [layer for layer in model.layers if layer.name == "member_0"]
    net = KerasPredictor(preprocessing, inner, heads_of(member, task, temperature=3.0))
    raw = raw_columns(pd.DataFrame(made_job("binary").tables["test"]), preprocessing.raw)
    np.testing.assert_allclose(ensemble.predict(raw), net.predict(raw), rtol=1e-6)
