"""The training loop, compared with Keras' `fit` and with variants of itself."""

import functools
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from millrace.errors import MillraceError
from millrace.training import recipe
from millrace.training.batches import InMemory, permutation
from millrace.training.loop import train
from tests.helpers import trainings
from tests.helpers.trainings import make_examples, make_model, run, same_weights


def test_the_loop_computes_what_fit_computes() -> None:
    """With the same batches in the same order, the losses are those of Keras' loop."""
    examples, validation = make_examples(500), make_examples(200, seed=1)
    settings = trainings.settings()
    fitted = make_model()
    fitted.compile(
        recipe.optimizer(settings, fitted.trainable_weights, steps=16, replicas=1),
        trainings.BINARY.loss(),
    )
    expected = []
    for epoch in range(3):
        order = permutation(500, trainings.SEED, epoch)
        history = fitted.fit(
            {name: part[order] for name, part in examples.inputs.items()},
            examples.labels[order],
            batch_size=32,
            shuffle=False,
            verbose=0,
            validation_data=(validation.inputs, validation.labels),
        ).history
        expected.append((history["loss"][0], history["val_loss"][0]))
    _, outcome = run()
    losses = [(logs["loss"], logs["val_loss"]) for logs in outcome.history]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    best = min(outcome.history, key=lambda logs: logs["val_loss"])
    assert outcome.val_loss == best["val_loss"]


def test_the_model_ends_with_its_best_epoch() -> None:
    """The learning rate is far too high, so a later epoch is worse, and early stopping ends it."""
    model, outcome = run(epochs=40, patience=3, learning_rate=0.3)
    losses = [logs["val_loss"] for logs in outcome.history]
    assert outcome.best_epoch == int(np.argmin(losses)) + 1
    assert outcome.epochs == len(losses) == outcome.best_epoch + 3
    validation = make_examples(200, seed=1)
    logits = model.predict(validation.inputs, verbose=0)[:, 0]
    again = np.mean(np.logaddexp(0, logits) - validation.labels * logits)
    np.testing.assert_allclose(again, outcome.val_loss, rtol=1e-5)


