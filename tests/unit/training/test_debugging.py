"""Debugging: the layer and the batch of the first NaN."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.training.batches import InMemory, permutation
from millrace.training.debugging import Debug
from millrace.training.loop import train
from tests.helpers import trainings
from tests.helpers.trainings import make_examples, make_model, run, same_weights

# In epoch 1, this example is in the batch with this number, counted from 1.
PLANTED = 70
BATCH = int(np.argmax(permutation(200, trainings.SEED, 0) == PLANTED)) // 32 + 1


class Root(keras.layers.Layer):
    """Gives NaN for the planted example, the only one below -9."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(x + 9.0)


class Length(keras.layers.Layer):
    """Has a value at zero, but no gradient."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.norm(x, axis=1, keepdims=True)


def model_with(layer: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = {"numbers": keras.Input((3,), name="numbers")}
    x = keras.layers.Dense(4, kernel_initializer="ones", use_bias=False, name="before")(
        inputs["numbers"]
    )
    x = keras.layers.Dense(4, name="after")(layer(x))
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x), name="planted")


def debug(model: keras.Model, examples: Encoded, **changes: Any) -> None:
    data = InMemory(examples), InMemory(make_planted(None))
    watching = Debug(**{"check_numerics": True, **changes})
    settings = trainings.settings(weight_decay=0.0)
    train(model, trainings.BINARY, settings, data, trainings.SEED, debug=watching)


def make_planted(value: float | None) -> Encoded:
    examples = make_examples(200)
    numbers = np.clip(examples.inputs["numbers"], -1, 1)
    if value is not None:
        numbers[PLANTED] = value
    return Encoded({"numbers": numbers}, examples.labels)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("layer", "planted", "place"),
    [
        (Root(name="root"), -20.0, "the output of layer root."),
        (Length(name="length"), 0.0, "the gradient at the output of layer before, so made by what"),
        (Root(name="root"), np.nan, "the numbers of the examples."),
    ],
)
def test_the_layer_and_the_batch_are_named(
    layer: keras.layers.Layer, planted: float, place: str, eager: bool
) -> None:
    with pytest.raises(MillraceError) as raised:
        debug(model_with(layer), make_planted(planted), eager=eager)
    expected = f"model planted, epoch 1, batch {BATCH}: expected finite numbers, found NaN or"
    assert expected in str(raised.value)
    assert place in str(raised.value)


def test_watching_changes_nothing() -> None:
    _, outcome = run(epochs=1, rows=200)
    data = InMemory(make_examples(200)), InMemory(make_examples(200, seed=1))
    for watching in (Debug(check_numerics=True), Debug(eager=True)):
        model = make_model()
        settings = trainings.settings(epochs=1)
        watched = train(model, trainings.BINARY, settings, data, trainings.SEED, debug=watching)
        np.testing.assert_allclose(
            watched.history[0]["loss"], outcome.history[0]["loss"], rtol=1e-5
        )
    assert not same_weights(model, make_model())


def test_eager_steps_run_in_python() -> None:
    seen = []

    class Spy(keras.Model):
        def train_step(self, data: Any) -> Any:
            seen.append(tf.executing_eagerly())
            return super().train_step(data)

    small = make_model()
    model = Spy(small.inputs, small.outputs)
    data = InMemory(make_examples(64)), InMemory(make_examples(64))
    settings = trainings.settings(epochs=1)
    train(model, trainings.BINARY, settings, data, 0, debug=Debug(eager=True))
    assert seen == [True, True]
