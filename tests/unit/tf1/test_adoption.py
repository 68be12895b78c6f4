"""Canned Estimators in Millrace's own models, against TensorFlow 1.15 on the same rows."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from millrace import config, models, preprocessing
from millrace.analysis import statistics
from millrace.errors import MillraceError
from millrace.raw import raw_columns
from millrace.tf1 import adoption

# Elsewhere when test_tf1_live.py has just made them.
FIXTURES = Path(os.environ.get("TF1_FIXTURES", Path(__file__).parents[2] / "fixtures" / "tf1"))
ORACLE = json.loads((FIXTURES / "oracle.json").read_text(encoding="utf-8"))
TYPES = {"age": "float32", "hours": "float32", "city": "string", "job": "string"}
ARROW = {"float32": pa.float32(), "string": pa.string(), "int64": pa.int64()}

WIDE = {
    "age_bucket": {
        "kind": "bucketized",
        "column": "age",
        "boundaries": [25, 35.5, 50],
        "default": 0,
    },
    "city_id": {"kind": "vocabulary", "column": "city", "values": ["Paris", "Rome", "Zürich"]},
    "job_hash": {"kind": "hashed", "column": "job", "buckets": 7},
    "city_x_job": {
        "kind": "crossed",
        "keys": ["city", "job"],
        "buckets": 11,
        "compat": "tf1_dense",
    },
    "age_x_city": {
        "kind": "crossed",
        "keys": ["age_bucket", "city_id"],
        "buckets": 13,
        "compat": "tf1_dense",
    },
}
HOURS = {
    "kind": "numeric",
    "normalizer": "none",
    "center": 30,
    "scale": 0.0625,
    "default": 0,
}
EMBEDDINGS = {
    "job_embedding": {"kind": "embedding", "of": "job_hash", "dimension": 3},
    "cross_embedding": {"kind": "embedding", "of": "city_x_job", "dimension": 2},
}
AGE = {"kind": "numeric", "normalizer": "none", "default": 0}
DEEP = {
    "age": AGE,
    "hours": HOURS,
    **{name: WIDE[name] for name in ("age_bucket", "city_id", "job_hash", "city_x_job")},
    **EMBEDDINGS,
}
ALL = {"age": AGE, "hours": HOURS, **WIDE, **EMBEDDINGS}
IN_NETWORK = ["age", "hours", "age_bucket", "city_id", "job_embedding", "cross_embedding"]

# What was trained in TensorFlow 1.15: the kind of model here, features, label, other settings.
ESTIMATORS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = {
    "linear_classifier": ("linear", {"hours": HOURS, **WIDE}, "label", {}, {}),
    "linear_regressor": ("linear", WIDE, "wage", {}, {}),
    "dnn_classifier": ("dnn", DEEP, "level", {"hidden_units": [8, 4]}, {"oov": ["city_id"]}),
    "dnn_regressor": ("dnn", DEEP, "wage", {"hidden_units": [8]}, {"oov": ["city_id"]}),
    "wide_deep": (
        "wide_deep",
        ALL,
        "label",
        {"hidden_units": [8, 4]},
        {"oov": ["city_id"], "deep": IN_NETWORK},
    ),
}


def read_table(split: str) -> pd.DataFrame:
    return pd.DataFrame(json.loads((FIXTURES / f"{split}.json").read_text(encoding="utf-8")))


TEST = read_table("test")


def learn(features: dict[str, Any], label: str) -> preprocessing.Preprocessing:
    """Learns the feature columns from the rows that the Estimators were trained on."""
    types = {**TYPES, label: "float32" if label == "wage" else "int64"}
    schema = {"columns": [{"name": n, "type": t} for n, t in types.items()], "label": label}
    table = read_table("train").replace("", None)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(table[name], ARROW[type_]) for name, type_ in types.items()], list(types)
    )
    splits = {split: iter([batch]) for split in ("train", "validation", "test")}
    job = {"name": "made", "data": {"files": "x.csv", "label": label}, "features": features}
    completed = config.complete(job)["features"]
    return preprocessing.learn(completed, schema, statistics.compute(splits, schema))


def build(name: str, **changes: Any) -> tuple[Any, preprocessing.Preprocessing, dict[str, Any]]:
    """Returns an adopted Estimator's model, its preprocessing, and what `start` told."""
    kind, features, label, settings, source = ESTIMATORS[name]
    learned = learn(changes.pop("features", features), label)
    adopt = {"checkpoint": str(FIXTURES / name / "model.ckpt"), **source, **changes}
    settings = {"kind": kind, "dropout": 0.0, **settings}
    model = models.build(settings, learned.spec, learned.task)
    return model, learned, adoption.start(model, settings | {"adopt": adopt}, learned)


def encoded_test_rows(learned: preprocessing.Preprocessing) -> dict[str, tf.Tensor]:
    raw = raw_columns(TEST, learned.raw)
    return learned.encode({c.name: tf.constant(raw[c.name], c.dtype) for c in learned.raw})


def seen() -> np.ndarray:
    """Which test rows hold only texts that training holds too, or none."""
    train = read_table("train")
    known = [TEST[name].isin([*train[name], ""]) for name in ("city", "job")]
    return np.logical_and(*known).to_numpy()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_adopted_estimator_gives_the_logits_of_tensorflow_1(name: str) -> None:
    model, learned, told = build(name)
    said = ORACLE[name]
    logits = model(encoded_test_rows(learned)).numpy()
    if learned.task.kind == "regression":
        logits = logits * learned.task.std + learned.task.mean
    expected = np.array(said.get("logits", said.get("predictions")))
    rows = seen()
    assert rows.sum() == 58
    np.testing.assert_allclose(logits[rows], expected[rows], atol=1e-5, rtol=1e-6)
    assert told["left"] == []


