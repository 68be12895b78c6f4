"""BoostedTrees Estimators adopted by boosted_trees, compared with TensorFlow 1.15."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from millrace.artifacts.training import Started
from millrace.errors import MillraceError
from millrace.tf1 import tree_protos, trees
from tests.helpers.configs import model_settings
from tests.helpers.estimators import (
    AGE,
    CITIES,
    FIXTURES,
    HOURS,
    ORACLE,
    TEST,
    WIDE,
    encoded_test_rows,
    learn,
)

PLAIN = {"age_bucket": WIDE["age_bucket"], "city_id": WIDE["city_id"], "hours": HOURS}
WITH_OOV = {
    "age": AGE,
    "city_oov": {"kind": "vocabulary", "column": "city", "values": CITIES, "num_oov_buckets": 1},
    "job_hash": WIDE["job_hash"],
}


def adopt(
    name: str, features: dict[str, Any], label: str, **source: Any
) -> tuple[np.ndarray, Started]:
    """Returns the logits of the test rows, and the notes of `adopt`."""
    learned = learn(features, label)
    source = {"checkpoint": str(FIXTURES / name / "model.ckpt"), **source}
    fitted, told = trees.adopt(model_settings("boosted_trees", adopt=source), learned)
    logits = fitted.model(encoded_test_rows(learned)).numpy()
    return logits * learned.task.std + learned.task.mean, told


def save(folder: Path, serialized: bytes) -> None:
    """Writes a checkpoint of trees like an Estimator's."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = tf.compat.v1.get_variable("made", initializer=tf.constant(serialized))
        session.run(made.initializer)
        saver = tf.compat.v1.train.Saver({trees.TREES: made})
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)


def test_a_classifier_gives_the_logits_of_tensorflow_1() -> None:
    logits, told = adopt("boosted_trees_classifier", PLAIN, "label")
    expected = ORACLE["boosted_trees_classifier"]["logits"]
    assert np.unique(expected).size > 20
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    assert trees.TREES in told.taken
    assert told.left == []


def test_a_pruned_regressor_with_a_centered_bias_gives_its_predictions() -> None:
    """Compares all 60 rows: no tree tests the hash of an unseen job that a row has."""
    predictions, _ = adopt("boosted_trees_regressor", WITH_OOV, "wage")
    expected = ORACLE["boosted_trees_regressor"]["predictions"]
    assert np.unique(expected).size > 20
    np.testing.assert_allclose(predictions, expected, rtol=1e-6, atol=1e-5)


def test_other_features_of_the_job_are_left_out() -> None:
    features = {**PLAIN, "age": AGE, "job_hash": WIDE["job_hash"]}
    logits, _ = adopt("boosted_trees_classifier", features, "label", columns=list(PLAIN))
    np.testing.assert_allclose(logits, ORACLE["boosted_trees_classifier"]["logits"], atol=1e-6)


def test_classes_in_another_order_turn_the_logits() -> None:
    logits, _ = adopt("boosted_trees_classifier", PLAIN, "label", classes=[1, 0])
    expected = -np.array(ORACLE["boosted_trees_classifier"]["logits"])
    np.testing.assert_allclose(logits, expected, atol=1e-6)


def test_a_vocabulary_in_another_order_than_the_old_graph_has_it_is_refused() -> None:
    city = {**PLAIN["city_id"], "values": [*reversed(CITIES)]}
    with pytest.raises(MillraceError, match="expected the old vocabulary of 'city_id'"):
        adopt("boosted_trees_classifier", {**PLAIN, "city_id": city}, "label")


def test_a_bucket_ends_with_its_quantile() -> None:
    """Thresholds at zero and next to it, where runtimes flush subnormal numbers."""
    assert trees.next_above(np.float32(0)) == 2.0**-126
    assert trees.next_above(np.float32(1)) == 1 + 2.0**-23
    assert trees.next_above(np.float32(-1)) == -1 + 2.0**-24


