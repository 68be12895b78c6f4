import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace.models.dropout import Dropout
from tests.helpers.trainings import in_replica

SHAPE = (201, 333)  # an odd number of places


def drawn(rate: float = 0.1, jit: bool = False, calls: int = 1) -> np.ndarray:
    layer = Dropout(rate, seed=7)
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    return np.stack([run(tf.ones(SHAPE)).numpy() for _ in range(calls)])


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_leaves_out_its_share_and_scales_up_the_rest(rate):
    values = drawn(rate)
    kept = values > 0
    np.testing.assert_allclose(values[kept], 1 / (1 - rate), rtol=1e-6)
    deviation = (rate * (1 - rate) / kept.size) ** 0.5
    assert abs(np.mean(~kept) - rate) < 4 * deviation + 1 / 65536


def test_places_and_calls_are_independent():
    first, second = drawn(0.5, calls=2) > 0
    for one, other in [(first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]:
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4 / one.size**0.5


@pytest.mark.parametrize("members", [1, 3])
def test_an_example_has_the_same_numbers_on_any_replica(members):
    def drawn_on(number: int, examples: int) -> np.ndarray:
        layer = Dropout(0.5, members, seed=7)
        with in_replica(number, 3):
            calls = [layer(tf.ones([members * examples, 21]), training=True) for _ in range(2)]
        return np.reshape(calls, [2, members, examples, 21])

    whole = drawn_on(0, 6)
    parts = [drawn_on(number, 2) for number in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    rows = whole.reshape(-1, 21)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_same_seed_draws_the_same_compiled_or_not():
    np.testing.assert_array_equal(drawn(calls=2), drawn(calls=2))
    np.testing.assert_array_equal(drawn() > 0, drawn(jit=True) > 0)


def test_predicts_without_it_and_is_saved_as_a_layer(tmp_path):
    model = keras.Sequential([keras.Input((3,)), Dropout(0.5)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(np.ones((4, 3))), np.ones((4, 3)))
    assert isinstance(loaded.layers[0], Dropout)


def test_keeps_the_type_of_half_precision():
    layer = Dropout(0.5, dtype="mixed_bfloat16")
    assert layer(tf.ones([4, 4], tf.bfloat16), training=True).dtype == tf.bfloat16
