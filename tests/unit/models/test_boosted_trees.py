"""Boosted trees as gather ops, compared with YDF's predictions."""

from dataclasses import replace

import numpy as np
import pytest
import ydf

from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models import boosted_trees, forest
from tests.helpers.configs import model_settings

SPEC = EncodedSpec(
    numbers=(
        NumberInput("height", edges=(0.0, 1.0)),
        NumberInput("height", "missing"),
        NumberInput("weight", "piecewise_linear", (0.0, 1.0), dimension=4),
        NumberInput("age", edges=(0.0, 1.0)),
        NumberInput("age", "missing"),
    ),
    ids=(
        CategoricalInput("city", 12, "indicator", 12),
        CategoricalInput("tags", 7, "embedding", 3, length=3),
        CategoricalInput("street", 40, "embedding", 3),
    ),
)
TASKS = {
    "binary": Task("binary", classes=("no", "yes")),
    "multiclass": Task("multiclass", classes=("a", "b", "c")),
    "regression": Task("regression", mean=100.0, std=10.0),
}


def settings_of(**settings):
    return model_settings("boosted_trees", **settings)


def make_examples(task, rows, seed, ids_until=0.9):
    """Returns examples with missing numbers, sequences and, for ids_until = 1, unseen ids."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 5)).astype(np.float32)
    numbers[:, [1, 4]] = rng.random((rows, 2)) < 0.2
    numbers[:, [0, 3]] = np.where(numbers[:, [1, 4]] > 0, 0, numbers[:, [0, 3]])
    city = rng.integers(0, int(12 * ids_until), rows)
    street = rng.integers(0, int(40 * ids_until), rows)
    tags = rng.integers(0, int(7 * ids_until), (rows, 3))
    tags[np.arange(3) >= rng.integers(0, 4, (rows, 1))] = 6
    signal = numbers[:, 0] + numbers[:, 2] + 2 * numbers[:, 1] + city % 3 + (street % 5) / 2
    signal += 2 * (tags == 2).any(axis=1) + rng.normal(0, 0.3, rows)
    labels = {"binary": signal > 3, "multiclass": np.digitize(signal, [2, 4]), "regression": signal}
    ids = np.concatenate([city[:, None], tags, street[:, None]], axis=1).astype(np.int32)
    return Encoded({"numbers": numbers, "ids": ids}, labels[task].astype(np.float32))


def fit(task, data, spec=SPEC, **settings):
    settings = settings_of(**({"trees": 40} | settings))
    return boosted_trees.fit(settings, spec, TASKS[task], data, seed=1)


def both_predictions(task, data, test, **settings):
    """Returns the predictions of the Keras model and of YDF with the same trees."""
    settings = settings_of(**({"trees": 40} | settings))
    table = boosted_trees.Table(SPEC, data[0])
    trained = boosted_trees.train(settings, table, TASKS[task], data, 1, None)
    fitted = boosted_trees.fit(settings, SPEC, TASKS[task], data, 1)
    ours = TASKS[task].predictions(fitted.model(test.inputs)).numpy()
    theirs = trained.predict(table.columns(test))
    return ours, TASKS[task].decode_labels(theirs), fitted


def test_trees_that_learn_a_logarithm_are_ydfs_of_the_logarithms():
    rows = enumerate([900, 300, 9])
    train, validation, test = (make_examples("regression", n, seed) for seed, n in rows)
    task = replace(TASKS["regression"], log_mean=4.6, log_std=0.1, target="log")
    labels = [x.labels * 10.0 + 100.0 for x in (train, validation)]
    logs = [((np.log1p(y) - 4.6) / 0.1).astype(np.float32) for y in labels]
    of_logs = tuple(replace(x, labels=y) for x, y in zip((train, validation), logs, strict=True))
    settings = settings_of(trees=30)
    fitted = boosted_trees.fit(settings, SPEC, task, (train, validation), seed=1)
    ours = task.predictions(fitted.model(test.inputs)).numpy()
    table = boosted_trees.Table(SPEC, train)
    trained = boosted_trees.train(settings, table, TASKS["regression"], of_logs, 1, None)
    theirs = np.expm1(trained.predict(table.columns(test)).astype(np.float64) * 0.1 + 4.6)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("ids_until", [0.9, 1.0], ids=["seen", "unseen"])
def test_predictions_are_ydfs_own(task, ids_until):
    data = make_examples(task, 2000, 0), make_examples(task, 500, 1)
    ours, theirs, fitted = both_predictions(task, data, make_examples(task, 1000, 2, ids_until))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    # With these examples it uses every kind of condition.
    shape = fitted.settings.forest
    assert all(count > 0 for count in shape.sets)
    assert shape.depth == 6 - 1


def test_neighbours_of_a_value_between_two_training_values_go_one_way():
    """Runtimes round normalized numbers differently, and 1 is midway between 0 and 2."""
    numbers = np.zeros((400, 5), np.float32)
    numbers[:, 2] = np.arange(400) % 2 * 2
    examples = Encoded({"numbers": numbers, "ids": np.zeros((400, 5), np.int32)}, numbers[:, 2] / 2)
    fitted = fit("binary", (examples, examples), trees=3)
    x = np.float32(1)
    around = [np.nextafter(x, np.float32(0)), x, np.nextafter(x, np.float32(2)), np.float32(0)]
    test = np.zeros((4, 5), np.float32)
    test[:, 2] = around
    logits = fitted.model({"numbers": test, "ids": np.zeros((4, 5), np.int32)}).numpy().ravel()
    assert logits[0] == logits[1] == logits[2] > logits[3]


@pytest.mark.slow
def test_a_deep_forest_is_walked_to_its_leaves():
    data = make_examples("regression", 3000, 0), make_examples("regression", 500, 1)
    test = make_examples("regression", 500, 2)
    ours, theirs, fitted = both_predictions("regression", data, test, max_depth=20, min_examples=1)
    assert fitted.settings.forest.depth > 12
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_trees_that_are_leaves_predict_the_mean():
    examples = make_examples("regression", 100, 0)
    constant = Encoded(examples.inputs, np.full(100, 0.5, np.float32))
    fitted = fit("regression", (constant, constant))
    assert fitted.settings.forest.depth == 0
    np.testing.assert_allclose(fitted.model(examples.inputs), 0.5, atol=1e-6)


def test_a_model_is_built_again_from_its_settings_and_weights(tmp_path):
    data = make_examples("binary", 500, 0), make_examples("binary", 200, 1)
    fitted = fit("binary", data)
    fitted.model.save_weights(tmp_path / "model.weights.h5")
    again = boosted_trees.build(fitted.settings, SPEC, TASKS["binary"])
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(data[1].inputs), fitted.model(data[1].inputs))
    assert not again.trainable_weights


def test_whole_numbers_will_do():
    data = make_examples("binary", 200, 0), make_examples("binary", 100, 1)
    one, other = (
        fit("binary", data, trees=3, learning_rate=number, columns=number) for number in (1, 1.0)
    )
    np.testing.assert_array_equal(one.model(data[1].inputs), other.model(data[1].inputs))


def test_the_same_seed_gives_the_same_trees():
    data = make_examples("multiclass", 800, 0), make_examples("multiclass", 200, 1)
    one, other = (fit("multiclass", data).model.get_weights() for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("part", ["numbers", "ids"])
def test_numbers_or_ids_alone_are_enough(part):
    spec = EncodedSpec(**{"numbers": (), "ids": (), part: getattr(SPEC, part)})
    data = tuple(
        Encoded({part: x.inputs[part]}, x.labels)
        for x in (make_examples("binary", 500, 0), make_examples("binary", 200, 1))
    )
    fitted = fit("binary", data, spec)
    assert fitted.model(data[1].inputs).shape == (200, 1)


@pytest.mark.parametrize("task", TASKS)
def test_the_history_holds_the_losses_of_more_rounds_than_were_kept(task):
    data = make_examples(task, 1000, 0), make_examples(task, 300, 1)
    fitted = fit(task, data, trees=300, learning_rate=0.3)
    assert fitted.best < len(fitted.history) < 300
    for examples, name in zip(data, ("loss", "val_loss"), strict=True):
        loss = float(TASKS[task].loss()(examples.labels, fitted.model(examples.inputs)))
        assert loss == pytest.approx(fitted.history[fitted.best - 1][name], rel=1e-4)


def test_weights_count_as_repetitions():
    examples, validation = make_examples("regression", 600, 0), make_examples("regression", 200, 1)
    twice = np.concatenate([np.arange(600), np.arange(300)])
    repeated = Encoded(
        {name: part[twice] for name, part in examples.inputs.items()}, examples.labels[twice]
    )
    settings = settings_of(trees=3, min_examples=1, max_depth=2, columns=1)
    weights = np.float32([2] * 300 + [1] * 300)
    task = TASKS["regression"]
    one = boosted_trees.fit(settings, SPEC, task, (examples, validation), 0, weights)
    other = boosted_trees.fit(settings, SPEC, task, (repeated, validation), 0)
    inputs = validation.inputs
    np.testing.assert_allclose(one.model(inputs), other.model(inputs), atol=1e-4)


def test_a_condition_that_not_every_runtime_can_compute_is_named():
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    columns = {"number_0": x[:, 0], "number_1": x[:, 1], "label": x.sum(axis=1)}
    learner = ydf.GradientBoostedTreesLearner(
        label="label", task=ydf.Task.REGRESSION, num_trees=3, split_axis="SPARSE_OBLIQUE"
    )
    spec = EncodedSpec((NumberInput("a"), NumberInput("b")), ())
    examples = Encoded({"numbers": x}, columns["label"])
    table = boosted_trees.Table(spec, examples)
    with pytest.raises(MillraceError, match="found a NumericalSparseObliqueCondition, which not"):
        boosted_trees.flatten(learner.train(columns), table, TASKS["regression"])


def test_a_forest_too_large_for_an_exported_model_is_refused(monkeypatch):
    monkeypatch.setattr(forest, "MOST_BYTES", 2**10)
    data = make_examples("binary", 500, 0), make_examples("binary", 200, 1)
    with pytest.raises(MillraceError, match="expected a forest of at most"):
        fit("binary", data)
