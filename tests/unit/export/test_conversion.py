"""Conversions of the synthetic job's SavedModel, and their errors."""

import hashlib
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from millrace import models
from millrace.config.assessment import ExportConfig
from millrace.errors import MillraceError
from millrace.export import conversion, runtimes, tfjs_converter
from millrace.features.raw_row import name_columns, read_raw
from tests.helpers.runner_requests import write_request

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture(scope="module")
def made(made_job):
    job = made_job("binary").until("export")
    predictor = models.load(
        job.results / "preprocessing.json", job.results / "models" / "dnn" / "training"
    )
    shard = job.results / "examples" / "test-00000-of-00001.tfrecord"
    columns = predictor.preprocessing.raw
    raw = read_raw([shard], columns)
    full = conversion.convert_tflite(job.results / "export" / "saved_model" / "1")
    return job, predictor, columns, raw, full


def test_tflite_gives_what_keras_gives(made):
    _, predictor, columns, raw, full = made
    predictions = conversion.predict_tflite(full, raw, columns)
    np.testing.assert_allclose(predictions, predictor.predict(raw), atol=1e-6)


def test_tflite_has_builtin_ops_only(made):
    from ai_edge_litert.interpreter import Interpreter

    ops = {op["op_name"] for op in Interpreter(model_content=made[4])._get_ops_details()}
    assert "HASHTABLE_FIND" in ops
    assert not {op for op in ops if op.startswith("Flex")} | (ops & {"CUSTOM"})


@pytest.mark.parametrize(
    "precision, largest", [("float16", 1e-3), ("dynamic_range", 0.05), ("int8", 0.2)]
)
def test_reduced_models_are_smaller_and_near(made, precision, largest):
    _, _, columns, raw, full = made
    reduced = conversion.reduce_tflite(full, precision, raw, columns)
    assert len(reduced) < len(full)
    difference = np.abs(
        conversion.predict_tflite(reduced, raw, columns)
        - conversion.predict_tflite(full, raw, columns)
    )
    assert 0 < difference.max() < largest


@pytest.mark.slow
def test_tfjs_is_the_same_in_every_process_and_names_its_inputs_by_key(made, tmp_path):
    saved_model = made[0].results / "export" / "saved_model" / "1"
    command = [sys.executable, str(SCRIPTS / "convert_tfjs.py"), "--config", str(made[0].config)]
    command += ["--saved-model", str(saved_model)]
    contents = []
    for name in ("a", "b"):
        subprocess.run([*command, "--output", str(tmp_path / name)], check=True)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        ".millrace",
        "model.json",
        "group1-shard1of1.bin",
        "conversion.json",
    }
    model = json.loads(contents[0]["model.json"])
    # The converter's order of these rarely differs, but it does.
    tables = [node["name"] for node in model["modelInitializer"]["node"]]
    weights = [weight["name"] for weight in model["weightsManifest"][0]["weights"]]
    assert (tables, weights) == (sorted(tables), sorted(weights))
    inputs = model["signature"]["inputs"]
    fed = {key for key, value in inputs.items() if value["dtype"] != "DT_RESOURCE"}
    assert fed == {column.key for column in made[2]}


@pytest.mark.slow
def test_onnx_is_the_same_in_every_process_and_names_its_inputs_by_key(made, tmp_path):
    export = made[0].results / "export"
    command = [sys.executable, str(SCRIPTS / "convert_onnx.py"), "--config", str(made[0].config)]
    command += ["--saved-model", str(export / "saved_model" / "1")]
    command += ["--signature", str(export / "signature.json")]
    contents = []
    for name in ("a", "b"):
        environment = os.environ | {"PYTHONHASHSEED": str(ord(name))}
        subprocess.run([*command, "--output", str(tmp_path / name)], check=True, env=environment)
        contents.append((tmp_path / name / "model.onnx").read_bytes())
    assert contents[0] == contents[1]
    model = onnx.load_from_string(contents[0])
    assert {each.name for each in model.graph.input} == {column.key for column in made[2]}
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata["name"] == "dnn"
    assert metadata["signature"] == (export / "signature.json").read_text()
    graph = (export / "saved_model" / "1" / "saved_model.pb").read_bytes()
    files = json.loads(metadata["files"])
    assert files["saved_model/saved_model.pb"] == hashlib.sha256(graph).hexdigest()


def buckets(x):
    return tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 1.0])


def hashes(x):
    return tf.strings.to_hash_bucket_fast(tf.strings.as_string(x), 9)


