"""The recipe, compared with AdamW, clipping and averages in NumPy."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from millrace.config.training import TrainingConfig, TrainingOverrides
from millrace.errors import MillraceError
from millrace.features.tasks import Task
from millrace.training import recipe
from millrace.training.batches import InMemory
from millrace.training.loop import train
from millrace.training.recipe import MovingAverage
from tests.helpers import trainings

TRAINING = TrainingConfig(learning_rate=0.3, batch_size="auto")
OWN = TrainingOverrides(weight_decay=0.5)


def test_settings_of_the_model_beat_those_of_all_beat_the_kinds() -> None:
    kind = TrainingConfig(weight_decay=0.1, learning_rate=0.1, moving_average=0.9, batch_size=7)
    settings = recipe.settle(TRAINING, OWN, kind, rows=10)
    assert settings.weight_decay == 0.5
    assert settings.learning_rate == 0.3
    assert (settings.moving_average, settings.batch_size) == (0.9, 7)
    assert settings.clip_norm == 1.0


def test_whole_numbers_will_do() -> None:
    numbers = {"learning_rate": 1, "weight_decay": 0, "clip_norm": 0, "moving_average": 0}
    kind = TrainingConfig(batch_size=32, epochs=1)
    settings = recipe.settle(TrainingConfig(**numbers), TrainingOverrides(), kind, rows=10)
    data = InMemory(trainings.make_examples(40)), InMemory(trainings.make_examples(10))
    outcome = train(trainings.make_model(), trainings.BINARY, settings, data, 0, [])
    assert np.isfinite(outcome.history[0]["loss"])


@pytest.mark.parametrize(
    ("rows", "expected"), [(100_000, (256, 100, 16)), (100_001, (1024, 30, 4))]
)
def test_auto_goes_by_the_size_of_the_table(rows: int, expected: tuple[int, int, int]) -> None:
    settings = recipe.settle(TRAINING, OWN, TrainingConfig(), rows)
    assert (settings.batch_size, settings.epochs, settings.patience) == expected


def optimizer_for(weights: list[keras.Variable], **changes: Any) -> keras.optimizers.Optimizer:
    optimizer = recipe.optimizer(trainings.settings(**changes), weights, steps=10, replicas=1)
    optimizer.build(weights)
    return optimizer


def test_a_step_is_adamw_with_clipping_by_the_norm_of_all_gradients() -> None:
    start = {"kernel": np.array([[1.0, -2.0]]), "bias": np.array([0.5])}
    gradients = {"kernel": np.array([[3.0, 4.0]]), "bias": np.array([12.0])}
    weights = [keras.Variable(value, name=name) for name, value in start.items()]
    adamw = optimizer_for(weights, learning_rate=0.1, weight_decay=0.2, clip_norm=1.0)
    m, v = dict.fromkeys(start, 0.0), dict.fromkeys(start, 0.0)
    expected: dict[str, Any] = dict(start)
    for step in (1, 2):
        adamw.apply([tf.constant(x, tf.float32) for x in gradients.values()])
        for name in start:
            gradient = gradients[name] / 13.0
            decay = 0.2 if name == "kernel" else 0.0
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient**2
            step_size = m[name] / (1 - 0.9**step) / (np.sqrt(v[name] / (1 - 0.999**step)) + 1e-7)
            expected[name] = expected[name] * (1 - 0.1 * decay) - 0.1 * step_size
    for weight, value in zip(weights, expected.values(), strict=True):
        np.testing.assert_allclose(weight.numpy(), value, rtol=1e-5)


def test_only_matrices_decay() -> None:
    names = ["kernel", "weights_of_bins", "embedding_0", "embeddings", "scales", "bias"]
    weights = [keras.Variable(np.ones((2, 2)), name=name) for name in names]
    weights.append(keras.Variable(np.ones(2), name="gain"))
    adamw = optimizer_for(weights, learning_rate=0.5, weight_decay=1.0)
    adamw.apply([tf.zeros(weight.shape) for weight in weights])
    assert [float(x.numpy().flat[0]) for x in weights] == [0.5, 0.5, 1, 1, 1, 1, 1]


def test_an_id_that_is_twice_in_a_batch_has_one_gradient_to_be_clipped() -> None:
    weight = keras.Variable(np.zeros((3, 1)), name="embedding")
    sgd_like = optimizer_for([weight], learning_rate=1.0, clip_norm=1.0)
    twice = tf.IndexedSlices(tf.constant([[3.0], [3.0]]), tf.constant([1, 1]), tf.constant([3, 1]))
    sgd_like.apply([twice])
    # Adam's first moment is a tenth of the clipped gradient; 1 if both were added before.
    momentum = next(x for x in sgd_like.variables if "momentum" in x.path)
    np.testing.assert_allclose(momentum.numpy(), [[0.0], [0.1], [0.0]], rtol=1e-6)


def test_cosine_falls_to_zero_over_the_epochs() -> None:
    weight = keras.Variable(np.zeros(1), name="bias")
    adamw = optimizer_for([weight], learning_rate=0.2, schedule="cosine", epochs=4)
    rates = []
    for _ in range(40):
        rates.append(float(adamw.learning_rate))
        adamw.apply([tf.zeros(1)])
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(40) / 40))
    np.testing.assert_allclose(rates, expected, atol=1e-7)
    assert float(adamw.learning_rate) == 0


def test_the_moving_average_forgets_the_first_steps() -> None:
    weight = keras.Variable(np.array([10.0], np.float32), name="kernel")
    average = MovingAverage([weight], limit=0.5)
    expected = 10.0
    for step, value in enumerate([4.0, -2.0, 3.0, 8.0, 1.0, 6.0, 0.0, 5.0, 2.0], start=1):
        weight.assign([value])
        average.update(tf.constant(step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        np.testing.assert_allclose(weight.numpy(), [expected], rtol=1e-6)
    assert weight.numpy() == [2.0]


LABELS = np.array([0, 1, 0, 2, 0, 0], np.float32)
THREE = Task("multiclass", ("a", "b", 3))


def test_balanced_classes_weigh_the_same_altogether() -> None:
    settings = trainings.settings(class_weight="balanced")
    # In parts, as from a file of blocks.
    weights = recipe.class_weights(settings, THREE, [LABELS[:4], LABELS[4:]])
    assert weights is not None
    np.testing.assert_allclose(weights * np.bincount(LABELS.astype(int)), [2, 2, 2])
    assert weights.dtype == np.float32


def test_a_class_left_out_weighs_one() -> None:
    weights = recipe.class_weights(trainings.settings(class_weight={"3": 5}), THREE, [])
    np.testing.assert_array_equal(weights, [1, 1, 5])
    assert recipe.class_weights(trainings.settings(), THREE, []) is None


@pytest.mark.parametrize(
    ("task", "weights", "message"),
    [
        (THREE, {"c": 1.0}, r"expected classes out of \['a', 'b', '3'\], found \['c'\]"),
        (Task("regression"), "balanced", "expected none for a regression, found 'balanced'"),
    ],
)
def test_class_weights_without_a_meaning_are_refused(
    task: Task, weights: Any, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        recipe.class_weights(trainings.settings(class_weight=weights), task, [LABELS])


def test_a_metric_is_of_the_mean_prediction_of_the_members() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 4, 1)).astype(np.float32)
    labels = (logits.mean(axis=(1, 2)) + rng.normal(size=50) > 0).astype(np.float32)
    weights = rng.uniform(size=50)
    predictions = (1 / (1 + np.exp(-logits))).mean(axis=(1, 2))
    (metric,) = recipe.metrics("val_auc", trainings.BINARY)
    for given in (None, weights):
        metric.reset_state()
        metric.update_state(labels, logits, given)
        expected = roc_auc_score(labels, predictions, sample_weight=given)
        np.testing.assert_allclose(metric.result(), expected, atol=0.01)
    assert recipe.metrics("val_loss", trainings.BINARY) == []
    assert [recipe.direction(x) for x in ("val_auc", "val_mae")] == ["max", "min"]


def test_a_metric_that_the_task_has_not_is_refused() -> None:
    with pytest.raises(MillraceError, match=r"expected one of \['val_loss', 'val_mae'\] for a reg"):
        recipe.metrics("val_auc", Task("regression"))
