"""Losses and predictions, compared with Keras and SciPy, for one member or several."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from millrace.errors import MillraceError
from millrace.features.tasks import Task
from tests.helpers.configs import model_settings

TASKS = {
    "binary": Task("binary", classes=("no", "yes")),
    "multiclass": Task("multiclass", classes=("a", "b", "c")),
    "regression": Task("regression", mean=10.0, std=4.0),
}
LABELS = {
    "binary": np.float32([0, 1, 1, 0]),
    "multiclass": np.float32([2, 0, 1, 1]),
    "regression": np.float32([-1.5, 0.25, 3, 0]),
}
LINKS = {
    "binary": lambda x: special.expit(x)[:, 0],
    "multiclass": lambda x: special.softmax(x, axis=1),
    "regression": lambda x: x[:, 0] * 4 + 10,
}
KERAS_LOSSES = {
    "binary": keras.losses.BinaryCrossentropy(from_logits=True),
    "multiclass": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "regression": keras.losses.MeanSquaredError(),
}


def make_logits(task, *members):
    rng = np.random.default_rng(1)
    return rng.normal(0, 2, (4, *members, TASKS[task].outputs)).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_keras_own(task):
    logits = make_logits(task)
    expected = KERAS_LOSSES[task](LABELS[task][:, None], logits)
    assert float(TASKS[task].loss()(LABELS[task], logits)) == pytest.approx(float(expected))


@pytest.mark.parametrize("task", TASKS)
def test_members_are_averaged_after_the_link_and_after_the_loss(task):
    logits = make_logits(task, 3)
    members = [logits[:, m] for m in range(3)]
    losses = [float(KERAS_LOSSES[task](LABELS[task][:, None], member)) for member in members]
    assert float(TASKS[task].loss()(LABELS[task], logits)) == pytest.approx(np.mean(losses))
    expected = np.mean([LINKS[task](member.astype(np.float64)) for member in members], axis=0)
    np.testing.assert_allclose(TASKS[task].predictions(logits), expected, rtol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_logits_without_members_are_one_member(task):
    logits = make_logits(task)
    predictions = TASKS[task].predictions(tf.constant(logits))
    np.testing.assert_allclose(predictions, LINKS[task](logits.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(
        predictions, TASKS[task].predictions(tf.constant(logits[:, None])), rtol=1e-6
    )


def test_example_weights_weigh_examples():
    logits, weights = make_logits("binary"), np.float32([1, 0, 0, 0])
    loss = TASKS["binary"].loss()
    weighted = float(loss(LABELS["binary"], logits, sample_weight=weights))
    alone = float(loss(LABELS["binary"][:1], logits[:1]))
    assert weighted == pytest.approx(alone / 4)


@pytest.mark.parametrize(
    ("task", "labels", "encoded"),
    [
        ("binary", ["yes", "no", "perhaps"], [1, 0, -1]),
        ("multiclass", ["c", "a", ""], [2, 0, -1]),
        ("regression", [10.0, 2.0], [0, -2]),
    ],
)
def test_labels_are_encoded_by_class_or_scale(task, labels, encoded):
    assert TASKS[task].encode_labels(tf.constant(labels)).numpy().tolist() == encoded
    values = TASKS[task].decode_labels(np.float32(encoded))
    assert values.tolist() == (labels if task == "regression" else encoded)


def test_classes_that_are_numbers_are_found_in_numbers_and_in_text():
    task = Task("binary", classes=(0, 1))
    assert task.encode_labels(tf.constant([1.0, 0.0])).numpy().tolist() == [1, 0]
    assert task.encode_labels(tf.constant(["1", "0"])).numpy().tolist() == [1, 0]


def signed_log(x):
    return np.sign(x) * np.log1p(np.abs(x))


LOG_LABELS = np.array([-300.0, -1.0, 0.0, 0.5, 20.0, 400_000.0])
LOG = Task(
    "regression",
    mean=LOG_LABELS.mean(),
    std=LOG_LABELS.std(),
    log_mean=signed_log(LOG_LABELS).mean(),
    log_std=signed_log(LOG_LABELS).std(),
).of_model(model_settings("dnn", target="log"))


def test_a_model_may_learn_the_logarithm_of_labels_of_either_sign():
    encoded = LOG.encode_labels(tf.constant(LOG_LABELS, tf.float32))
    targets = LOG.targets(encoded).numpy()
    # The error of a label near 0 among large ones is relative to their spread.
    expected = (signed_log(LOG_LABELS) - LOG.log_mean) / LOG.log_std
    np.testing.assert_allclose(targets, expected, atol=0.01)
    predictions = LOG.predictions(tf.constant(expected[:, None], tf.float32))
    np.testing.assert_allclose(predictions, LOG_LABELS, rtol=1e-5, atol=1e-5)
    logits = np.linspace(-1, 1, 6, dtype=np.float32)[:, None]
    loss = float(LOG.loss()(encoded, logits))
    assert loss == pytest.approx(np.mean((logits[:, 0] - targets) ** 2), rel=1e-5)


def test_a_logarithm_far_off_stays_a_finite_prediction():
    far = LOG.predictions(tf.constant([[-1e6], [1e6]])).numpy()
    limits = np.array([-8, 8]) * LOG.log_std + LOG.log_mean
    np.testing.assert_allclose(far, np.sign(limits) * np.expm1(np.abs(limits)), rtol=1e-4)


def test_a_task_has_the_target_of_the_model():
    logarithms = model_settings("dnn", target="log")
    assert TASKS["regression"].of_model(logarithms).target == "log"
    assert TASKS["binary"].of_model(model_settings("dnn")) == TASKS["binary"]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_have_no_logarithm(task):
    with pytest.raises(MillraceError, match=f"target: expected none for a {task} task, found log"):
        TASKS[task].of_model(model_settings("dnn", target="log"))
