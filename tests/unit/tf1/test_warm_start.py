"""A new model that starts from an old one's embeddings and weights, compared with those."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Started
from millrace.errors import MillraceError
from millrace.features.preprocessing import Preprocessing
from millrace.tf1 import adoption
from tests.helpers.configs import model_settings
from tests.helpers.estimators import (
    AGE,
    CITIES,
    EMBEDDINGS,
    FIXTURES,
    HOURS,
    ORACLE,
    TEST,
    WIDE,
    encoded_test_rows,
    learn,
)

CITY = {"kind": "vocabulary", "values": CITIES, "num_oov_buckets": 1}
# Scaled and joined as in the graph of tests/fixtures/make_tf1.py.
INPUTS = {
    "age": {**AGE, "center": 40, "scale": 1 / 20},
    "hours": {**AGE, "scale": 1 / 60},
    "city": CITY,
}
DNN = {"kind": "dnn", "hidden_units": [6], "dropout": 0.0, "activation": "auto"}
SMALL: dict[str, dict[str, Any]] = {
    "dcn": {"cross_layers": 1, "rank": 4},
    "tabm": {"members": 2, "dimension": 4},
}
MAP = {
    "hidden_0/kernel": {"variable": "hidden/kernel", "inputs": ["age", "hours", "city"]},
    "hidden_0/bias": "hidden/bias",
    "logits/kernel": "logit/kernel",
    "logits/bias": "logit/bias",
}
SESSION = {
    "checkpoint": str(FIXTURES / "checkpoint" / "model.ckpt"),
    "saved_model": str(FIXTURES / "saved_model"),
    "graph_def": str(FIXTURES / "frozen_graph.pb"),
}
H5 = str(FIXTURES / "keras.h5")
WITHOUT_META = str(FIXTURES / "linear_classifier" / "model.ckpt")
EXPORT = str(FIXTURES / "estimator_export")


def warm_start(
    settings: Mapping[str, Any], features: dict[str, Any], label: str = "label", **source: Any
) -> tuple[Any, Preprocessing, Started]:
    """Returns a new model, its preprocessing, and the notes of `start`."""
    learned = learn(features, label)
    typed = model_settings(**settings, warm_start=source)
    model = models.build(typed, learned.spec, learned.task)
    return model, learned, adoption.start(model, typed, learned)


def probabilities(model: Any, learned: Preprocessing) -> np.ndarray:
    found: np.ndarray = tf.sigmoid(model(encoded_test_rows(learned))).numpy()[:, 0]
    return found


def embedding(model: Any, name: str) -> np.ndarray:
    found: np.ndarray = model.get_layer("dense_features").tables[name].numpy()
    return found


@pytest.mark.parametrize("form", SESSION)
def test_a_graph_written_by_hand_goes_on_where_it_was(form: str) -> None:
    """Compares with TensorFlow 1.15's predictions, which depend on every weight and input."""
    model, learned, told = warm_start(DNN, INPUTS, **{form: SESSION[form]}, map=MAP)
    said = np.array(ORACLE["session"]["probability"])[:, 0]
    # Here a missing text does not count as out of the vocabulary.
    rows = (TEST["city"] != "").to_numpy()
    np.testing.assert_allclose(probabilities(model, learned)[rows], said[rows], atol=1e-6)
    assert rows.sum() > 40
    assert told.left == []
    assert told.vocabularies == {"city": {"values": 3, "of the old model": 3}}


@pytest.mark.parametrize("in_a_file", [False, True])
def test_each_value_takes_its_own_row_of_the_old_vocabulary(
    tmp_path: Path, in_a_file: bool
) -> None:
    """Another order, with a new value, which was out of the old vocabulary."""
    city = {**CITY, "values": ["Rome", "Lima", "Paris"]}
    given: Any = ["Paris", "Rome", "Zürich"]
    if in_a_file:
        (tmp_path / "cities.txt").write_text("\n".join(given) + "\n", encoding="utf-8")
        given = str(tmp_path / "cities.txt")
    source = {"graph_def": SESSION["graph_def"], "vocabularies": {"city": given}}
    model, learned, told = warm_start(DNN, {**INPUTS, "city": city}, **source, map=MAP)
    said = np.array(ORACLE["session"]["probability"])[:, 0]
    rows = TEST["city"].isin(["Rome", "Lima", "Paris"]).to_numpy()
    np.testing.assert_allclose(probabilities(model, learned)[rows], said[rows], atol=1e-6)
    assert told.vocabularies == {"city": {"values": 3, "of the old model": 2}}


