"""Losses and predictions against Keras' own and scipy's, one member or several."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from millrace.features.tasks import Task

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
