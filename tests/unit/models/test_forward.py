"""Each model's forward pass, compared with NumPy; and which weights training reaches."""

from functools import partial
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace import models
from millrace.config.training import TrainingConfig, TrainingOverrides
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.training import recipe
from tests.helpers.configs import model_settings
from tests.helpers.formulas import smelu

SPEC = EncodedSpec(
    numbers=(
        NumberInput("height", edges=(-1.0, 0.0, 0.5, 2.0)),
        NumberInput("weight", edges=(-0.5, 0.5)),
        NumberInput("weight", "missing"),
    ),
    ids=(
        CategoricalInput("city", 4, "indicator", 4),
        CategoricalInput("street", 10, "embedding", 3),
    ),
)
BINARY = Task("binary", classes=("no", "yes"))
MULTICLASS = Task("multiclass", classes=("a", "b", "c"))
NETS = ("linear", "dnn", "wide_deep", "dcn", "tabm")
ROWS = 7


def make(kind, spec=SPEC, task=BINARY, **settings):
    """Builds a model with random weights, including biases."""
    model = models.build(model_settings(kind, **settings), spec, task)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return model


def make_inputs(spec=SPEC, rows=ROWS):
    rng = np.random.default_rng(1)
    inputs = {}
    if spec.numbers:
        inputs["numbers"] = rng.normal(size=(rows, len(spec.numbers))).astype(np.float32)
    if spec.ids:
        ids = [rng.integers(0, entry.cardinality, (rows, entry.length)) for entry in spec.ids]
        inputs["ids"] = np.concatenate(ids, axis=1).astype(np.int32)
    return inputs


def weight(model, name):
    """Returns the only weight whose path ends like this."""
    (found,) = [w.numpy() for w in model.weights if w.path.endswith(name)]
    return found


def dense(model, name, x):
    y = x @ weight(model, f"{name}/kernel")
    biases = [w.numpy() for w in model.weights if w.path.endswith(f"{name}/bias")]
    return y + biases[0] if biases else y


def dense_features(model, inputs):
    one_hot = np.eye(4)[inputs["ids"][:, 0]]
    embedded = weight(model, "embedding_1")[inputs["ids"][:, 1]]
    return np.concatenate([inputs["numbers"], one_hot, embedded], axis=1)


def piecewise_linear(model, x, entries):
    """Returns each number's encoding by its definition, bin by bin and row by row."""
    slopes, biases = weight(model, "slopes"), weight(model, "biases")
    weights = weight(model, "weights_of_bins")
    encoded = np.zeros((len(x), len(entries), slopes.shape[1]))
    for row in range(len(x)):
        for i, entry in enumerate(entries):
            encoded[row, i] = slopes[i] * x[row, i] + biases[i]
            for j, (low, high) in enumerate(pairwise(entry.edges)):
                share = (min(max(x[row, i], low), high) - low) / (high - low)
                encoded[row, i] += share * weights[i, j]
    return encoded.reshape(len(x), -1)


def linear(model, layer, inputs):
    table = weight(model, f"{layer}/weights_of_ids")
    of_ids = table[inputs["ids"][:, 0]] + table[4 + inputs["ids"][:, 1]]
    of_numbers = inputs["numbers"] @ weight(model, f"{layer}/weights_of_numbers")
    return of_numbers + of_ids + weight(model, f"{layer}/bias")


def hidden(model, x, bent=smelu):
    for layer in range(2):
        x = bent(dense(model, f"hidden_{layer}", x))
    return x


def forward_linear(model, inputs):
    return linear(model, "linear", inputs)


def forward_dnn(model, inputs):
    return dense(model, "logits", hidden(model, dense_features(model, inputs)))


def forward_wide_deep(model, inputs):
    deep = dense(model, "deep", hidden(model, dense_features(model, inputs)))
    return linear(model, "wide", inputs) + deep


def forward_dcn(model, inputs):
    x0 = x = dense_features(model, inputs)
    for layer in range(2):
        x = x0 * dense(model, f"cross_{layer}_u", dense(model, f"cross_{layer}_v", x)) + x
    return dense(model, "logits", np.concatenate([x, hidden(model, x0)], axis=1))