@pytest.mark.parametrize("kind", ["dnn", "wide_deep", "dcn", "tabm"])
def test_an_embedding_of_keras_2_goes_into_every_kind(kind: str) -> None:
    features = {
        "age": AGE,
        "level": {"kind": "vocabulary", "values": [2, 0]},
        "level embedding": {"kind": "embedding", "of": "level", "dimension": 2},
    }
    settings = {"kind": kind, "hidden_units": [4], "dropout": 0.0, **SMALL.get(kind, {})}
    source = {"h5": H5, "vocabularies": {"level": [0, 1, 2]}}
    model, _, _ = warm_start(
        settings, features, **source, map={"level embedding": "levels/embeddings"}
    )
    with h5py.File(H5) as file:
        old = file["model_weights/levels/levels/embeddings:0"][()]
    # The values 2 and 0; the last rows are for out-of-vocabulary and missing values.
    expected = np.stack([old[2], old[0], np.zeros(2), np.zeros(2)])
    np.testing.assert_array_equal(embedding(model, "level embedding"), expected)


def test_a_vocabulary_that_lies_beside_the_old_graph_is_compared(tmp_path: Path) -> None:
    """As exported by categorical_column_with_vocabulary_file: in assets."""
    (tmp_path / "cities.txt").write_text("\n".join(CITIES), encoding="utf-8")
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        filled = tf.lookup.TextFileInitializer(
            str(tmp_path / "cities.txt"),
            *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        )
        city = tf.compat.v1.placeholder(tf.string, [None], "city")
        embeddings = tf.compat.v1.get_variable("cities", initializer=rows)
        ids = tf.lookup.StaticHashTable(filled, 3).lookup(city)
        session.run(embeddings.initializer)
        tf.compat.v1.saved_model.simple_save(
            session,
            str(tmp_path / "export"),
            {"city": city},
            {"embedded": tf.gather(embeddings, ids)},
            legacy_init_op=tf.compat.v1.tables_initializer(),
        )
    features = {"age": AGE, "city": CITY}
    features["of city"] = {"kind": "embedding", "of": "city", "dimension": 2}
    source = {"saved_model": str(tmp_path / "export"), "map": {"of city": "cities"}}
    model, _, _ = warm_start(DNN, features, **source)
    np.testing.assert_array_equal(embedding(model, "of city"), [*rows, [0, 0]])
    features["city"] = {**CITY, "values": [*reversed(CITIES)]}
    with pytest.raises(MillraceError, match=r"and \['Paris', 'Rome', 'Zürich'\] in the old model"):
        warm_start(DNN, features, **source)


def test_a_dense_layer_of_keras_2_gives_what_it_gave() -> None:
    features = {
        "age": {**AGE, "scale": 1 / 80},
        "level": {"kind": "identity", "buckets": 3},
        "hours": {**AGE, "scale": 1 / 60},
        "level embedding": {"kind": "embedding", "of": "level", "dimension": 2},
    }
    mapped = {
        "level embedding": "levels/embeddings",
        "hidden_0/kernel": {
            "variable": "dense/kernel",
            "inputs": ["age", "hours", "level embedding"],
        },
        "hidden_0/bias": "dense/bias",
    }
    model, learned, told = warm_start(DNN, features, h5=H5, map=mapped)
    with h5py.File(H5) as file:
        weights = file["model_weights"]
        kernel, bias = (weights[f"dense/dense/{name}:0"][()] for name in ("kernel", "bias"))
        levels = weights["levels/levels/embeddings:0"][()][TEST["level"]]
    x = np.concatenate([TEST[["age"]] / 80, TEST[["hours"]] / 60, levels], axis=1)
    expected = np.maximum(x @ kernel + bias, 0)
    inputs = encoded_test_rows(learned)
    found = inputs
    for layer in ("dense_features", "hidden_0", "activation_0"):
        found = model.get_layer(layer)(found)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "dense_1/kernel" in told.left


