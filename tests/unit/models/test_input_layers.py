"""Dense features, compared with NumPy and the real tf.feature_column."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from millrace.features import dataframe
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.models.input_layers import DenseFeatures
from millrace.models.linear import Linear
from tests.helpers.formulas import smelu

# Of ids 0..4 the last means missing; the padding of sequences is missing too.
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


def test_a_periodic_number_is_waves_behind_a_smelu():
    entry = NumberInput("height", "periodic", dimension=3, frequencies=4, sigma=0.5)
    layer = built(EncodedSpec((entry,), ()))
    frequencies, kernel, bias = (weight.numpy()[0] for weight in layer.weights)
    x = np.float32([[0.3], [-1.2]])
    angles = 2 * np.pi * x * frequencies
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(layer({"numbers": x}), smelu(waves @ kernel + bias), atol=1e-6)


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


RNG = np.random.default_rng(1)
ROWS = 60
TABLE = pd.DataFrame(
    {
        "city": RNG.choice([*"abcdef"], ROWS),
        "age": RNG.uniform(0, 9, ROWS).astype(np.float32),
        "rooms": RNG.integers(0, 4, ROWS),
        "tags": ["|".join(RNG.choice([*"pqrs"], size)) for size in RNG.integers(0, 5, ROWS)],
        "size": RNG.uniform(0.5, 2, ROWS).astype(np.float32),
        "label": [0, 1] * (ROWS // 2),
    }
)
FEATURES: dict[str, dict[str, Any]] = {
    "city": {"kind": "vocabulary", "values": [*"abc"]},
    "bucketed": {"kind": "vocabulary", "column": "city", "values": [*"ab"], "num_oov_buckets": 3},
    "hashed": {"kind": "hashed", "column": "city", "buckets": 5},
    "band": {"kind": "bucketized", "column": "age", "boundaries": [2.0, 4.5]},
    "rooms": {"kind": "identity", "buckets": 4},
    "cross": {"kind": "crossed", "keys": ["city", "band"], "buckets": 7, "compat": "tf1_dense"},
    "tags": {"kind": "sequence", "delimiter": "|", "max_length": 4, "values": [*"pqrs"]},
    "weighted": {"kind": "weighted", "of": "tags", "weight": "size"},
}


def real_column(name: str) -> Any:
    """Returns the column of tf.feature_column that a feature must equal."""
    columns = tf.feature_column
    band = columns.bucketized_column(columns.numeric_column("age"), [2.0, 4.5])
    listed = columns.categorical_column_with_vocabulary_list
    tags = listed("tags", [*"pqrs"])
    return {
        "city": listed("city", [*"abc"]),
        "bucketed": listed("city", [*"ab"], num_oov_buckets=3),
        "hashed": columns.categorical_column_with_hash_bucket("city", 5),
        "band": band,
        "rooms": columns.categorical_column_with_identity("rooms", 4),
        "cross": columns.crossed_column(["city", band], 7),
        "tags": tags,
        "weighted": columns.weighted_categorical_column(tags, "size"),
    }[name]


def real_features() -> dict[str, Any]:
    cells = [cell.split("|") if cell else [] for cell in TABLE["tags"]]
    tags = tf.RaggedTensor.from_row_lengths(
        tf.constant([tag for cell in cells for tag in cell]), [*map(len, cells)]
    ).to_sparse()
    size = tf.gather(tf.constant(TABLE["size"]), tags.indices[:, 0])
    dense = {name: tf.constant(TABLE[[name]].to_numpy()) for name in ("age", "rooms")}
    dense["city"] = tf.constant([[city] for city in TABLE["city"]])
    return dense | {"tags": tags, "size": tf.SparseTensor(tags.indices, size, tags.dense_shape)}


def real_dense(column: Any, table: np.ndarray | None = None) -> np.ndarray:
    """Returns tf.feature_column's output for TABLE, with the first rows of an embedding table."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        dense = v1.feature_column.input_layer(real_features(), [column])
        session.run(v1.tables_initializer())
        for variable in v1.trainable_variables():
            assert table is not None
            variable.load(table[: variable.shape[0]], session)
        found: np.ndarray = session.run(dense)
        return found


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("wrapper", ["indicator", "mean", "sum", "sqrtn"])
def test_dense_columns_are_those_of_tf_feature_column(name: str, wrapper: str) -> None:
    kind = {"kind": "indicator", "of": name}
    if wrapper != "indicator":
        kind = {"kind": "embedding", "of": name, "dimension": 3, "combiner": wrapper}
    needed = {name, "tags"} if name == "weighted" else {name, "band"} if name == "cross" else {name}
    features = {x: FEATURES[x] for x in FEATURES if x in needed} | {"wrapped": kind}
    learned = dataframe.fit(TABLE, "label", features)
    place = [entry.feature for entry in learned.spec.ids].index(name)
    layer = built(learned.spec)
    parts = np.split(layer(learned.transform(TABLE)), np.cumsum(layer.widths)[:-1], axis=1)
    ours = parts[place + len(layer.plain)]
    if wrapper == "indicator":
        real = real_dense(tf.feature_column.indicator_column(real_column(name)))
        # After tf.feature_column's positions come those of the values that it drops.
        ours = ours[:, : real.shape[1]]
    else:
        column = tf.feature_column.embedding_column(real_column(name), 3, combiner=wrapper)
        table = layer.tables["wrapped"].numpy()
        real = real_dense(column, table)
        dropped = ~real.any(axis=1) & (name == "city")
        # Values out of the vocabulary, which tf.feature_column drops, have an embedding here.
        np.testing.assert_array_equal(ours[dropped], np.tile(table[3], (dropped.sum(), 1)))
        ours = np.where(dropped[:, None], 0, ours)
    np.testing.assert_allclose(ours, real, atol=1e-6)