def test_splits_by_equality_go_left_where_they_hold(tmp_path: Path) -> None:
    """Trees as in later Estimators: replaces the trained tree by a handwritten one."""
    ensemble = tree_protos.parse(b"")
    ensemble.tree_weights.append(0.5)
    nodes = ensemble.trees.add().nodes
    split = nodes.add().categorical_split
    # Feature 0 is the bucket of the age, followed by Paris, Rome and Zürich.
    split.feature_id, split.threshold, split.left_id, split.right_id = 2, 1, 1, 2
    nodes.add().leaf.scalar = 4.0
    nodes.add().leaf.scalar = -2.0
    save(tmp_path, ensemble.SerializeToString())
    features = {name: PLAIN[name] for name in ("age_bucket", "city_id")}
    logits, _ = adopt("", features, "label", checkpoint=str(tmp_path / "model.ckpt"))
    np.testing.assert_array_equal(logits[:, 0], np.where(TEST["city"] == "Rome", 2.0, -1.0))


def test_at_the_last_bucket_all_rows_go_left(tmp_path: Path) -> None:
    """A split of Adult's ages at a threshold that TensorFlow 1.15 rounded."""
    ensemble = tree_protos.parse(b"")
    ensemble.tree_weights.append(1)
    nodes = ensemble.trees.add().nodes
    split = nodes.add().bucketized_split
    split.feature_id, split.threshold, split.left_id, split.right_id = 0, 3, 1, 2
    nodes.add().leaf.scalar = 4.0
    nodes.add().leaf.scalar = -2.0
    save(tmp_path, ensemble.SerializeToString())
    features = {"age_bucket": PLAIN["age_bucket"]}
    logits, _ = adopt("", features, "label", checkpoint=str(tmp_path / "model.ckpt"))
    np.testing.assert_array_equal(logits, 4.0)


@pytest.mark.parametrize(
    ("name", "features", "label", "expected"),
    [
        (
            "linear_classifier",
            PLAIN,
            "label",
            r"trees of a BoostedTrees Estimator \(boosted_trees:0_serialized\), found linear/",
        ),
        (
            "boosted_trees_classifier",
            {**PLAIN, "age": AGE},
            "label",
            r"expected 1 numeric features, as the trees have, found \['hours', 'age'\]",
        ),
        (
            "boosted_trees_classifier",
            {**PLAIN, "job_hash": WIDE["job_hash"]},
            "label",
            r"make 12 features \(age_bucketized 1, city_indicator 3, hours 1, job_indicator 7\); "
            "found trees of 5 features",
        ),
        (
            "boosted_trees_classifier",
            {**PLAIN, "age_bucket": {**PLAIN["age_bucket"], "boundaries": [25, 35, 50]}},
            "label",
            r"found age_bucketized with boundaries \[25.0, 35.5, 50.0\]",
        ),
        ("boosted_trees_classifier", PLAIN, "level", "label of two classes.*found 3 classes"),
    ],
)
def test_what_does_not_fit_is_told(
    name: str, features: dict[str, Any], label: str, expected: str
) -> None:
    with pytest.raises(MillraceError, match=expected):
        adopt(name, features, label)


def test_without_a_meta_graph_splits_that_cannot_be_are_told(tmp_path: Path) -> None:
    for path in (FIXTURES / "boosted_trees_classifier").glob("*.[id]*"):
        shutil.copy(path, tmp_path)
    checkpoint = str(tmp_path / "model.ckpt")
    fewer = {name: PLAIN[name] for name in ("hours", "age_bucket")}
    with pytest.raises(MillraceError, match=r"make 2 features .*found a split of feature 2"):
        adopt("", fewer, "label", checkpoint=checkpoint)
    coarser = {**PLAIN, "age_bucket": {**PLAIN["age_bucket"], "boundaries": [25]}}
    with pytest.raises(MillraceError, match="found a split at bucket 2 of age_bucketized"):
        adopt("", coarser, "label", checkpoint=checkpoint)


def test_bytes_that_are_no_trees_are_told(tmp_path: Path) -> None:
    save(tmp_path, b"\xff\xff")
    with pytest.raises(MillraceError, match="expected a TreeEnsemble"):
        adopt("", PLAIN, "label", checkpoint=str(tmp_path / "model.ckpt"))