def test_weights_alone_are_read_too(tmp_path: Path) -> None:
    """As written by model.save_weights, from a class whose code is lost."""
    with h5py.File(H5) as file, h5py.File(tmp_path / "weights.h5", "w") as copy:
        for layer in file["model_weights"]:
            file.copy(f"model_weights/{layer}", copy)
    features = {"age": AGE, "level": {"kind": "identity", "buckets": 3}}
    features["of level"] = {"kind": "embedding", "of": "level", "dimension": 2}
    path = str(tmp_path / "weights.h5")
    model, _, _ = warm_start(DNN, features, h5=path, map={"of level": "levels/embeddings"})
    with h5py.File(H5) as file:
        old = file["model_weights/levels/levels/embeddings:0"][()]
    np.testing.assert_array_equal(embedding(model, "of level")[:3], old)


def test_a_linear_part_takes_the_weights_of_features_by_their_names() -> None:
    features = {"hours": HOURS, **WIDE}
    scope = "linear/linear_model"
    mapped = {
        "linear/hours": f"{scope}/hours/weights",
        "linear/job_hash": f"{scope}/job/weights",
        "linear/bias": f"{scope}/bias_weights",
    }
    export = FIXTURES / "estimator_export"
    model, learned, told = warm_start(
        {"kind": "linear"}, features, saved_model=str(export), map=mapped
    )
    old = tf.train.load_checkpoint(str(export / "variables" / "variables"))
    layer = model.get_layer("linear")
    begin = 0
    for entry in learned.spec.ids:
        weights = layer.weights_of_ids.numpy()[begin : begin + entry.cardinality]
        if entry.feature == "job_hash":
            np.testing.assert_array_equal(weights[:7], old.get_tensor(mapped["linear/job_hash"]))
        else:
            assert not weights.any()
        begin += entry.cardinality
    np.testing.assert_array_equal(layer.weights_of_numbers, old.get_tensor(mapped["linear/hours"]))
    np.testing.assert_array_equal(layer.bias, old.get_tensor(mapped["linear/bias"]))
    assert set(told.taken) == set(mapped.values())


def test_the_logits_of_a_regression_come_in_the_units_of_the_label() -> None:
    """An Estimator predicts the wage, our model predicts (wage - mean) / std."""
    embeddings = {"of job": EMBEDDINGS["job_embedding"], "job_hash": WIDE["job_hash"]}
    settings = {"kind": "dnn", "hidden_units": [8], "dropout": 0.0, "activation": "auto"}
    mapped = {"logits/kernel": "dnn/logits/kernel", "logits/bias": "dnn/logits/bias"}
    checkpoint = str(FIXTURES / "dnn_regressor" / "model.ckpt")
    model, learned, _ = warm_start(
        settings, {"age": AGE, **embeddings}, "wage", checkpoint=checkpoint, map=mapped
    )
    old = tf.train.load_checkpoint(checkpoint)
    x = np.arange(8, dtype=np.float32)[None, :]
    expected = x @ old.get_tensor("dnn/logits/kernel") + old.get_tensor("dnn/logits/bias")
    found = model.get_layer("logits")(x).numpy() * learned.task.std + learned.task.mean
    np.testing.assert_allclose(found, expected, rtol=1e-5)


ENCODED_AGE = {"kind": "piecewise_linear", "column": "age", "bins": 4, "dimension": 3}


def test_an_encoded_number_does_not_move_the_others_in_a_network() -> None:
    """The network puts encoded numbers after plain ones, whatever the order in the config."""
    features = {"encoded age": ENCODED_AGE, **INPUTS}
    model, learned, _ = warm_start(DNN, features, graph_def=SESSION["graph_def"], map=MAP)
    layer = model.get_layer("hidden_0")
    kernel = layer.kernel.numpy()
    assert kernel[2:5].any()
    kernel[2:5] = 0  # after age and hours: new inputs keep their own weights
    layer.kernel.assign(kernel)
    said = np.array(ORACLE["session"]["probability"])[:, 0]
    rows = (TEST["city"] != "").to_numpy()
    np.testing.assert_allclose(probabilities(model, learned)[rows], said[rows], atol=1e-6)


