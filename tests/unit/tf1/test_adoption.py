"""Canned Estimators adopted by Millrace's models, compared with TensorFlow 1.15."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Started
from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.features import preprocessing
from millrace.features.raw_row import raw_columns
from millrace.tf1 import adoption, proof
from tests.helpers.configs import model_settings
from tests.helpers.estimators import (
    AGE,
    CITY_OOV,
    EMBEDDINGS,
    FIXTURES,
    HOME,
    HOURS,
    ORACLE,
    TEST,
    WIDE,
    encoded_test_rows,
    learn,
    seen,
)

DEEP = {
    "age": AGE,
    "hours": HOURS,
    **{name: WIDE[name] for name in ("age_bucket", "job_hash", "city_x_job")},
    "city_oov": CITY_OOV,
    **EMBEDDINGS,
}
ALL = {"age": AGE, "hours": HOURS, **WIDE, "city_oov": CITY_OOV, **EMBEDDINGS}
IN_NETWORK = ["age", "hours", "age_bucket", "city_oov", "job_embedding", "cross_embedding"]
SHARED = {
    "age": AGE,
    "city_id": WIDE["city_id"],
    "home_id": HOME,
    "job_hash": WIDE["job_hash"],
    "cities": {"kind": "embedding", "of": ["city_id", "home_id"], "dimension": 3},
}
OUT_OF_VOCABULARY = {
    "city_oov": {**WIDE["city_id"], "num_oov_buckets": 3},
    "home_id": {**HOME, "default_value": 1},
    "city_x_home": {
        "kind": "crossed",
        "keys": ["city_oov", "home_id"],
        "buckets": 17,
        "compat": "tf1_dense",
    },
    "city indicator": {"kind": "indicator", "of": "city_oov"},
    "home embedding": {"kind": "embedding", "of": "home_id", "dimension": 2},
}

OLD = {"checkpoint": "model.ckpt"}

# Models trained in TensorFlow 1.15: the kind of model here, features, label, settings.
ESTIMATORS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = {
    "linear_classifier": ("linear", {"hours": HOURS, **WIDE}, "label", {}, {}),
    "linear_regressor": ("linear", WIDE, "wage", {}, {}),
    "dnn_classifier": ("dnn", DEEP, "level", {"hidden_units": [8, 4]}, {}),
    "dnn_regressor": ("dnn", DEEP, "wage", {"hidden_units": [8]}, {}),
    "wide_deep": (
        "wide_deep",
        ALL,
        "label",
        {"hidden_units": [8, 4]},
        {"columns": list(WIDE), "deep": IN_NETWORK},
    ),
    "shared": ("dnn", SHARED, "label", {"hidden_units": [4]}, {}),
    "out_of_vocabulary": (
        "wide_deep",
        OUT_OF_VOCABULARY,
        "label",
        {"hidden_units": [4]},
        {"deep": ["city indicator", "home embedding"]},
    ),
}


def build(name: str, **changes: Any) -> tuple[Any, preprocessing.Preprocessing, Started]:
    """Returns an adopted Estimator's model, its preprocessing, and the notes of `start`."""
    kind, features, label, settings, source = ESTIMATORS[name]
    learned = learn(changes.pop("features", features), label)
    adopt = {"checkpoint": str(FIXTURES / name / "model.ckpt"), **source, **changes}
    if kind != "linear":
        settings = {"dropout": 0.0, **settings}
    typed = model_settings(kind, adopt=adopt, **settings)
    model = models.build(typed, learned.spec, learned.task)
    return model, learned, adoption.start(model, typed, learned)


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
    assert told.left == []


@pytest.mark.parametrize(
    ("feature", "features", "column"),
    [
        ("age_bucket", ALL, "age_bucket"),
        ("city_id", ALL, "city"),
        ("job_hash", ALL, "job"),
        ("city_x_job", ALL, "city_x_job"),
        ("age_x_city", ALL, "age_x_city"),
        ("city_oov", OUT_OF_VOCABULARY, "city_oov"),
        ("home_id", OUT_OF_VOCABULARY, "home"),
        ("city_x_home", OUT_OF_VOCABULARY, "city_x_home"),
    ],
)
def test_every_bucket_is_that_of_tensorflow_1(
    feature: str, features: dict[str, Any], column: str
) -> None:
    """Values without id in tf.feature_column (-1) have an id beyond the buckets here."""
    learned = learn(features, "label")
    ids = encoded_test_rows(learned)["ids"].numpy()
    place = [entry.feature for entry in learned.spec.ids].index(feature)
    expected = np.array(ORACLE["ids"][column])
    ours = np.where(ids[:, place] < expected.max() + 1, ids[:, place], -1)
    np.testing.assert_array_equal(ours[seen()], expected[seen()])


