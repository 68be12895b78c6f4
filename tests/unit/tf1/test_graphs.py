"""Old models, compared with TensorFlow 1.15's predictions in the fixtures."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from millrace.config.models import Tf1Config
from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.export import parity
from millrace.features.preprocessing import EncodedSpec, Preprocessing
from millrace.features.raw_row import RawColumn, raw_columns
from millrace.features.tasks import Task
from millrace.tf1 import formats
from millrace.tf1.formats import OldSession
from millrace.tf1.predictor import OldCopy, OldPredictor

# test_live.py puts new fixtures elsewhere.
FIXTURES = Path(os.environ.get("TF1_FIXTURES", Path(__file__).parents[2] / "fixtures" / "tf1"))
ROWS = pd.read_csv(FIXTURES / "test.csv", keep_default_na=False)
ORACLE = json.loads((FIXTURES / "oracle.json").read_text(encoding="utf-8"))
RAW = {
    **{name: np.array(ROWS[name], np.float32) for name in ("age", "hours", "level")},
    **{name: np.array(ROWS[name], object) for name in ("city", "job")},
    "age / 80": np.array(ROWS["age"], np.float32) / 80,
    "hours / 60": np.array(ROWS["hours"], np.float32) / 60,
}
TYPES = {
    "age": "float32",
    "hours": "int64",
    "level": "int64",
    "city": "string",
    "job": "string",
    "age / 80": "float32",
    "hours / 60": "float32",
}
SESSION = {"inputs": {"age": "age", "hours:0": "hours", "city": "city"}, "output": "probability"}
FORMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "saved_model": ({"saved_model": "saved_model"}, "session", "probability"),
    "graph_def": ({"graph_def": "frozen_graph.pb", **SESSION}, "session", "probability"),
    "checkpoint": ({"checkpoint": "checkpoint/model.ckpt", **SESSION}, "session", "probability"),
    "estimator": ({"saved_model": "estimator_export"}, "estimator_export", "probabilities"),
    "logits": (
        {
            "saved_model": "estimator_export",
            "signature": "predict",
            "output": "logits",
            "activation": "sigmoid",
        },
        "estimator_export",
        "probabilities",
    ),
    "h5": (
        {"h5": "keras.h5", "inputs": {"numbers": ["age / 80", "hours / 60"]}},
        "keras",
        "probability",
    ),
}


def learned(classes: tuple[Any, ...] = (0, 1)) -> Preprocessing:
    kind = "binary" if len(classes) == 2 else "multiclass"
    return Preprocessing(
        raw=tuple(RawColumn(name, type_, name) for name, type_ in TYPES.items()),
        columns=(),
        spec=EncodedSpec((), ()),
        label_column=RawColumn("label", "int64", "label"),
        task=Task(kind, classes),
        left_out={},
        features={},
    )


def settings_of(form: dict[str, Any]) -> Tf1Config:
    """Returns a model's settings, with the path of the fixture."""
    (named,) = set(form) & set(formats.FORMS)
    missing = {name: 0 for name, type_ in TYPES.items() if type_ != "string"}
    path = str(FIXTURES / form[named])
    return Tf1Config(**{"kind": "tf1", "missing": missing, **form, named: path})


def predictor_of(form: dict[str, Any], directory: Path, classes: tuple[Any, ...] = (0, 1)) -> Any:
    copied = formats.copy(settings_of(form), directory / "old")
    return OldPredictor("old", copied, directory / "old", learned(classes))