def test_an_encoded_number_does_not_move_the_others_in_a_linear_model() -> None:
    features = {"encoded age": ENCODED_AGE, "hours": HOURS, "job_hash": WIDE["job_hash"]}
    model, _, _ = warm_start({"kind": "linear"}, features, saved_model=EXPORT)
    old = tf.train.load_checkpoint(f"{EXPORT}/variables/variables")
    expected = old.get_tensor("linear/linear_model/hours/weights")[0]
    weights = model.get_layer("linear").weights_of_numbers.numpy()
    np.testing.assert_array_equal(weights[0], expected)
    assert not weights[1:].any()


DENSE_FEATURES = {"city_emb": {"kind": "embedding", "of": "city", "dimension": 6}}


@pytest.mark.parametrize(
    ("source", "features", "expected"),
    [
        (
            {"map": {"of city": "hidden/kernel"}},
            INPUTS,
            r"map.of city: expected a feature that an embedding reads, or a weight of the model, "
            r"out of hidden_0/kernel \[7, 6\], hidden_0/bias \[6\], .*; found 'of city'",
        ),
        (
            {"map": {"hidden_0/bias": "hidden_1/bias"}},
            INPUTS,
            r"hidden_0/bias: expected a variable of .*frozen_graph.pb, out of hidden/bias \[6\], "
            r"hidden/kernel \[6, 6\], logit/bias \[1\], logit/kernel \[6, 1\]; found 'hidden_1/bia",
        ),
        (
            {"map": {"hidden_0/bias": "logit/bias"}},
            INPUTS,
            r"hidden_0/bias: logit/bias of .*: expected shape \[6\], found \[1\]",
        ),
        (
            {"map": {"hidden_0/kernel": "hidden/kernel"}},
            INPUTS,
            "hidden_0/kernel: expected `inputs`, the features in the order",
        ),
        (
            {"map": {"logits/kernel": {"variable": "logit/kernel", "inputs": ["age"]}}},
            INPUTS,
            "logits/kernel: expected a variable alone, found `inputs` too",
        ),
        (
            {"map": {"hidden_0/kernel": {"variable": "hidden/kernel", "inputs": ["age", "job"]}}},
            INPUTS,
            r"inputs: expected features that the network reads, out of \['age', 'hours', 'city'\]; "
            "found 'job'",
        ),
        (
            {"map": {"hidden_0/kernel": {"variable": "hidden/kernel", "inputs": ["age", "city"]}}},
            INPUTS,
            r"expected shape \[5, 6\], found \[6, 6\]; the columns and their widths: age 1, city 4",
        ),
        (
            {"map": MAP},
            {**INPUTS, "city": {**CITY, "values": [*reversed(CITIES)]}},
            r"the old vocabulary of 'city' in its order, in which the rows are; found \['Zürich', "
            r"'Rome', 'Paris'\] for the feature, and \['Paris', 'Rome', 'Zürich'\] in the old mod",
        ),
        (
            {"map": MAP, "vocabularies": {"city": ["Rome", "Paris", "Zürich"]}},
            INPUTS,
            r"found \['Rome', 'Paris', 'Zürich'\] for the feature, and \['Paris', 'Rome', 'Zürich'",
        ),
        (
            {"map": MAP, "vocabularies": {"city": ["Paris", "Rome", "Paris"]}},
            INPUTS,
            r"vocabularies.city: expected different values, one a row, found some again: ",
        ),
        (
            {"map": MAP, "vocabularies": {"town": CITIES}},
            INPUTS,
            r"vocabularies.town: expected a feature of kind vocabulary or sequence, out of \['city",
        ),
        (
            {"map": MAP, "vocabularies": {"city": "nowhere.txt"}},
            INPUTS,
            "vocabularies.city: expected a vocabulary in UTF-8, found none",
        ),
        (
            {"map": {"city_emb": "hidden/kernel"}},
            {**INPUTS, **DENSE_FEATURES},
            r"city_emb: hidden/kernel of .*: expected shape \[4, 6\], found \[6, 6\]",
        ),
        (
            {"map": {"crossed": "hidden/kernel"}},
            {
                **INPUTS,
                "job": {"kind": "hashed", "buckets": 6},
                "c": {"kind": "crossed", "keys": ["job", "city"]},
                "crossed": {"kind": "embedding", "of": "c", "dimension": 6},
            },
            "features.c: expected a kind whose ids an old model has too, found 'crossed'",
        ),
        (
            {"map": {"cities": "hidden/kernel"}, "vocabularies": {"city": [*reversed(CITIES)]}},
            {
                "age": AGE,
                "city": CITY,
                "home": CITY,
                "cities": {"kind": "embedding", "of": ["city", "home"], "dimension": 6},
            },
            "expected features with the same rows, which share it; found 'city' and 'home' with",
        ),
        ({}, INPUTS, "expected variables that a canned Estimator's names and the features' shapes"),
        ({"graph_def": "nowhere.pb", "map": MAP}, INPUTS, "nowhere.pb: expected a frozen graph"),
        ({"graph_def": H5, "map": MAP}, INPUTS, "keras.h5: expected a GraphDef, found an error"),
    ],
)
def test_what_does_not_fit_is_told(
    source: dict[str, Any], features: dict[str, Any], expected: str
) -> None:
    with pytest.raises(MillraceError, match=expected):
        warm_start(DNN, features, **{"graph_def": SESSION["graph_def"], **source})


