"""Dense features against NumPy and against the real tf.feature_column."""

import numpy as np
import pytest
import tensorflow as tf

from millrace.feature_columns import CategoricalInput, NumberInput
from millrace.models.inputs import DenseFeatures
from millrace.models.linear import Linear
from millrace.preprocessing import EncodedSpec

# Of ids 0..4 the last means missing; what fills up a sequence is missing too.
SEQUENCE = np.int32([[0, 1, 4], [2, 2, 2], [3, 4, 4], [4, 4, 4]])
WEIGHTS = np.float32([[0.5], [2.0], [1.0], [3.0]])


def sequence(**settings):
    return EncodedSpec((), (CategoricalInput("tags", 5, length=3, **settings),))


def weighted(representation, dimension, **settings):
    tags = CategoricalInput(
        "tags", 5, representation, dimension, length=3, weight="size", **settings
    )
    return EncodedSpec((NumberInput("size", "weight"),), (tags,))


def built(spec):
    layer = DenseFeatures(spec)
    layer.build(None)
    return layer


def test_an_indicator_counts_the_ids_of_a_sequence_and_leaves_out_what_fills_it_up():
    dense = built(sequence(representation="indicator", dimension=5))({"ids": SEQUENCE})
    expected = [[1, 1, 0, 0, 0], [0, 0, 3, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert dense.numpy().tolist() == expected


def test_the_missing_value_of_a_single_category_has_a_place_of_its_own():
    spec = EncodedSpec((), (CategoricalInput("tag", 5, "indicator", 5),))
    dense = built(spec)({"ids": np.int32([[4], [1]])})
    assert dense.numpy().tolist() == [[0, 0, 0, 0, 1], [0, 1, 0, 0, 0]]


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
@pytest.mark.parametrize("weigh", [False, True])
def test_embeddings_combine_as_tensorflow_combines_them(combiner, weigh):
    settings = {"representation": "embedding", "dimension": 2, "combiner": combiner}
    layer = built(weighted(**settings) if weigh else sequence(**settings))
    (table,) = layer.weights
    places = np.argwhere(SEQUENCE != 4)
    ids = tf.SparseTensor(places, SEQUENCE[tuple(places.T)].astype(np.int64), [4, 3])
    weights = tf.SparseTensor(places, WEIGHTS[places[:, 0], 0], [4, 3]) if weigh else None
    expected = tf.nn.safe_embedding_lookup_sparse(
        tf.Variable(table.numpy()), ids, weights, combiner=combiner
    )
    dense = layer({"ids": SEQUENCE, "numbers": WEIGHTS})
    np.testing.assert_allclose(dense, expected, rtol=1e-6)


def test_a_weight_is_read_by_its_feature_alone():
    layer = built(weighted("indicator", 5))
    dense = layer({"ids": SEQUENCE, "numbers": WEIGHTS})
    expected = [[0.5, 0.5, 0, 0, 0], [0, 0, 6, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert dense.numpy().tolist() == expected
    assert layer.widths == [5]


def test_a_linear_model_adds_the_weights_of_a_weighted_sequence():
    layer = Linear(weighted("indicator", 5), 1)
    layer.build(None)
    layer.weights_of_ids.assign([[1.0], [10.0], [100.0], [1000.0], [1e6]])
    logits = layer({"ids": SEQUENCE, "numbers": WEIGHTS})
    assert logits.numpy().tolist() == [[5.5], [600.0], [1000.0], [0.0]]


def test_features_that_share_a_table_train_one():
    shared = {"representation": "embedding", "dimension": 2, "table": "place"}
    spec = EncodedSpec(
        (), (CategoricalInput("origin", 3, **shared), CategoricalInput("dest", 3, **shared))
    )
    layer = built(spec)
    assert len(layer.weights) == 1
    origin, dest = np.split(layer({"ids": np.int32([[1, 1], [0, 2]])}).numpy(), 2, axis=1)
    assert (origin[0] == dest[0]).all()
    assert not (origin[1] == dest[1]).any()


def test_a_periodic_number_is_waves_behind_a_relu():
    entry = NumberInput("height", "periodic", dimension=3, frequencies=4, sigma=0.5)
    layer = built(EncodedSpec((entry,), ()))
    frequencies, kernel, bias = (weight.numpy()[0] for weight in layer.weights)
    x = np.float32([[0.3], [-1.2]])
    angles = 2 * np.pi * x * frequencies
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(
        layer({"numbers": x}), np.maximum(waves @ kernel + bias, 0), atol=1e-6
    )


def test_numbers_with_and_without_an_encoding_each_enter_once():
    numbers = (
        NumberInput("a", edges=(0.0, 1.0)),
        NumberInput("b", "piecewise_linear", (0.0, 1.0), dimension=4),
        NumberInput("b", "missing"),
        NumberInput("c", "piecewise_linear", (0.0, 1.0, 3.0), dimension=2),
    )
    layer = built(EncodedSpec(numbers, ()))
    assert layer.widths == [1, 1, 4, 2]
    dense = layer({"numbers": np.float32([[5, 6, 7, 8]])})
    assert dense.shape == (1, 8)
    assert dense.numpy()[0, :2].tolist() == [5, 7]


def test_a_number_with_one_value_has_no_bins_to_fill():
    layer = built(EncodedSpec((NumberInput("a", "piecewise_linear", (1.0,), dimension=2),), ()))
    slopes, biases, weights = layer.weights
    weights.assign(np.ones(weights.shape))
    expected = 3 * slopes.numpy() + biases.numpy()
    np.testing.assert_allclose(layer({"numbers": np.float32([[3]])}), expected)