def save(function, path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(x):
        return {"predictions": tf.cast(function(x), tf.float32)}

    module.serve = serve
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


@pytest.mark.parametrize(
    "key, lacking, function, named",
    [
        (
            "tflite",
            "TF Lite",
            hashes,
            r"AsString \(node \w+\), StringToHashBucketFast \(node \w+\)",
        ),
        ("tfjs", "TF.js", buckets, r"Bucketize \(node \w+\)"),
        (
            "onnx",
            "ONNX",
            hashes,
            r"AsString \(node \w+\), StringToHashBucketFast \(node \w+\)",
        ),
    ],
)
def test_an_op_that_a_runtime_lacks_is_named(tmp_path, key, lacking, function, named):
    save(function, tmp_path / "saved_model")

    def convert():
        if key == "tflite":
            return conversion.convert_tflite(tmp_path / "saved_model")
        if key == "onnx":
            return conversion.convert_onnx(tmp_path / "saved_model", {})
        return conversion.convert_tfjs(tmp_path / "saved_model", tmp_path / "tfjs")

    expected = rf"expected ops that {lacking} has, found {named}\.\n.*export: {{{key}: false}}"
    with pytest.raises(MillraceError, match=expected):
        conversion.attempt(key, True, convert)
    made, reason = conversion.attempt(key, "where_possible", convert)
    assert made is None
    assert re.fullmatch(f"{lacking} lacks {named}", reason)
    assert conversion.attempt(key, False, convert) == (None, f"export.{key} is false")


def test_the_layer_with_an_op_that_a_runtime_lacks_is_named(tmp_path):
    class Odd(keras.layers.Layer):
        def call(self, x):
            return tf.math.igamma(1.0, x)

    inputs = keras.Input((1,))
    model = keras.Model(inputs, Odd(name="odd_one")(inputs))
    save(lambda x: model(x[:, None]), tmp_path / "saved_model")
    for convert in (
        lambda: conversion.convert_tflite(tmp_path / "saved_model"),
        lambda: conversion.convert_tfjs(tmp_path / "saved_model", tmp_path / "tfjs"),
        lambda: conversion.convert_onnx(tmp_path / "saved_model", {}),
    ):
        with pytest.raises(MillraceError, match=r"found Igamma \(node \S*odd_one\w*/Igamma\)"):
            convert()


def test_an_op_that_one_backend_of_tfjs_lacks_is_named(tmp_path):
    save(lambda x: tf.einsum("ni,ij->nj", x[:, None], tf.ones([1, 1])), tmp_path / "saved_model")
    conversion.convert_tfjs(tmp_path / "saved_model", tmp_path / "tfjs")
    rows = write_request(tmp_path, {"x": np.array([2], np.float32)}, name_columns({"x": "float32"}))
    np.testing.assert_allclose(runtimes.run_tfjs(tmp_path / "tfjs", "cpu", rows), [[2]])
    expected = r"tfjs: expected ops that TF.js has on wasm, found Einsum \(node \S*einsum/Einsum\)"
    with pytest.raises(MillraceError, match=expected):
        runtimes.run_tfjs(tmp_path / "tfjs", "wasm", rows)


def test_what_follows_a_product_is_what_tfjs_has(tmp_path):
    """TensorFlow's optimizer would fuse tanh and the product into one op, for oneDNN."""
    kernel, bias = np.array([[0.5, -2]], np.float32), np.array([0.1, 0.2], np.float32)
    save(lambda x: tf.tanh(x[:, None] @ tf.constant(kernel) + bias), tmp_path / "saved_model")
    conversion.convert_tfjs(tmp_path / "saved_model", tmp_path / "tfjs")
    x = np.array([-1, 0, 0.3], np.float32)
    rows = write_request(tmp_path, {"x": x}, name_columns({"x": "float32"}))
    for backend in ("cpu", "wasm"):
        found = runtimes.run_tfjs(tmp_path / "tfjs", backend, rows)
        np.testing.assert_allclose(found, np.tanh(x[:, None] * kernel + bias), atol=1e-6)


@pytest.mark.parametrize(
    ("convert", "others"),
    [
        (conversion.convert_tflite, []),
        (conversion.convert_tfjs, [Path("out")]),
        (conversion.convert_onnx, [{}]),
    ],
)
def test_what_is_no_saved_model_is_refused(tmp_path, convert, others):
    with pytest.raises(MillraceError, match=r"expected a SavedModel, found no saved_model\.pb"):
        convert(tmp_path, *others)


def test_columns_of_any_name_reach_all_runtimes(tmp_path):
    names = ["Culmen Length (mm)", "ID", "größe", "a/b", "1x"]
    columns = name_columns(dict.fromkeys(names, "float32"))
    module = tf.Module()

    @tf.function(
        input_signature=[{c.key: tf.TensorSpec([None], tf.float32, name=c.key) for c in columns}]
    )
    def serve(x):
        return {"predictions": tf.add_n([x[c.key] * (i + 1) for i, c in enumerate(columns)])}

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": serve})
    raw = {name: np.array([10.0**i], np.float32) for i, name in enumerate(names)}
    full = conversion.convert_tflite(tmp_path)
    np.testing.assert_allclose(conversion.predict_tflite(full, raw, columns), [54321])
    conversion.convert_tfjs(tmp_path, tmp_path / "tfjs")
    (tmp_path / "model.onnx").write_bytes(conversion.convert_onnx(tmp_path, {}))
    request = write_request(tmp_path, raw, columns)
    for predict in (
        partial(runtimes.run_onnx, tmp_path / "model.onnx"),
        partial(runtimes.run_saved_model, tmp_path, "serving_default"),
        partial(runtimes.run_tfjs, tmp_path / "tfjs", "cpu"),
    ):
        np.testing.assert_allclose(predict(request), [54321])


LIMITS = ExportConfig(max_difference=0.02, max_metric_cost=0.001)


@pytest.mark.parametrize(
    "difference, cost, task, metric, fault",
    [
        (0.02, 0.001, "binary", 0.7, None),
        (0.021, 0.0, "binary", 0.7, "differs by up to 0.021, more than export.max_difference"),
        (0.01, 0.0011, "binary", 0.7, "costs 0.0011 of the metric"),
        # A regression's cost is a share of its error: 0.05 of 50.
        (0.01, 0.05, "regression", 50.0, None),
        (0.01, 0.051, "regression", 50.0, "export.max_metric_cost allows, 0.05"),
        (float("nan"), 0.0, "binary", 0.7, "differs by up to nan"),
    ],
)
def test_a_reduced_model_ships_within_its_limits(difference, cost, task, metric, fault):
    reason = conversion.find_fault(difference, cost, LIMITS, task, metric)
    assert reason is None if fault is None else fault in reason


def test_what_stands_in_for_other_packages_is_gone_after_the_import() -> None:
    assert tfjs_converter.load().convert_tf_saved_model
    assert not set(tfjs_converter.STAND_INS) & set(sys.modules)