@pytest.mark.parametrize(
    ("form", "path", "expected"),
    [
        ("h5", SESSION["graph_def"], "expected a Keras model in HDF5, found something else"),
        ("h5", "nowhere.h5", "nowhere.h5: expected a Keras model in HDF5, found none"),
        ("saved_model", "nowhere", "saved_model.pb: expected a SavedModel, found none"),
        ("checkpoint", "nowhere", "nowhere: expected a checkpoint of TensorFlow"),
    ],
)
def test_a_model_that_cannot_be_read_is_told(form: str, path: str, expected: str) -> None:
    with pytest.raises(MillraceError, match=expected):
        warm_start(DNN, INPUTS, **{form: path}, map=MAP)


@pytest.mark.parametrize(
    ("kind", "weight"), [("dcn", "cross_0_v/kernel"), ("tabm", "hidden_0/kernel")]
)
def test_weights_in_our_own_order_of_the_features_are_not_offered(kind: str, weight: str) -> None:
    settings = {"kind": kind, "hidden_units": [6], "dropout": 0.0, **SMALL[kind]}
    with pytest.raises(MillraceError, match=f"found '{weight}'"):
        warm_start(settings, INPUTS, graph_def=SESSION["graph_def"], map={weight: "hidden/kernel"})


def test_an_estimator_without_its_graph_needs_the_old_vocabulary() -> None:
    with pytest.raises(MillraceError, match=r"old vocabulary of 'city_id' .*and none in the old"):
        warm_start({"kind": "linear"}, {"hours": HOURS, **WIDE}, checkpoint=WITHOUT_META)


