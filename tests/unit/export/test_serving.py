"""Predictors and SavedModels of the synthetic job."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from millrace import models
from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.features.raw_row import raw_columns, read_raw


def predictor_of(job, model="dnn"):
    training = job.results / "models" / model / "training"
    return models.load(job.results / "preprocessing.json", training)


def test_raw_rows_and_encoded_examples_give_the_same(made_job):
    job = made_job("binary").until("train")
    predictor = predictor_of(job)
    from_raw = predictor.predict(raw_columns(job.tables["test"], predictor.preprocessing.raw))
    folders = job.results / "encoded", job.results / "examples"
    from_encoded = predictor.predict_split(*folders, "test")
    np.testing.assert_allclose(from_raw, from_encoded, atol=1e-7)
    assert from_raw.shape == (400,)
    truth = job.tables["test"]["label"] == "yes"
    assert from_raw[truth].mean() > from_raw[~truth].mean() + 0.2


WEIGHTS = r"model\.weights\.h5: expected the weights of model"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("missing", WEIGHTS),
        ("damaged", WEIGHTS),
        ("of another model", WEIGHTS),
        ("of an older version", r"training\.json: unknown key settings\.dnn\.bend"),
    ],
)
def test_weights_that_do_not_fit_are_refused(made_job, tmp_path, fault, expected):
    job = made_job("binary").until("train")
    training = tmp_path / "training"
    training.mkdir()
    source = job.results / "models" / "dnn" / "training"
    description = (source / "training.json").read_text()
    weights = (source / "model.weights.h5").read_bytes()
    if fault == "damaged":
        (training / "model.weights.h5").write_bytes(weights[: len(weights) // 2])
    elif fault == "of another model":
        (training / "model.weights.h5").write_bytes(weights)
        description = description.replace("16", "17")
    elif fault == "of an older version":
        (training / "model.weights.h5").write_bytes(weights)
        description = description.replace("activation", "bend")
    (training / "training.json").write_text(description)
    with pytest.raises(MillraceError, match=expected):
        models.load(job.results / "preprocessing.json", training)


def test_both_signatures_give_what_keras_gives(made_job):
    job = made_job("multiclass").until("export")
    predictor = predictor_of(job)
    shards = [job.results / "examples" / "test-00000-of-00001.tfrecord"]
    raw = read_raw(shards, predictor.preprocessing.raw)
    expected = predictor.predict(raw)
    loaded = tf.saved_model.load(str(job.results / "export" / "saved_model" / "1")).signatures
    by_key = {c.key: tf.constant(raw[c.name], c.dtype) for c in predictor.preprocessing.raw}
    default = loaded["serving_default"](**by_key)["predictions"]
    np.testing.assert_allclose(default, expected, atol=1e-6)
    records = list(tf.data.TFRecordDataset([str(shards[0])]).as_numpy_iterator())
    examples = loaded["serving_examples"](examples=tf.constant(records))["predictions"]
    np.testing.assert_allclose(examples, expected, atol=1e-6)
    assert expected.shape == (400, 3)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_every_process_exports_the_same_bytes(made_job, tmp_path):
    job = made_job("binary").until("train")
    program = (
        "import sys; from pathlib import Path; from millrace import models\n"
        "from millrace.export import serving\n"
        "p = models.load(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "serving.export_saved_model(p, Path(sys.argv[3]))"
    )
    digests = []
    for name in ("a", "b"):
        arguments = [
            job.results / "preprocessing.json",
            job.results / "models" / "dnn" / "training",
            tmp_path / name,
        ]
        subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)], check=True, capture_output=True
        )
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append(
            [
                (path.relative_to(tmp_path / name), hashlib.sha256(path.read_bytes()).hexdigest())
                for path in files
            ]
        )
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


@pytest.mark.slow
def test_no_rows_and_a_row_without_an_axis_are_alike_everywhere(made_job, tmp_path):
    job = made_job("multiclass").until("convert_onnx")
    export = job.results / "export"
    request = runtimes.Request(tmp_path / "rows.json", export / "signature.json")
    runtimes.write_rows(request.rows, dict.fromkeys(("size (mm)", "count", "city"), np.array([])))
    for found in (
        runtimes.run_saved_model(export / "saved_model" / "1", "serving_default", request),
        runtimes.run_saved_model(export / "saved_model" / "1", "serving_examples", request),
        runtimes.run_tflite(export / "tflite" / "float32.tflite", request),
        runtimes.run_tfjs(export / "tfjs", "cpu", request),
        runtimes.run_tfjs(export / "tfjs", "wasm", request),
        runtimes.run_onnx(export / "onnx" / "model.onnx", request),
    ):
        assert found.shape == (0, 3)

    inputs = json.loads(request.signature.read_text())["inputs"]
    row = {"size (mm)": 31.5, "count": 2.0, "city": b"Aarhus"}
    fed = {each["key"]: np.array(row[each["name"]]) for each in inputs}
    fed = {key: x.astype(np.float32) if x.dtype.kind == "f" else x for key, x in fed.items()}
    one = {key: x[None] for key, x in fed.items()}
    saved_model = tf.saved_model.load(str(export / "saved_model" / "1")).signatures
    serve = saved_model["serving_default"]
    lite = Interpreter(str(export / "tflite" / "float32.tflite"))
    expected = serve(**{key: tf.constant(x) for key, x in one.items()})["predictions"]
    scalar = serve(**{key: tf.constant(x) for key, x in fed.items()})["predictions"]
    np.testing.assert_allclose(scalar, expected, atol=1e-6)
    found = lite.get_signature_runner("serving_default")(**fed)["predictions"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