@pytest.mark.parametrize("name", FORMS)
def test_an_old_model_says_what_tensorflow_1_said(name: str, tmp_path: Path) -> None:
    form, oracle, key = FORMS[name]
    said = np.array(ORACLE[oracle][key])[:, -1]
    predictor = predictor_of(form, tmp_path)
    np.testing.assert_allclose(predictor.predict(RAW), said, atol=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_the_graph_that_is_exported_says_the_same(name: str, tmp_path: Path) -> None:
    predictor = predictor_of(FORMS[name][0], tmp_path)
    raw = {
        column.name: tf.constant(RAW[column.name], column.dtype)
        for column in predictor.preprocessing.raw
    }
    exported = tf.function(predictor.predict_tensors)(raw).numpy()
    np.testing.assert_allclose(exported, predictor.predict(RAW), atol=1e-7)


def test_no_one_hot_is_exported_which_a_runtime_computes_wrongly(tmp_path: Path) -> None:
    predictor = predictor_of(FORMS["saved_model"][0], tmp_path)
    raw = [tf.TensorSpec([None], column.dtype) for column in predictor.preprocessing.raw]
    names = [column.name for column in predictor.preprocessing.raw]

    @tf.function(input_signature=raw)
    def call(*columns: tf.Tensor) -> tf.Tensor:
        return predictor.predict_tensors(dict(zip(names, columns, strict=True)))

    graph = call.get_concrete_function().graph.as_graph_def()
    ops = {node.op for function in graph.library.function for node in function.node_def}
    assert "SelectV2" in ops
    assert "OneHot" not in ops


def test_weights_are_counted_without_the_optimizer(tmp_path: Path) -> None:
    """Counts: six inputs, six hidden units, one output; 38 ids of five columns, hours, the bias."""
    assert predictor_of(FORMS["checkpoint"][0], tmp_path / "a").model.parameters == 49
    assert predictor_of(FORMS["graph_def"][0], tmp_path / "b").model.parameters == 49
    expected = 4 + 3 + 7 + 11 + 13 + 1 + 1
    assert predictor_of(FORMS["estimator"][0], tmp_path / "c").model.parameters == expected


def test_only_the_columns_that_it_takes_are_asked_for(tmp_path: Path) -> None:
    predictor = predictor_of(FORMS["saved_model"][0], tmp_path)
    assert [column.name for column in predictor.preprocessing.raw] == ["age", "hours", "city"]


def test_a_missing_value_is_what_the_config_says_or_left_out(tmp_path: Path) -> None:
    form = {**FORMS["saved_model"][0], "missing": {"age": 33, "hours": 7, "city": "Rome"}}
    predictor = predictor_of(form, tmp_path)
    none = {
        "age": np.array([np.nan], np.float32),
        "hours": np.array([np.nan], np.float32),
        "city": np.array([""], object),
    }
    given = {
        "age": np.array([33], np.float32),
        "hours": np.array([7], np.float32),
        "city": np.array(["Rome"], object),
    }
    np.testing.assert_array_equal(predictor.predict(none), predictor.predict(given))


def test_classes_in_another_order(tmp_path: Path) -> None:
    form = FORMS["estimator"][0]
    predictor = predictor_of({**form, "classes": ["no", "yes"]}, tmp_path / "a", ("no", "yes"))
    swapped = predictor_of({**form, "classes": ["yes", "no"]}, tmp_path / "b", ("no", "yes"))
    np.testing.assert_allclose(swapped.predict(RAW), 1 - predictor.predict(RAW), atol=1e-6)


def test_training_writes_a_copy_that_needs_the_original_no_more(tmp_path: Path) -> None:
    OldCopy("old", settings_of(FORMS["checkpoint"][0]), learned()).write(tmp_path / "training")
    description = json.loads((tmp_path / "training" / "training.json").read_text())
    assert description["settings"]["checkpoint"] == "model.ckpt"
    assert description["parameters"] == 49
    assert str(FIXTURES) not in json.dumps(description)
    assert set(description["files"]) == {
        f"old/model.ckpt{suffix}" for suffix in (".data-00000-of-00001", ".index", ".meta")
    }
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    OldCopy("old", settings_of(FORMS["checkpoint"][0]), learned()).write(tmp_path / "training")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"saved_model": "nowhere"}, "nowhere: expected a folder with saved_model.pb"),
        ({"saved_model": "saved_model", "signature": "x"}, r"signature 'x', found.*serving_def"),
        ({"saved_model": "saved_model", "output": "y"}, r"output 'y'.*found \['probability'\]"),
        (
            {"graph_def": "frozen_graph.pb"},
            r"expected 'inputs' to name.*\n.*placeholders are \['ag",
        ),
        (
            {"graph_def": "frozen_graph.pb", **SESSION, "output": "probabilty"},
            r"tensor 'probabilty:0'.*\n.*'probability'",
        ),
        (
            {
                "graph_def": "frozen_graph.pb",
                "inputs": {"age": "age", "hours": "hours", "town": "city"},
                "output": "probability",
            },
            r"frozen_graph\.pb: expected a tensor 'town:0', found no such name among \d+ nodes",
        ),
        ({"graph_def": "keras.h5", **SESSION}, "expected a GraphDef"),
        ({"checkpoint": "wide_deep/model.ckpt", **SESSION}, "expected .*model.ckpt.meta"),
        ({"h5": "custom_layer.h5"}, r"layers of Keras alone, found Doubled \(layer twice\)"),
        ({"h5": "frozen_graph.pb"}, "expected a Keras model in HDF5"),
        (
            {"saved_model": "saved_model", "missing": {}},
            r"where 'age' is missing, found nothing.\n.*missing: {age: 0}",
        ),
        (
            {"saved_model": "saved_model", "inputs": {"age": "Age"}},
            "input 'age': expected a column that the features read.*'Age'",
        ),
        (
            {"graph_def": "frozen_graph.pb", "inputs": {"age": "age"}, "output": "probability"},
            r"frozen_graph\.pb: expected all placeholders .*found others: city, hours\.",
        ),
        (
            {"saved_model": "saved_model", "inputs": {"age": "city"}},
            "expected a column of type float32, found 'city' of type string",
        ),
        (
            {"saved_model": "estimator_export", "classes": ["a", "b"]},
            r"values \[0, 1\] in the order.*found \['a', 'b'\]",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(MillraceError, match=f"(?s){expected}"):
        OldCopy("old", settings_of(change), learned()).write(tmp_path / "training")
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("saved_model", "saved_model/saved_model.pb", "whole SavedModel .*: Error parsing message"),
        ("saved_model", "saved_model/variables/variables.index", "whole SavedModel"),
        ("saved_model", "saved_model/variables/variables.data-00000-of-00001", "SavedModel .*Read"),
        ("graph_def", "frozen_graph.pb", "expected a GraphDef, found an error: Error parsing"),
        ("checkpoint", "model.ckpt.meta", "expected a meta graph, found an error: Error parsing"),
        ("checkpoint", "model.ckpt.index", "expected a whole checkpoint with its meta graph"),
        ("checkpoint", "model.ckpt.data-00000-of-00001", "checkpoint, found an error: Read less"),
    ],
)
def test_a_damaged_file_is_one_error(name: str, file: str, expected: str, tmp_path: Path) -> None:
    old = tmp_path / "old"
    copied = formats.copy(settings_of(FORMS[name][0]), old)
    content = (old / file).read_bytes()
    (old / file).write_bytes(content[: len(content) // 3])
    with pytest.raises(MillraceError, match=expected):
        formats.open_session(copied, old)


def changed_h5(directory: Path, **settings: Any) -> dict[str, Any]:
    """Returns the settings of a variant of the Keras model with another dense layer."""
    path = directory / "changed.h5"
    shutil.copy(FIXTURES / "keras.h5", path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (dense,) = (x for x in config["config"]["layers"] if x["config"]["name"] == "dense")
        dense["config"] |= settings
        file.attrs["model_config"] = json.dumps(config)
    return {**FORMS["h5"][0], "h5": str(path)}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"activation": "mine"}, "found an error: .*activation function identifier: mine"),
        ({"units": 7}, r"Weight expects shape \(4, 7\). Received saved weight with shape \(4, 6\)"),
    ],
)
def test_a_network_that_keras_3_cannot_load_is_one_error(
    settings: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(MillraceError, match=f"expected a network that Keras 3 can.*{expected}"):
        predictor_of(changed_h5(tmp_path, **settings), tmp_path)


def test_what_only_training_needs_may_be_somebodys_own(tmp_path: Path) -> None:
    mine = {"class_name": "Mine", "config": {}}
    form = changed_h5(tmp_path, kernel_regularizer=mine, kernel_initializer=mine)
    said = np.array(ORACLE["keras"]["probability"])[:, -1]
    np.testing.assert_allclose(predictor_of(form, tmp_path).predict(RAW), said, atol=1e-6)


def test_a_table_whose_file_stayed_behind_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "cities.txt").write_text("Paris\nRome\n")
    with tf.Graph().as_default() as graph:
        filled = tf.lookup.TextFileInitializer(
            str(tmp_path / "cities.txt"),
            *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        )
        city = tf.compat.v1.placeholder(tf.string, [None], "city")
        ids = tf.lookup.StaticHashTable(filled, -1).lookup(city)
        tf.cast(ids, tf.float32, name="probability")
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    (tmp_path / "cities.txt").unlink()
    settings = Tf1Source(graph_def="graph.pb", inputs={"city": "city"}, output="probability")
    with pytest.raises(MillraceError, match=r"tables that can be filled.*cities\.txt"):
        formats.open_session(settings, tmp_path)