def test_a_new_vocabulary_takes_the_rows_of_an_estimator_by_value() -> None:
    city = {"kind": "vocabulary", "column": "city"}  # learned, by frequency
    features = {"hours": HOURS, "city": city, "job_hash": WIDE["job_hash"]}
    _, _, told = warm_start({"kind": "linear"}, features, saved_model=EXPORT)
    assert told.misfits["linear/linear_model/city/weights"] == (
        "expected shape [4, 1], found [3, 1]"
    )
    as_many = {**features, "city": {**city, "max_size": 3}}
    with pytest.raises(MillraceError, match="old vocabulary of 'city'"):
        warm_start({"kind": "linear"}, as_many, saved_model=EXPORT)
    model, learned, told = warm_start(
        {"kind": "linear"}, features, saved_model=EXPORT, vocabularies={"city": CITIES}
    )
    old = tf.train.load_checkpoint(f"{EXPORT}/variables/variables")
    rows = old.get_tensor("linear/linear_model/city/weights")
    (column,) = (column for column in learned.columns if column.name == "city")
    values = list(column.values)  # type: ignore[attr-defined]
    assert sorted(values) == sorted([*CITIES, "Lima"])
    assert values[:3] != CITIES
    place = [entry.feature for entry in learned.spec.ids].index("city")
    begin = sum(entry.cardinality for entry in learned.spec.ids[:place])
    weights = model.get_layer("linear").weights_of_ids.numpy()[begin:, :]
    for id_, value in enumerate(values):
        expected = rows[CITIES.index(value)] if value in CITIES else 0
        np.testing.assert_array_equal(weights[id_], expected)
    assert told.vocabularies == {"city": {"values": 4, "of the old model": 3}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"city_id": {**WIDE["city_id"], "values": [*reversed(CITIES)]}},
            r"found \['Zürich', 'Rome', 'Paris'\] for the feature, and \['Paris', 'Rome', 'Zürich'",
        ),
        (
            {"age_bucket": {**WIDE["age_bucket"], "boundaries": [25, 35, 50]}},
            r"boundaries of 'age_bucket', out of .*35.5.*; found \[25.0, 35.0, 50.0\]",
        ),
    ],
)
@pytest.mark.parametrize("key", ["adopt", "warm_start"])
def test_rows_in_another_order_are_refused(
    key: str, changes: dict[str, Any], expected: str
) -> None:
    features = {"hours": HOURS, **WIDE, **changes}
    learned = learn(features, "label")
    model = models.build(model_settings("linear"), learned.spec, learned.task)
    with pytest.raises(MillraceError, match=expected):
        adoption.start(model, model_settings("linear", **{key: {"saved_model": EXPORT}}), learned)


def test_adoption_needs_vocabularies_that_are_declared() -> None:
    features = {"hours": HOURS, **WIDE, "city_id": {"kind": "vocabulary", "column": "city"}}
    features["city_id"] |= {"max_size": 3}
    learned = learn(features, "label")
    model = models.build(model_settings("linear"), learned.spec, learned.task)
    source = {"checkpoint": WITHOUT_META}
    with pytest.raises(MillraceError, match="old vocabulary of 'city_id' in its order"):
        adoption.start(model, model_settings("linear", adopt=source), learned)


def test_a_cross_of_a_feature_with_another_vocabulary_is_refused() -> None:
    city = {**WIDE["city_id"], "values": ["Rome", "Paris", "Lima"]}
    with pytest.raises(MillraceError, match=r"features.age_x_city: expected a key with the ids"):
        warm_start(
            {"kind": "linear"},
            {"hours": HOURS, **WIDE, "city_id": city},
            saved_model=EXPORT,
            vocabularies={"city_id": CITIES},
        )


def test_an_export_alone_is_adopted() -> None:
    learned = learn(
        {
            "hours": HOURS,
            **WIDE,
            **{name: {**WIDE[name], "compat": "tf1"} for name in ("city_x_job", "age_x_city")},
        },
        "label",
    )
    model = models.build(model_settings("linear"), learned.spec, learned.task)
    told = adoption.start(model, model_settings("linear", adopt={"saved_model": EXPORT}), learned)
    rows = ~TEST["city"].isin(["東京"]) & ~TEST["job"].isin(["作家", "astronaut"])
    expected = np.array(ORACLE["estimator_export"]["logits"])
    found = model(encoded_test_rows(learned)).numpy()
    np.testing.assert_allclose(found[rows], expected[rows], atol=1e-5)
    assert told.left == []


def test_features_that_no_estimator_has_may_stand_beside_the_old_inputs() -> None:
    """A new cross is not among the inputs of the old network."""
    features = {
        **INPUTS,
        "job": {"kind": "vocabulary"},
        "city_by_job": {"kind": "crossed", "keys": ["city", "job"]},
    }
    only = {"hidden_0/kernel": MAP["hidden_0/kernel"]}
    model, _, told = warm_start(DNN, features, graph_def=SESSION["graph_def"], map=only)
    same, _, _ = warm_start(DNN, INPUTS, graph_def=SESSION["graph_def"], map=only)
    assert told.taken == ["hidden/kernel"]
    rows = {
        name: model.get_layer("dense_features").places_of_values[name] for name in ("age", "hours")
    }
    theirs = same.get_layer("dense_features").places_of_values
    for name, place in rows.items():
        np.testing.assert_array_equal(
            model.get_layer("hidden_0").kernel[place],
            same.get_layer("hidden_0").kernel[theirs[name]],
        )