def test_what_is_validated_and_kept_is_the_moving_average() -> None:
    class Weights(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.after: list[Any] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.after.append(self.model.get_weights())

    plain, averaged = Weights(), Weights()
    run(callbacks=[plain], epochs=2)
    model, outcome = run(callbacks=[averaged], epochs=2, moving_average=0.9)
    assert not np.array_equal(plain.after[0][0], averaged.after[0][0])
    for kept, seen in zip(model.get_weights(), averaged.after[outcome.best_epoch - 1], strict=True):
        np.testing.assert_array_equal(kept, seen)


def test_early_stopping_goes_by_the_metric_that_is_monitored() -> None:
    model, outcome = run(epochs=4, learning_rate=0.05, monitor="val_auc")
    aucs = [logs["val_auc"] for logs in outcome.history]
    assert outcome.best_epoch == int(np.argmax(aucs)) + 1
    validation = make_examples(200, seed=1)
    predictions = model.predict(validation.inputs, verbose=0)[:, 0]
    assert abs(roc_auc_score(validation.labels, predictions) - max(aucs)) < 0.005


def test_a_compiled_model_keeps_its_optimizer_loss_and_metrics() -> None:
    model = make_model()
    model.compile(keras.optimizers.SGD(0.5), "mse", metrics=["mae"])
    before = model.optimizer
    _, outcome = run(model, epochs=1)
    assert model.optimizer is before
    assert int(before.iterations) == 16
    assert set(outcome.history[0]) == {"learning_rate", "loss", "mae", "val_loss", "val_mae"}


def test_class_weights_are_those_of_fit() -> None:
    examples = make_examples(320)
    settings = trainings.settings(class_weight={"yes": 3.0}, epochs=1)
    fitted = make_model()
    fitted.compile(
        recipe.optimizer(settings, fitted.trainable_weights, steps=10, replicas=1),
        trainings.BINARY.loss(),
    )
    order = permutation(320, trainings.SEED, 0)
    history = fitted.fit(
        {name: part[order] for name, part in examples.inputs.items()},
        examples.labels[order],
        batch_size=32,
        shuffle=False,
        verbose=0,
        class_weight={0: 1.0, 1: 3.0},
    ).history
    weights = recipe.class_weights(settings, trainings.BINARY, [examples.labels])
    data = InMemory(examples, weights), InMemory(make_examples(50, seed=1))
    outcome = train(make_model(), trainings.BINARY, settings, data, trainings.SEED)
    np.testing.assert_allclose(outcome.history[0]["loss"], history["loss"][0], rtol=1e-5)


def test_example_weights_are_those_of_fit_in_training_and_validation() -> None:
    weights = np.random.default_rng(0).choice([0, 0.5, 4], 320).astype(np.float32)
    examples = replace(make_examples(320), weights=weights)
    validation = replace(make_examples(200, seed=1), weights=weights[:200])
    settings = trainings.settings(epochs=1)
    fitted = make_model()
    fitted.compile(
        recipe.optimizer(settings, fitted.trainable_weights, steps=10, replicas=1),
        trainings.BINARY.loss(),
    )
    order = permutation(320, trainings.SEED, 0)
    history = fitted.fit(
        {name: part[order] for name, part in examples.inputs.items()},
        examples.labels[order],
        batch_size=32,
        shuffle=False,
        verbose=0,
        sample_weight=weights[order],
        validation_data=(validation.inputs, validation.labels, validation.weights),
        validation_batch_size=200,
    ).history
    data = InMemory(examples), InMemory(validation)
    outcome = train(make_model(), trainings.BINARY, settings, data, trainings.SEED)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(outcome.history[0][name], history[name][0], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_the_same_with_weights_of_float32(policy: str) -> None:
    with recipe.precision(policy):
        model = make_model()
    assert keras.config.dtype_policy().name == "float32"
    assert model.get_layer("hidden").compute_dtype == policy.removeprefix("mixed_")
    _, outcome = run(model)
    _, expected = run()
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert outcome.val_loss != expected.val_loss
    assert outcome.val_loss == pytest.approx(expected.val_loss, abs=0.01)


@pytest.mark.parametrize(("dropout", "compiled"), [(0.0, "run_gathered"), (0.3, "_train_step")])
def test_what_xla_compiles_computes_the_same(
    dropout: float, compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA compiles all steps of a call together, or each step if random numbers are drawn."""
    _, expected = run(make_model(dropout))
    function, given_to_xla = tf.function, []

    def spy(code: Any = None, **settings: Any) -> Any:
        if settings.get("jit_compile") and code is not None:
            given_to_xla.append(code.__name__)
        return functools.partial(spy, **settings) if code is None else function(code, **settings)

    monkeypatch.setattr(tf, "function", spy)
    _, outcome = run(make_model(dropout), jit=True)
    assert given_to_xla == [compiled]
    for one, other in zip(outcome.history, expected.history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_xla_counts_the_weights_and_the_batches_of_every_call() -> None:
    """Several calls, with a last call and a last batch that are not full."""
    examples, rng = make_examples(4 * 150 + 3), np.random.default_rng(2)
    examples = replace(examples, weights=rng.uniform(0, 3, len(examples)).astype(np.float32))
    data = InMemory(examples), InMemory(make_examples(200, seed=1))
    outcomes = []
    for jit in (False, True):
        settings = trainings.settings(batch_size=4, epochs=2, moving_average=0.9, jit=jit)
        model = make_model()
        outcomes.append(train(model, trainings.BINARY, settings, data, trainings.SEED))
        assert int(model.optimizer.iterations) == 2 * 151
    plain, compiled = (outcome.history for outcome in outcomes)
    for one, other in zip(plain, compiled, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("op", ["PyFunc", "Fill"])
def test_what_xla_cannot_compile_is_named(op: str) -> None:
    class Unknown(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            if op == "PyFunc":
                turned = tf.numpy_function(lambda part: part[:, ::-1], [x], tf.float32)
                return tf.ensure_shape(turned, x.shape)
            return x + tf.reduce_sum(tf.zeros([tf.cast(tf.reduce_max(x), tf.int32)]))

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    inputs = make_model().input
    x = keras.layers.Dense(1)(Unknown(name="mine")(inputs["numbers"]))
    with pytest.raises(MillraceError) as error:
        run(keras.Model(inputs, x, name="own"), jit=True)
    found = r"model own, epoch 1, batch 1: .*, found \w+ in \S*mine\S*\.\n.*training.jit: false"
    assert re.match(found, str(error.value)), error.value
    assert op in str(error.value)


class Calls(keras.callbacks.Callback):
    """Records each call: its name, and the epoch or batch that it starts with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        for moment in ("train", "epoch", "train_batch", "test", "test_batch"):
            for edge in ("begin", "end"):
                setattr(self, f"on_{moment}_{edge}", self.note(f"{moment}_{edge}"))

    def note(self, name: str) -> Any:
        def call(*arguments: Any, logs: Any = None) -> None:
            # `fit` reports a batch after the last one as the end of the last call.
            numbers = [x for x in arguments if isinstance(x, int) and "batch_end" not in name]
            self.calls.append((name, *numbers))

        return call


def test_callbacks_are_called_as_by_fit() -> None:
    """As in `fit` with several steps per execution, if the last call is not full."""
    ours, theirs = Calls(), Calls()
    run(callbacks=[ours], epochs=2, rows=64)
    fitted = make_model()
    fitted.compile("sgd", trainings.BINARY.loss(), steps_per_execution=64)
    examples, validation = make_examples(64), make_examples(200, seed=1)
    fitted.fit(
        examples.inputs,
        examples.labels,
        batch_size=32,
        epochs=2,
        verbose=0,
        callbacks=[theirs],
        validation_data=(validation.inputs, validation.labels),
        validation_batch_size=200,
    )
    assert ours.calls == theirs.calls


def test_a_loss_that_is_not_a_number_ends_the_training() -> None:
    examples = make_examples(100)
    examples.inputs["numbers"][70, 1] = np.nan
    data = InMemory(examples), InMemory(make_examples(50, seed=1))
    with pytest.raises(MillraceError, match="model small, epoch 1, step 4: expected finite"):
        train(make_model(), trainings.BINARY, trainings.settings(), data, trainings.SEED)


def test_fewer_examples_than_a_batch_are_one_batch() -> None:
    model, outcome = run(rows=20, epochs=1)
    assert int(model.optimizer.iterations) == 1
    examples = make_examples(20)
    logits = make_model().predict(examples.inputs, verbose=0)[:, 0]
    expected = np.mean(np.logaddexp(0, logits) - examples.labels * logits)
    np.testing.assert_allclose(outcome.history[0]["loss"], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"jit": True, "dropout": 0}])
def test_the_same_seed_gives_the_same_weights_in_two_processes(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    weights, words = [], json.dumps({"epochs": 1, **changes})
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        subprocess.run(
            [*trainings.COMMAND, tmp_path / name, words],
            cwd=trainings.ROOT,
            check=True,
            capture_output=True,
        )
        weights.append((tmp_path / name / "weights.npz").read_bytes())
    assert weights[0] == weights[1]


def test_another_seed_gives_other_weights() -> None:
    assert same_weights(run(make_model(seed=1))[0], run(make_model(seed=1))[0])
    assert not same_weights(run(make_model(seed=1))[0], run(make_model(seed=2))[0])
