"""Feature columns against NumPy, pandas, scikit-learn and the real tf.feature_column."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from tensorflow.python.feature_column import feature_column_v2

from millrace.errors import MillraceError
from millrace.feature_columns import Bucketized, Crossed, Numeric, Vocabulary, from_json

NUMBERS = np.random.default_rng(0).normal(50, 20, 2000).astype(np.float32)


def number_statistics(values, type_="float32"):
    values = np.asarray(values, np.float64)
    seen = values[~np.isnan(values)]
    different, counts = np.unique(seen, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {
        "type": type_,
        "missing": int(np.isnan(values).sum()),
        "distinct": len(different),
        "min": seen.min(),
        "max": seen.max(),
        "mean": seen.mean(),
        "std": seen.std(),
        "log_mean": (np.sign(seen) * np.log1p(np.abs(seen))).mean(),
        "log_std": (np.sign(seen) * np.log1p(np.abs(seen))).std(),
        "median": np.median(seen),
        "quantiles": np.quantile(seen, np.linspace(0, 1, 1025)).tolist(),
        "values": [[different[i], int(counts[i])] for i in order][:1024],
    }


def text_statistics(values):
    counts = pd.Series(values).value_counts()
    return {
        "type": "string",
        "missing": 0,
        "distinct": len(counts),
        "values": [[value, int(count)] for value, count in counts.items()],
    }


def tf_ids(column, features):
    """The ids that the real tf.feature_column gives."""
    cache = feature_column_v2.FeatureTransformationCache(features)
    state = feature_column_v2._StateManagerImpl(tf.keras.layers.Layer(), trainable=False)
    return tf.sparse.to_dense(column.get_sparse_tensors(cache, state).id_tensor).numpy()[:, 0]


@pytest.mark.parametrize(
    "normalizer, oracle",
    [
        ("standard", StandardScaler()),
        ("min_max", MinMaxScaler()),
        ("robust", RobustScaler()),
        ("log", StandardScaler()),
    ],
)
def test_normalizers_agree_with_scikit_learn(normalizer, oracle):
    column = Numeric.learn("x", {"normalizer": normalizer}, number_statistics(NUMBERS))
    values = NUMBERS.astype(np.float64)[:, None]
    if normalizer == "log":
        values = np.sign(values) * np.log1p(np.abs(values))
    expected = oracle.fit_transform(values)
    if normalizer == "robust":
        expected = expected / np.sqrt(1 + expected**2 / 9)
    encoded = column.encode({"x": tf.constant(NUMBERS)}).numpy()
    np.testing.assert_allclose(encoded, expected, atol=2e-6)


def test_missing_number_is_the_median_and_is_marked():
    values = np.where(np.arange(2000) % 5 == 0, np.nan, NUMBERS)
    column = Numeric.learn("x", {}, number_statistics(values))
    encoded = column.encode({"x": tf.constant([np.nan, np.nanmedian(values)], tf.float32)}).numpy()
    np.testing.assert_allclose(encoded, [[0, 1], [0, 0]], atol=1e-6)


@pytest.mark.parametrize("normalizer", ["standard", "min_max", "robust", "log"])
@pytest.mark.parametrize("value", [3.4e38, -3.4e38, np.inf, -np.inf, 1e-45, 0.0])
def test_no_number_gives_infinity(normalizer, value):
    column = Numeric.learn("x", {"normalizer": normalizer}, number_statistics(NUMBERS))
    assert np.isfinite(column.encode({"x": tf.constant([value], tf.float32)}).numpy()).all()


def test_integers_that_float32_cannot_hold_are_refused():
    with pytest.raises(MillraceError, match=r"features.x: .*2\^24.*found 16777217"):
        Numeric.learn("x", {}, number_statistics([1.0, 2**24 + 1], "int64"))


def test_numeric_refuses_text():
    with pytest.raises(MillraceError, match=r"expected a column of numbers, found 'y'"):
        Numeric.learn("x", {"column": "y"}, text_statistics(["a"]))


def test_vocabulary_gives_the_ids_of_tf_feature_column():
    seen = ["b"] * 3 + ["a"] * 2 + ["ü"]
    column = Vocabulary.learn("x", {}, text_statistics(seen))
    x = tf.constant(["a", "b", "ü", "never"])
    real = tf.feature_column.categorical_column_with_vocabulary_list(
        "x", ["b", "a", "ü"], num_oov_buckets=1
    )
    np.testing.assert_array_equal(column.encode({"x": x}).numpy()[:, 0], tf_ids(real, {"x": x}))
    assert column.cardinality == 5
    assert column.encode({"x": tf.constant([""])}).numpy().tolist() == [[4]]


def test_vocabulary_folds_rare_values_and_caps_its_size():
    seen = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"]
    assert Vocabulary.learn("x", {"min_count": 2}, text_statistics(seen)).values == ("a", "b", "c")
    assert Vocabulary.learn("x", {"max_size": 1}, text_statistics(seen)).values == ("a",)
    with pytest.raises(MillraceError, match="seen at least 9 times"):
        Vocabulary.learn("x", {"min_count": 9}, text_statistics(seen))


def test_vocabulary_of_numbers_matches_pandas():
    values = np.array([3.0, 1.0, 3.0, 7.0, 3.0, 1.0, np.nan, 8.0, -1.0], np.float32)
    column = Vocabulary.learn("x", {}, number_statistics(values[:6], "int64"))
    codes = pd.Categorical(values, categories=[3.0, 1.0, 7.0]).codes
    expected = np.where(np.isnan(values), 4, np.where(codes < 0, 3, codes))
    encoded = column.encode({"x": tf.constant(values)}).numpy()[:, 0]
    np.testing.assert_array_equal(encoded, expected)


def test_vocabulary_refuses_a_quantity():
    with pytest.raises(MillraceError, match="at most 1024 different values in column 'x'"):
        Vocabulary.learn("x", {}, number_statistics(NUMBERS))


@settings(max_examples=30, deadline=None)
@given(
    boundaries=st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True),
    values=st.lists(st.floats(-2000, 2000, width=32), min_size=1, max_size=30),
)
def test_buckets_are_those_of_tf_feature_column(boundaries, values):
    boundaries = sorted(float(b) for b in boundaries)
    # The boundaries themselves are where an off-by-one shows.
    x = tf.constant([*values, *boundaries], tf.float32)
    column = Bucketized.learn("x", {"boundaries": boundaries}, number_statistics(NUMBERS))
    real = tf.feature_column.bucketized_column(tf.feature_column.numeric_column("x"), boundaries)
    encoded = column.encode({"x": x}).numpy()[:, 0]
    np.testing.assert_array_equal(encoded, tf_ids(real, {"x": x[:, None]}))
    np.testing.assert_array_equal(encoded, np.digitize(x.numpy(), boundaries))


def test_quantile_buckets_hold_equal_shares_and_missing_has_its_own():
    column = Bucketized.learn("x", {"quantiles": 4}, number_statistics(NUMBERS))
    shares = np.bincount(column.encode({"x": tf.constant(NUMBERS)}).numpy()[:, 0]) / len(NUMBERS)
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
    assert column.encode({"x": tf.constant([np.nan])}).numpy().tolist() == [[4]]


@pytest.mark.parametrize("boundaries", [[2.0, 1.0], [1.0, 1.0], [1.0, float("nan")]])
def test_boundaries_out_of_order_are_refused(boundaries):
    with pytest.raises(MillraceError, match=r"features.x.boundaries: expected finite numbers"):
        Bucketized.learn("x", {"boundaries": boundaries}, number_statistics(NUMBERS))


@pytest.mark.parametrize("buckets", [None, 7])
def test_cross_numbers_each_combination_in_mixed_radix(buckets):
    a = Bucketized("a", "a", (0.0,))
    b = Vocabulary("b", "b", ("x", "y"))
    column = Crossed.learn("c", {"buckets": buckets} if buckets else {}, [a, b])
    first, second = np.divmod(np.arange(12), 4)
    ids = [tf.constant(first[:, None], tf.int32), tf.constant(second[:, None], tf.int32)]
    expected = np.arange(12) % (buckets or 12)
    np.testing.assert_array_equal(column.cross(ids).numpy()[:, 0], expected)
    assert column.cardinality == (buckets or 12)


def test_cross_of_too_many_combinations_is_refused():
    key = Vocabulary("a", "a", tuple(str(i) for i in range(70_000)))
    with pytest.raises(MillraceError, match=r"features.c.keys: .*70002 x 70002"):
        Crossed.learn("c", {}, [key, key])


@pytest.mark.parametrize(
    "column",
    [
        Numeric("n", "n", "robust", 1.5, 0.25, 2.0, True),
        Vocabulary("v", "v", ("a", "ü")),
        Vocabulary("w", "w", (1.0, 2.0)),
        Bucketized("b", "n", (0.0, 1.0)),
        Crossed("c", ("v", "b"), (4, 4), None),
    ],
)
def test_columns_come_back_from_json(column):
    assert from_json(column.to_json()) == column
