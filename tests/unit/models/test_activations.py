import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace.models import activations
from tests.helpers.configs import model_settings
from tests.helpers.formulas import smelu

# Both corners, values close to them on either side, and zero.
PLACES = np.float32([-9, -0.051, -0.05, -0.049, -0.02, -1e-8, 0, 1e-8, 0.03, 0.049, 0.05, 0.051, 9])


@pytest.mark.parametrize("half_width", [0.05, 0.2])
@pytest.mark.parametrize("training", [False, True])
def test_smelu_is_a_relu_with_a_parabola_for_a_corner(training, half_width):
    places = PLACES * np.float32(half_width / 0.05)
    values = activations.smelu(tf.constant(places), training, half_width)
    np.testing.assert_allclose(values, smelu(places.astype(float), half_width), 1e-6, 1e-8)
    outside = np.abs(places) > half_width
    np.testing.assert_array_equal(values[outside], np.maximum(places[outside], 0))


@pytest.mark.parametrize("training", [False, True])
def test_what_overflowed_stays_within_and_nan_stays_nan(training):
    x = tf.constant([-np.inf, np.inf, np.nan], tf.float16)
    np.testing.assert_array_equal(activations.smelu(x, training), [0, np.inf, np.nan])


@pytest.mark.parametrize("training", [False, True])
def test_its_slope_rises_steadily_from_zero_to_one(training):
    x = tf.constant(PLACES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = activations.smelu(x, training)
    slope = tape.gradient(values, x, output_gradients=tf.fill([len(PLACES)], 3.0))
    expected = 3 * np.interp(PLACES, [-0.05, 0.05], [0, 1])
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_its_second_derivative_is_right_where_there_is_one(training):
    x = tf.constant([-1.0, 0.02, 1.0])
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            values = activations.smelu(x, training)
        slope = inner.gradient(values, x)
    np.testing.assert_allclose(outer.gradient(slope, x), [0, 10, 0], rtol=1e-5)


def test_keeps_the_type_of_half_precision_and_is_saved_as_a_layer(tmp_path):
    layer = activations.SmeLU(dtype="mixed_bfloat16")
    for training in (False, True):
        values = layer(tf.fill([4, 4], tf.constant(0.8, tf.bfloat16)), training=training)
        assert values.dtype == tf.bfloat16
        np.testing.assert_array_equal(values, tf.fill([4, 4], tf.constant(0.8, tf.bfloat16)))
    keras.Sequential([keras.Input((3,)), activations.SmeLU(0.2)]).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(np.zeros((4, 3))), np.full((4, 3), 0.05), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"activation": "auto"}, "smelu"),
        ({"activation": "auto", "adopt": {"checkpoint": "model.ckpt"}}, "relu"),
        ({"activation": "auto", "warm_start": {"checkpoint": "model.ckpt"}}, "relu"),
        ({"activation": "tanh", "adopt": {"checkpoint": "model.ckpt"}}, "tanh"),
        ({"activation": "smelu", "warm_start": {"checkpoint": "model.ckpt"}}, "smelu"),
    ],
)
def test_networks_of_tensorflow_1_keep_their_relu(settings, kind):
    formulas = {"smelu": smelu, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
    values = activations.activated(
        tf.constant(PLACES), model_settings("dnn", dropout=0, **settings), 1
    )
    np.testing.assert_allclose(values, formulas[kind](PLACES), atol=1e-6)