def forward_tabm(model, inputs):
    numbers = inputs["numbers"]
    encoded = piecewise_linear(model, numbers[:, :2], SPEC.numbers[:2])
    x = dense_features(model, {**inputs, "numbers": np.hstack([numbers[:, 2:], encoded])})
    scales, kernel, bias = (
        weight(model, name) for name in ("scales", "logits/kernel", "logits/bias")
    )
    wide = partial(smelu, half_width=0.5)
    # One factor for all positions of a feature.
    scales = np.repeat(scales, [1, 16, 16, 4, 3], axis=1)
    members = [
        hidden(model, x * scales[member], wide) @ kernel[member] + bias[member]
        for member in range(len(scales))
    ]
    return np.stack(members, axis=1)


@pytest.mark.parametrize("task", [BINARY, MULTICLASS], ids=["binary", "multiclass"])
@pytest.mark.parametrize("kind", NETS)
def test_the_forward_pass_is_the_formula(kind, task):
    model, inputs = make(kind, task=task), make_inputs()
    logits = model(inputs, training=False)
    assert logits.shape == ((ROWS, 8, task.outputs) if kind == "tabm" else (ROWS, task.outputs))
    expected = globals()[f"forward_{kind}"](model, inputs)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("activation", "bent"),
    [
        ("smelu", smelu),
        ("relu", lambda x: np.maximum(x, 0)),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("tanh", np.tanh),
    ],
)
def test_hidden_layers_have_the_activation_that_the_config_names(activation, bent):
    model, inputs = make("dnn", activation=activation), make_inputs()
    x = dense_features(model, inputs)
    expected = dense(model, "logits", hidden(model, x, bent))
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("part", ["numbers", "ids"])
def test_numbers_or_ids_alone_are_enough(kind, part):
    spec = EncodedSpec(**{"numbers": (), "ids": (), part: getattr(SPEC, part)})
    model = make(kind, spec)
    assert BINARY.predictions(model(make_inputs(spec))).shape == (ROWS,)


@pytest.mark.parametrize("kind", NETS)
def test_the_gradient_reaches_every_weight(kind):
    model, inputs = make(kind), make_inputs(rows=200)
    labels = np.random.default_rng(2).integers(0, 2, 200).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = BINARY.loss()(labels, model(inputs, training=False))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    for variable, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.any(tf.convert_to_tensor(gradient)), variable.path


@pytest.mark.parametrize("kind", NETS)
def test_the_same_seed_gives_the_same_model(kind):
    built = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        built.append(models.build(model_settings(kind), SPEC, BINARY))
    for a, b in zip(built[0].weights, built[1].weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_cross_layer_is_no_wider_than_its_input():
    assert make("dcn", rank=1000).get_layer("cross_0_v").kernel.shape == (10, 10)


def test_each_member_starts_with_other_scales():
    keras.utils.set_random_seed(0)
    scales = weight(models.build(model_settings("tabm"), SPEC, BINARY), "scales")
    assert scales.shape == (8, 5)
    assert len(np.unique(scales)) == 8 * 5


def test_slopes_and_biases_start_apart_and_bins_at_zero():
    model = models.build(model_settings("tabm"), SPEC, BINARY)
    assert not (weight(model, "slopes") == weight(model, "biases")).any()
    assert not weight(model, "weights_of_bins").any()


def test_tabm_trains_what_it_predicts() -> None:
    """In training, adjacent features of the same width share a matrix product."""
    model, inputs = make("tabm"), make_inputs()
    trained, predicted = model(inputs, training=True), model(inputs, training=False)
    np.testing.assert_allclose(trained, predicted, rtol=1e-6, atol=1e-6)


def test_tabm_is_compiled_by_xla_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(rows: int, dropout: float = 0, **training: object) -> bool:
        defaults = models.training_defaults(model_settings("tabm", dropout=dropout), rows)
        config = TrainingConfig(**training)
        return recipe.settle(config, TrainingOverrides(), defaults, rows).jit

    gpus: list[str] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    sizes = (24_999, 25_000, 100_000, 100_001)
    assert [chosen(rows) for rows in sizes] == [False, True, True, False]
    assert not chosen(50_000, dropout=0.1)
    assert not chosen(50_000, batch_size=257)
    assert chosen(50_000, batch_size=257, jit=True)
    assert not chosen(50_000, jit=False)
    gpus.append("a GPU")
    assert not chosen(50_000)
