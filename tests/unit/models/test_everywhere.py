"""Every kind of model, trained, exported and converted: equal predictions in every runtime."""

import json

import pytest
import yaml

from tests.helpers.artifacts import champion_of, metrics_of

MODELS = {
    "linear": {"kind": "linear"},
    "wide_deep": {"kind": "wide_deep", "hidden_units": [16, 8], "activation": "tanh"},
    "dcn": {"kind": "dcn", "hidden_units": [16, 8], "activation": "elu"},
    "tabm": {"kind": "tabm", "hidden_units": [32, 16]},
    "boosted_trees": {"kind": "boosted_trees", "trees": 30},
    "two_tabms": {
        "kind": "tabm",
        "hidden_units": [16],
        "activation": "silu",
        "seeds": 2,
        "ensemble": True,
    },
    "logarithms": {"kind": "dnn", "hidden_units": [16], "target": "log"},
    "forests_of_logarithms": {
        "kind": "boosted_trees",
        "trees": 10,
        "target": "log",
        "seeds": 2,
        "ensemble": True,
    },
    "two_forests": {"kind": "boosted_trees", "trees": 10, "seeds": 2, "ensemble": True},
}


def take_everywhere(job, model, directory):
    """Trains a model of a synthetic job, exports it to all runtimes, and returns parity.json."""
    job.until("preprocess")
    config = directory / "config.yaml"
    settings = yaml.safe_load(job.config.read_text())
    settings |= {"models": {model: MODELS[model]}, "export": {"reduced": []}}
    config.write_text(yaml.safe_dump(settings))
    trained = directory / "models" / model
    runs = [f"{model}/seeds/0", f"{model}/seeds/1"] if MODELS[model].get("ensemble") else []
    for run in (*runs, model):
        models = directory / "models"
        output = models / run / "training"
        job.run("train", config=config, model=run, models=models, output=output)
    metrics_of(model, {}).save(trained / "metrics.json")
    champion = directory / "champion.json"
    champion_of(model).save(champion)
    exported = {
        "saved_model": directory / "saved_model" / "1",
        "signature": directory / "signature.json",
    }
    made = {"champion": champion, "models": directory / "models"}
    job.run("export", **made, **exported)
    tflite, tfjs, onnx = (directory / name for name in ("tflite", "tfjs", "onnx"))
    job.run("convert_tflite", config=config, **exported, output=tflite)
    job.run("convert_tfjs", saved_model=exported["saved_model"], output=tfjs)
    job.run("convert_onnx", config=config, **exported, output=onnx)
    parity = directory / "parity.json"
    converted = {"tflite": tflite, "tfjs": tfjs, "onnx": onnx}
    job.run("verify", config=config, **made, **exported, **converted, parity=parity)
    return json.loads(parity.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("linear", "regression"),
        ("wide_deep", "binary"),
        ("dcn", "multiclass"),
        ("tabm", "binary"),
        ("tabm", "multiclass"),
        ("tabm", "regression"),
        ("boosted_trees", "binary"),
        ("boosted_trees", "multiclass"),
        ("boosted_trees", "regression"),
        ("logarithms", "regression"),
        ("forests_of_logarithms", "regression"),
        ("two_tabms", "multiclass"),
        ("two_forests", "binary"),
    ],
)
def test_all_runtimes_give_the_same_answer(made_job, tmp_path, model, task):
    certificate = take_everywhere(made_job(task), model, tmp_path)
    assert certificate["passed"]
    assert {entry["runtime"] for entry in certificate["runtimes"]} == {
        "saved_model",
        "tflite",
        "tfjs",
        "onnx",
    }
    for entry in (*certificate["runtimes"], certificate["stored_rows"]):
        assert entry["finite"]
        assert entry["max_difference"] <= 2e-6, entry