@pytest.mark.parametrize("feature", list(WIDE))
def test_every_bucket_is_that_of_tensorflow_1(feature: str) -> None:
    """An id that tf.feature_column lacks (-1) is one of ours beyond the buckets."""
    learned = learn(ALL, "label")
    ids = encoded_test_rows(learned)["ids"].numpy()
    place = [entry.feature for entry in learned.spec.ids].index(feature)
    names = {"city_id": "city", "job_hash": "job"}
    expected = np.array(ORACLE["ids"][names.get(feature, feature)])
    ours = np.where(ids[:, place] < expected.max() + 1, ids[:, place], -1)
    np.testing.assert_array_equal(ours[seen()], expected[seen()])


def test_a_text_never_seen_is_told_apart_from_a_missing_one() -> None:
    learned = learn(ALL, "label")
    ids = encoded_test_rows(learned)["ids"].numpy()
    place = [entry.feature for entry in learned.spec.ids].index("city_x_job")
    assert ids[~seen(), place].tolist() == [11, 11]


def test_parsed_examples_have_no_cross_without_a_text() -> None:
    """As the export says, which leaves a missing text out: TensorFlow 1 fed by tf.Example."""
    crosses = {name: {**WIDE[name], "compat": "tf1"} for name in ("city_x_job", "age_x_city")}
    model, learned, _ = build("linear_classifier", features={"hours": HOURS, **WIDE, **crosses})
    logits = model(encoded_test_rows(learned)).numpy()
    expected = np.array(ORACLE["estimator_export"]["logits"])
    np.testing.assert_allclose(logits[seen()], expected[seen()], atol=1e-5)


def test_classes_in_another_order_turn_the_logits() -> None:
    model, learned, _ = build("linear_classifier")
    turned, _, _ = build("linear_classifier", classes=[1, 0])
    inputs = encoded_test_rows(learned)
    np.testing.assert_allclose(turned(inputs), -model(inputs).numpy(), atol=1e-6)


def test_preprocessing_is_kept(tmp_path: Path) -> None:
    learned = learn(ALL, "label")
    learned.save(tmp_path / "preprocessing.json")
    kept = preprocessing.Preprocessing.load(tmp_path / "preprocessing.json")
    for part, values in encoded_test_rows(learned).items():
        np.testing.assert_array_equal(encoded_test_rows(kept)[part], values)


def test_warm_start_takes_what_fits_and_tells_what_not() -> None:
    kind, features, label, settings, _ = ESTIMATORS["dnn_classifier"]
    wider = {**EMBEDDINGS["job_embedding"], "dimension": 5}
    learned = learn({**features, "job_embedding": wider}, label)
    checkpoint = str(FIXTURES / "dnn_classifier" / "model.ckpt")
    settings = {"kind": kind, "dropout": 0.0, "hidden_units": [8, 4]}
    model = models.build(settings, learned.spec, learned.task)
    before = model.get_layer("dense_features").tables["job_embedding"].numpy()
    told = adoption.start(model, settings | {"warm_start": {"checkpoint": checkpoint}}, learned)
    after = model.get_layer("dense_features").tables
    np.testing.assert_array_equal(after["job_embedding"], before)
    reader = tf.train.load_checkpoint(checkpoint)
    layer = "dnn/input_from_feature_columns/input_layer"
    embedding = reader.get_tensor(f"{layer}/city_X_job_embedding/embedding_weights")
    np.testing.assert_array_equal(after["cross_embedding"].numpy()[:11], embedding)
    np.testing.assert_array_equal(
        model.get_layer("hidden_1").kernel, reader.get_tensor("dnn/hiddenlayer_1/kernel")
    )
    assert f"{layer}/job_embedding/embedding_weights" in told["left"]
    assert "dnn/hiddenlayer_0/kernel" in told["left"]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (
            "linear_classifier",
            {"features": WIDE},
            "missing: none; extra: linear/linear_model/hours/weights",
        ),
        (
            "linear_regressor",
            {"features": {"hours": HOURS, **WIDE}},
            "missing: linear/linear_model/hours/weights; extra: none",
        ),
        (
            "linear_classifier",
            {"features": {"hours": HOURS, **WIDE, "job_hash": {**WIDE["job_hash"], "buckets": 9}}},
            r"linear/linear_model/job/weights: expected shape \[9, 1\], found \[7, 1\]",
        ),
        (
            "dnn_classifier",
            {"oov": []},
            r"hiddenlayer_0/kernel: expected shape \[14, 8\], found \[15, 8\]; the columns and "
            "their widths: age 1, age_bucketized 4, city_X_job_embedding 2, city_indicator 3",
        ),
        ("dnn_classifier", {"deep": ["age", "wage"]}, r"features of the config, found \['wage'\]"),
        ("linear_classifier", {"classes": ["a", "b"]}, r"values \[0, 1\], found \['a', 'b'\]"),
        ("linear_classifier", {"checkpoint": "nowhere/model.ckpt"}, "expected a checkpoint of Te"),
        (
            "linear_classifier",
            {
                "features": {
                    "hours": HOURS,
                    **WIDE,
                    "age_x_city": {"kind": "crossed", "keys": ["age_bucket", "city_id"]},
                }
            },
            "expected a kind that canned Estimators have, found 'crossed'",
        ),
    ],
)
def test_what_does_not_fit_is_told(name: str, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(MillraceError, match=expected):
        build(name, **changes)