def test_none_or_two_forms_are_refused() -> None:
    with pytest.raises(MillraceError, match="found none"):
        formats.form_of(Tf1Config(kind="tf1"))
    with pytest.raises(MillraceError, match="found saved_model and h5"):
        formats.form_of(Tf1Source(saved_model="a", h5="b"))


def test_variables_that_the_checkpoint_lacks_are_listed(tmp_path: Path) -> None:
    copied = formats.copy(settings_of(FORMS["checkpoint"][0]), tmp_path / "old")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        other = tf.compat.v1.get_variable("hidden/kernel", [6, 6])
        session.run(other.initializer)
        tf.compat.v1.train.Saver([other]).save(
            session, str(tmp_path / "old" / "model.ckpt"), write_meta_graph=False
        )
    with pytest.raises(MillraceError, match="found no hidden/bias, logit/bias, logit/kernel"):
        formats.open_session(copied, tmp_path / "old")


@pytest.mark.parametrize(
    ("op", "note"),
    [
        ("GradientTreesPrediction", "tf.contrib's own ops went with it"),
        # TensorFlow 2 still has the op's name, but cannot run it.
        ("BoostedTreesPredict", "adopt the checkpoint: `kind: boosted_trees`"),
    ],
)
def test_ops_that_are_gone_are_named_with_their_node(op: str, note: str, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((FIXTURES / "frozen_graph.pb").read_bytes())
    graph.node.add(name="trees/predict", op=op)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(MillraceError, match=rf"(?s){op} \(node trees/predict\).*{note}"):
        formats.open_session(Tf1Source(graph_def="graph.pb", **SESSION), tmp_path)


def test_a_graph_that_writes_files_does_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((FIXTURES / "frozen_graph.pb").read_bytes())
    with tf.Graph().as_default() as other:
        tf.io.write_file(str(tmp_path / "written"), "here", name="writer")
    graph.MergeFrom(other.as_graph_def())
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(MillraceError, match=r"WriteFile \(node writer\)"):
        formats.open_session(Tf1Source(graph_def="graph.pb", **SESSION), tmp_path)
    formats.open_session(Tf1Source(graph_def="graph.pb", trust=True, **SESSION), tmp_path)


def test_the_graph_that_is_loaded_is_the_one_that_is_looked_at(tmp_path: Path) -> None:
    """In a SavedModel with several of them, it need not be the first."""
    shutil.copytree(FIXTURES / "saved_model", tmp_path / "old")
    saved = formats.read_saved_model(tmp_path / "old")
    with tf.Graph().as_default() as other:
        tf.io.write_file(str(tmp_path / "written"), "here", name="writer")
    saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])
    saved.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    saved.meta_graphs[1].graph_def.MergeFrom(other.as_graph_def())
    (tmp_path / "old" / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(MillraceError, match=r"WriteFile \(node writer\)"):
        formats.open_session(Tf1Source(saved_model="old"), tmp_path)


def test_an_output_of_another_shape_is_refused(tmp_path: Path) -> None:
    predictor = predictor_of({**FORMS["graph_def"][0], "output": "hidden/Relu"}, tmp_path)
    with pytest.raises(MillraceError, match=r"\[rows, 1 or 2\] for a binary task, found \[60, 6\]"):
        predictor.predict(RAW)


def test_rows_that_an_old_model_refuses_are_no_proof(tmp_path: Path) -> None:
    """Its embedding has the levels 0, 1 and 2; -1 is the last, and a missing one becomes 0."""
    predictor = predictor_of(FORMS["h5"][0], tmp_path)
    columns = predictor.preprocessing.raw
    made = parity.synthetic_rows({column.name: RAW[column.name] for column in columns}, columns)
    levels = [0 if level is None else level for level in made["level"]]
    fitting = np.isin(levels, [-1, 0, 1, 2])
    assert 0 < fitting.sum() < len(fitting)

    def predict(cells: parity.Columns) -> np.ndarray:
        return predictor.predict(raw_columns(pd.DataFrame(cells), columns))

    with pytest.raises(MillraceError, match=r"keras\.h5: expected predictions, found .*not in \[0"):
        predict(made)
    kept = parity.answered(made, predict)
    np.testing.assert_array_equal(kept["level"], made["level"][fitting])
    np.testing.assert_array_equal(kept["age / 80"], made["age / 80"][fitting])


def test_a_source_keeps_the_tables_filled() -> None:
    form = FORMS["graph_def"][0]
    source: OldSession = formats.open_session(Tf1Source(**form), FIXTURES)
    assert source.output.shape.as_list() == [None, 1]