def test_a_text_never_seen_is_told_apart_from_a_missing_one() -> None:
    learned = learn(ALL, "label")
    ids = encoded_test_rows(learned)["ids"].numpy()
    place = [entry.feature for entry in learned.spec.ids].index("city_x_job")
    assert ids[~seen(), place].tolist() == [11, 11]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "linear"}, 2),
        ({"kind": "linear", "adopt": {**OLD, "columns": ["age_bucket", "city_id"]}}, 0),
        ({"kind": "dnn", "adopt": {**OLD, "columns": ["age", "job_embedding"]}}, 2),
        (
            {
                "kind": "wide_deep",
                "adopt": {**OLD, "columns": ["city_id"], "deep": ["cross_embedding"]},
            },
            2,
        ),
    ],
)
def test_rows_whose_texts_training_never_saw_are_counted(
    settings: dict[str, Any], expected: int
) -> None:
    """The first and the last of three: the training rows include missing texts."""
    learned = learn(ALL, "label")
    raw = raw_columns(TEST, learned.raw)
    unseen = proof.has_unseen_text(model_settings(**settings), learned, raw)
    assert unseen.sum() == expected
    assert not (unseen & seen()).any()


def test_an_export_is_compared_on_the_rows_whose_texts_training_saw() -> None:
    model, learned, _ = build("wide_deep")
    reference = Tf1Source(
        saved_model=str(FIXTURES / "wide_deep_export"),
        signature="predict",
        missing={"age": 0, "hours": 0},
    )
    raw = raw_columns(TEST, learned.raw)
    predictions = tf.sigmoid(model(encoded_test_rows(learned))).numpy()[:, 0]
    unseen = proof.has_unseen_text(model_settings("wide_deep"), learned, raw)
    found = proof.compare(reference, learned, raw, predictions, unseen, 0.5)
    assert (found.runtime, found.rows, found.passed) == ("tf1", 58, True)
    assert found.difference <= 1e-6
    with pytest.raises(MillraceError, match="expected rows whose texts training has seen too"):
        proof.compare(reference, learned, raw, predictions, np.ones(60, bool), 0.5)


def test_parsed_examples_have_no_cross_without_a_text() -> None:
    """Compares with the export in TensorFlow 1, fed by tf.Example without missing texts."""
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
    typed = model_settings(kind, dropout=0.0, **settings, warm_start={"checkpoint": checkpoint})
    model = models.build(typed, learned.spec, learned.task)
    before = model.get_layer("dense_features").tables["job_embedding"].numpy()
    told = adoption.start(model, typed, learned)
    after = model.get_layer("dense_features").tables
    np.testing.assert_array_equal(after["job_embedding"], before)
    reader = tf.train.load_checkpoint(checkpoint)
    layer = "dnn/input_from_feature_columns/input_layer"
    embedding = reader.get_tensor(f"{layer}/city_X_job_embedding/embedding_weights")
    np.testing.assert_array_equal(after["cross_embedding"].numpy()[:11], embedding)
    np.testing.assert_array_equal(
        model.get_layer("hidden_1").kernel, reader.get_tensor("dnn/hiddenlayer_1/kernel")
    )
    assert f"{layer}/job_embedding/embedding_weights" in told.left
    # The first layer has another width, so its bias is not adopted, although it fits.
    assert {"dnn/hiddenlayer_0/kernel", "dnn/hiddenlayer_0/bias"} <= set(told.left)
    assert {"dnn/hiddenlayer_1/kernel", "dnn/hiddenlayer_1/bias"} <= set(told.taken)


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
            {"features": {**DEEP, "city_oov": WIDE["city_id"]}},
            r"hiddenlayer_0/kernel: expected shape \[14, 8\], found \[15, 8\]; the columns and "
            "their widths: age 1, age_bucketized 4, city_X_job_embedding 2, city_indicator 3",
        ),
        (
            "dnn_classifier",
            {"columns": ["age", "wage"]},
            r"columns of .*model.ckpt: expected features of the config, found \['wage'\]",
        ),
        (
            "dnn_classifier",
            {"deep": ["age"]},
            "deep of .*model.ckpt: expected a wide_deep model, found kind: dnn",
        ),
        (
            "linear_classifier",
            {"classes": ["a", "b"]},
            r"classes of .* \[0, 1\], found \['a', 'b'\]",
        ),
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
