"""Feature columns, compared with NumPy, pandas, scikit-learn and the real tf.feature_column."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler
from tensorflow.python.feature_column import feature_column_v2

from millrace.config.features import feature_of
from millrace.errors import MillraceError
from millrace.features.feature_columns import (
    Bucketized,
    Categorical,
    Context,
    Crossed,
    CrossedTf1,
    Hashed,
    Identity,
    Numeric,
    Periodic,
    PiecewiseLinear,
    Sequence,
    Vocabulary,
    Weighted,
    categorical_inputs,
    from_json,
)
from millrace.features.feature_columns.numeric import bin_edges
from millrace.features.raw_row import name_columns, parse_examples, raw_columns
from tests.helpers.artifacts import column_statistics
from tests.helpers.columns import learn_column

NUMBERS = np.random.default_rng(0).normal(50, 20, 2000).astype(np.float32)


def number_statistics(values, type_="float32"):
    values = np.asarray(values, np.float64)
    seen = values[~np.isnan(values)]
    logs = np.sign(seen) * np.log1p(np.abs(seen))
    different, counts = np.unique(seen, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    listed = [[different[i].item(), int(counts[i])] for i in order]
    if len(different) > 1024:
        listed = [[value, count] for value, count in listed if count * 1024 >= len(values)]
    return column_statistics(
        type=type_,
        rows=len(values),
        missing=int(np.isnan(values).sum()),
        distinct=len(different),
        min=seen.min(),
        max=seen.max(),
        mean=seen.mean(),
        std=seen.std(),
        log_mean=logs.mean(),
        log_std=logs.std(),
        median=np.median(seen),
        quantiles=np.quantile(seen, np.linspace(0, 1, 1025)).tolist(),
        values=listed,
    )


def text_statistics(values):
    """Returns the statistics of a column that also has a missing value."""
    counts = pd.Series(values).value_counts()
    return column_statistics(
        type="string",
        rows=len(values) + 1,
        missing=1,
        distinct=len(counts),
        values=[(value, int(count)) for value, count in counts.items()],
    )


def learn(kind, statistics, **config):
    """Returns a feature x fitted to a raw column x."""
    return learn_column(kind, "x", config, Context({"x": statistics}, "label"))


def encode(column, values):
    """Returns a feature's encoding of values of its raw column, one row each."""
    x = tf.constant(values, tf.string if isinstance(values[0], str) else tf.float32)
    raw = {"x": x}
    encoded = (
        column.encode(raw, {}) if isinstance(column, Categorical) else column.encode_numbers(raw)
    )
    return encoded.numpy()


def tf_ids(column, values):
    """Returns the ids of the real tf.feature_column."""
    cache = feature_column_v2.FeatureTransformationCache({"x": tf.constant(values)})
    state = feature_column_v2._StateManagerImpl(tf.keras.layers.Layer(), trainable=False)
    return tf.sparse.to_dense(column.get_sparse_tensors(cache, state).id_tensor).numpy()[:, 0]


class TestNumeric:
    @pytest.mark.parametrize(
        "normalizer, oracle",
        [
            ("standard", StandardScaler()),
            ("min_max", MinMaxScaler()),
            ("robust", RobustScaler()),
            ("log", StandardScaler()),
        ],
    )
    def test_normalizers_agree_with_scikit_learn(self, normalizer, oracle):
        column = learn(Numeric, number_statistics(NUMBERS), normalizer=normalizer)
        values = NUMBERS.astype(np.float64)[:, None]
        if normalizer == "log":
            values = np.sign(values) * np.log1p(np.abs(values))
        expected = oracle.fit_transform(values)
        if normalizer == "robust":
            expected = expected / np.sqrt(1 + expected**2 / 9)
        np.testing.assert_allclose(encode(column, NUMBERS), expected, atol=2e-6)

    def test_quantiles_agree_with_scikit_learn(self):
        column = learn(Numeric, number_statistics(NUMBERS), normalizer="quantile")
        oracle = QuantileTransformer(n_quantiles=65).fit(NUMBERS[:, None].astype(np.float64))
        values = np.array([*NUMBERS, -1e30, 1e30, np.inf], np.float32)
        expected = oracle.transform(values[:-1, None].astype(np.float64))
        np.testing.assert_allclose(encode(column, values), [*expected, [1.0]], atol=2e-6)

    def test_missing_is_the_median_and_is_marked(self):
        values = np.where(np.arange(2000) % 5 == 0, np.nan, NUMBERS)
        column = learn(Numeric, number_statistics(values))
        encoded = encode(column, [np.nan, np.nanmedian(values)])
        np.testing.assert_allclose(encoded, [[0, 1], [0, 0]], atol=1e-6)

    def test_a_stated_default_and_no_indicator(self):
        column = learn(
            Numeric, number_statistics([1.0, np.nan]), default=7, missing_indicator=False
        )
        np.testing.assert_array_equal(encode(column, [np.nan]), encode(column, [7.0]))
        assert encode(column, [np.nan]).shape == (1, 1)

    @pytest.mark.parametrize("normalizer", ["standard", "min_max", "robust", "log", "quantile"])
    @pytest.mark.parametrize("value", [3.4e38, -3.4e38, np.inf, -np.inf, 1e-45, 0.0])
    def test_no_number_gives_infinity(self, normalizer, value):
        column = learn(Numeric, number_statistics(NUMBERS), normalizer=normalizer)
        assert np.isfinite(encode(column, [value])).all()

    def test_integers_that_float32_cannot_hold_are_refused(self):
        with pytest.raises(MillraceError, match=r"features\.x: .*2\^24.*found 16777217"):
            learn(Numeric, number_statistics([1.0, 2**24 + 1], "int64"))

    def test_text_a_label_and_an_unknown_column_are_refused(self):
        with pytest.raises(MillraceError, match="expected a column of numbers, found 'x'"):
            learn(Numeric, text_statistics(["a"]))
        with pytest.raises(MillraceError, match="found the label"):
            learn(Numeric, number_statistics(NUMBERS), column="label")
        with pytest.raises(MillraceError, match=r"found 'xx'\.\nNote: did you mean 'x'"):
            learn(Numeric, number_statistics(NUMBERS), column="xx")

    @pytest.mark.parametrize(
        "kind, config",
        [
            (Numeric, {}),
            (Vocabulary, {}),
            (Identity, {"buckets": 9}),
            (Bucketized, {"quantiles": 2}),
        ],
    )
    def test_a_column_of_one_value_or_none_is_refused(self, kind, config):
        constant = number_statistics([3.0, 3.0])
        with pytest.raises(MillraceError, match=r"features\.x: .*differ in column 'x', found 3\.0"):
            learn(kind, constant, **config)
        with pytest.raises(MillraceError, match=r"features\.x: .*column 'x', found none"):
            learn(kind, replace(constant, distinct=0, missing=2, values=[]), **config)
        # One value or missing: the missing id and the missing indicator tell them apart.
        assert learn(kind, number_statistics([3.0, np.nan]), **config).name == "x"


class TestBinEdges:
    def test_few_values_are_the_edges(self):
        edges = bin_edges(number_statistics([3.0, 1.0, 2.0, 2.0]), 48)
        np.testing.assert_array_equal(edges, [1, 2, 3])

    def test_edges_are_quantiles(self):
        edges = bin_edges(number_statistics(NUMBERS), 10)
        expected = np.quantile(NUMBERS, np.linspace(0, 1, 11))
        np.testing.assert_allclose(edges, expected, rtol=2e-3)

    def test_a_frequent_value_has_an_edge_of_its_own(self):
        values = np.where(np.arange(2000) % 2 == 0, 0.125, NUMBERS)
        edges = bin_edges(number_statistics(values), 10)
        assert 0.125 in edges
        # The others share the remaining rows evenly.
        shares = np.histogram(NUMBERS[1::2], np.setdiff1d(edges, [0.125]))[0] / 1000
        np.testing.assert_allclose(shares[1:-1], 0.1, atol=0.02)

    @pytest.mark.parametrize("kind", [Numeric, PiecewiseLinear, Periodic])
    def test_a_model_gets_normalized_edges(self, kind):
        column = learn(kind, number_statistics(NUMBERS), normalizer="standard", bins=4)
        expected = (np.quantile(NUMBERS, np.linspace(0, 1, 5)) - NUMBERS.mean()) / NUMBERS.std()
        np.testing.assert_allclose(column.inputs[0].edges, expected, atol=0.02)
        assert column.inputs[0].representation == {"numeric": "value"}.get(kind.kind, kind.kind)


class TestVocabulary:
    def test_ids_are_those_of_tf_feature_column(self):
        column = learn(Vocabulary, text_statistics(["b"] * 3 + ["a"] * 2 + ["ü"]))
        values = ["a", "b", "ü", "never"]
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", ["b", "a", "ü"], num_oov_buckets=1
        )
        np.testing.assert_array_equal(encode(column, values)[:, 0], tf_ids(real, values))
        assert column.cardinality == 5
        assert encode(column, [""]).tolist() == [[4]]

    def test_rare_values_fold_and_the_size_is_capped(self):
        seen = text_statistics(["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"])
        assert learn(Vocabulary, seen, min_count=2).values == ("a", "b", "c")
        assert learn(Vocabulary, seen, max_size=1).values == ("a",)
        with pytest.raises(MillraceError, match="seen at least 9 times"):
            learn(Vocabulary, seen, min_count=9)

    @pytest.mark.parametrize("given", [{"min_count": 3}, {"values": ["b", "a"]}, {"max_size": 2}])
    @pytest.mark.parametrize("buckets", [1, 2, 7])
    def test_rare_values_have_the_buckets_of_tf_feature_column(self, given, buckets):
        rare = [f"r{i}" for i in range(20)] + ["ü"]
        seen = text_statistics(["b"] * 4 + ["a"] * 3 + rare)
        column = learn(Vocabulary, seen, num_oov_buckets=buckets, **given)
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", ["b", "a"], num_oov_buckets=buckets
        )
        values = ["a", "b", *rare]
        np.testing.assert_array_equal(encode(column, values)[:, 0], tf_ids(real, values))
        # An unseen value has the first bucket, a missing one the last id.
        assert encode(column, ["never", ""]).tolist() == [[2], [2 + buckets]]
        assert column.cardinality == 3 + buckets
        assert column.portable

    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1),
        st.integers(2, 50),
    )
    def test_unseen_values_may_be_hashed_as_tf_feature_column_hashes_them(self, values, buckets):
        column = learn(
            Vocabulary,
            text_statistics(["b", "a"]),
            values=["a", "c"],
            num_oov_buckets=buckets,
            unseen="hash",
        )
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", ["a", "c"], num_oov_buckets=buckets
        )
        values = ["a", "b", "c", *values]
        np.testing.assert_array_equal(encode(column, values)[:, 0], tf_ids(real, values))
        assert not column.portable

    def test_rare_integers_have_the_buckets_of_tf_feature_column(self):
        values = [7, -5, 0, 123456, 16777215]
        column = learn(
            Vocabulary, number_statistics(values, "int64"), values=[7], num_oov_buckets=9
        )
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", [7], dtype=tf.int64, num_oov_buckets=9
        )
        expected = tf_ids(real, np.array(values, np.int64))
        np.testing.assert_array_equal(encode(column, values)[:, 0], expected)

    def test_a_stated_default_id_is_that_of_tf_feature_column(self):
        column = learn(Vocabulary, text_statistics(["b", "a"]), values=["b", "a"], default_value=1)
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", ["b", "a"], default_value=1
        )
        values = ["a", "b", "ü", "never"]
        np.testing.assert_array_equal(encode(column, values)[:, 0], tf_ids(real, values))
        assert encode(column, [""]).tolist() == [[2]]
        assert column.cardinality == 3

    @pytest.mark.parametrize(
        "config, fault",
        [
            ({"default_value": 2}, r"default_value: .*0 to 1, found 2"),
            ({"unseen": "hash"}, r"unseen: expected bucket without several num_oov_buckets"),
            ({"unseen": "hash", "num_oov_buckets": 1}, r"unseen: expected bucket without several"),
        ],
    )
    def test_settings_that_contradict_each_other_are_refused(self, config, fault):
        with pytest.raises(MillraceError, match=rf"features\.x\.{fault}"):
            learn(Vocabulary, text_statistics(["a", "b"]), **config)

    def test_fractions_cannot_be_hashed(self):
        seen = number_statistics([0.5, 0.5, 1.5])
        with pytest.raises(MillraceError, match=r"whole numbers to hash, found 1\.5"):
            learn(Vocabulary, seen, min_count=2, num_oov_buckets=3)
        assert learn(Vocabulary, seen, min_count=2).values == (0.5,)

    def test_values_may_be_given_in_the_config_or_a_file(self, tmp_path):
        seen = text_statistics(["a", "b"])
        assert learn(Vocabulary, seen, values=["b", "z"]).values == ("b", "z")
        file = tmp_path / "vocabulary.txt"
        file.write_text("z\nÜ\n")
        assert learn(Vocabulary, seen, file=str(file)).values == ("z", "Ü")

    @pytest.mark.parametrize(
        "text, fault",
        [
            (b"a\na\n", "found ['a', 'a'], which are the same"),
            (b"", "found none"),
            (None, "found none"),
            (b"\xff\xfe", "in UTF-8, found none"),
        ],
    )
    def test_a_bad_file_is_refused(self, tmp_path, text, fault):
        file = tmp_path / "vocabulary.txt"
        if text is not None:
            file.write_bytes(text)
        with pytest.raises(MillraceError) as error:
            learn(Vocabulary, text_statistics(["a"]), file=str(file))
        assert fault in str(error.value)
        assert str(file) in str(error.value)

    @pytest.mark.parametrize(
        "values, fault",
        [
            ([0.1, 0.100000000001], r"found \['0\.1', '0\.100000000001'\], .* same in float32"),
            ([1, "1.0"], r"found \['1', '1\.0'\]"),
            ([1, "one"], "numbers like the column's, found 'one'"),
            ([2**24 + 1], "that float32 can hold, found 16777217"),
            (["1e39"], "that float32 can hold, found 1e"),
            (["nan"], "that float32 can hold, found nan"),
        ],
    )
    def test_bad_numbers_are_refused(self, values, fault):
        with pytest.raises(MillraceError, match=rf"features\.x\.values: .*{fault}"):
            learn(Vocabulary, number_statistics([1.0, 2.0]), values=values)

    def test_an_empty_text_is_refused(self):
        with pytest.raises(MillraceError, match=r"features\.x\.values: .* found an empty one"):
            learn(Vocabulary, text_statistics(["a"]), values=["a", ""])

    def test_a_vocabulary_that_is_given_is_taken_whole(self):
        assert learn(Vocabulary, text_statistics(["a"]), values=["b", "a"], max_size=1).values == (
            "b",
            "a",
        )

    @pytest.mark.parametrize("kind, config", [(Vocabulary, {}), (Hashed, {"buckets": 9})])
    @pytest.mark.parametrize("type_", ["int64", "float32", "float64"])
    def test_ids_that_float32_cannot_tell_apart_are_refused(self, kind, config, type_):
        for largest in (2**24, 2**24 + 2):
            with pytest.raises(MillraceError, match=rf"features\.x: .*2\^24.*found {largest}"):
                learn(kind, number_statistics([1, largest], type_), **config)
        learn(kind, number_statistics([1, 2**24 - 1], type_), **config)

    def test_numbers_match_pandas(self):
        values = np.array([3.0, 1.0, 3.0, 7.0, 3.0, 1.0, np.nan, 8.0, -1.0], np.float32)
        column = learn(Vocabulary, number_statistics(values[:6], "int64"))
        known = pd.Series(values).where(np.isin(values, [3, 1, 7]))
        codes = pd.Categorical(known, categories=[3.0, 1.0, 7.0]).codes
        expected = np.where(np.isnan(values), 4, np.where(codes < 0, 3, codes))
        np.testing.assert_array_equal(encode(column, values)[:, 0], expected)

    def test_a_quantity_is_refused(self):
        with pytest.raises(MillraceError, match="at most 1024 different values in column 'x'"):
            learn(Vocabulary, number_statistics(NUMBERS))


class TestHashed:
    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=40), st.integers(1, 1000)
    )
    def test_training_values_fall_into_the_buckets_of_tf_feature_column(self, seen, buckets):
        column = learn(Hashed, text_statistics(seen), buckets=buckets)
        real = tf.feature_column.categorical_column_with_hash_bucket("x", buckets)
        np.testing.assert_array_equal(encode(column, seen)[:, 0], tf_ids(real, seen))

    def test_integers_hash_as_tf_feature_column_hashes_them(self):
        values = [-5, 0, 7, 123456]
        column = learn(Hashed, number_statistics(values, "int64"), buckets=50)
        real = tf.feature_column.categorical_column_with_hash_bucket("x", 50, tf.int64)
        expected = tf_ids(real, np.array(values, np.int64))
        np.testing.assert_array_equal(encode(column, values)[:, 0], expected)

    def test_a_fraction_is_refused(self):
        with pytest.raises(MillraceError, match=r"whole numbers to hash, found 0\.5.*'x'"):
            learn(Hashed, number_statistics([1.0, 0.5]), buckets=9)
        assert learn(Hashed, number_statistics([1.0, 2.0]), buckets=9).values == (1.0, 2.0)

    def test_unseen_values_are_out_of_vocabulary_or_hashed(self):
        seen = text_statistics(["a", "b"])
        assert encode(learn(Hashed, seen, buckets=9), ["c", ""]).tolist() == [[9], [10]]
        hashing = learn(Hashed, seen, buckets=9, unseen="hash")
        real = tf.feature_column.categorical_column_with_hash_bucket("x", 9)
        values = ["a", "c", "d", "ü"]
        np.testing.assert_array_equal(encode(hashing, values)[:, 0], tf_ids(real, values))
        assert encode(hashing, [""]).tolist() == [[10]]
        assert not hashing.portable


class TestIdentity:
    def test_ids_are_those_of_tf_feature_column(self):
        column = learn(Identity, number_statistics([0, 1, 4], "int64"), buckets=6)
        real = tf.feature_column.categorical_column_with_identity("x", 6)
        expected = tf_ids(real, np.arange(6))
        np.testing.assert_array_equal(encode(column, np.arange(6))[:, 0], expected)

    def test_what_is_no_id_is_out_of_range(self):
        column = learn(Identity, number_statistics([0, 1], "int64"), buckets=6)
        odd = [-1.0, 6.0, 2.5, 3e38, -3e38, np.inf]
        assert encode(column, odd)[:, 0].tolist() == [6] * 6
        assert encode(column, [np.nan]).tolist() == [[7]]

    @pytest.mark.parametrize("values, hint", [([-1, 2], "vocabulary"), ([0, 6], "buckets to 7")])
    def test_training_values_out_of_range_are_refused(self, values, hint):
        with pytest.raises(MillraceError, match=f"(?s)whole numbers from 0 to 5, found.*{hint}"):
            learn(Identity, number_statistics(values, "int64"), buckets=6)

    def test_a_stated_default_id_is_that_of_tf_feature_column(self):
        # Not -1, which means missing there.
        values = np.array([0, 5, 6, -2, 100])
        column = learn(Identity, number_statistics(values, "int64"), buckets=6, default_value=3)
        real = tf.feature_column.categorical_column_with_identity("x", 6, default_value=3)
        np.testing.assert_array_equal(encode(column, values)[:, 0], tf_ids(real, values))
        assert encode(column, [2.5, np.nan]).tolist() == [[3], [6]]
        assert column.cardinality == 7
        with pytest.raises(MillraceError, match=r"default_value: .*0 to 5, found 6"):
            learn(Identity, number_statistics([0, 1], "int64"), buckets=6, default_value=6)

    def test_whole_numbers_may_be_typed_as_floats(self):
        column = learn(Identity, number_statistics([0.0, 4.0, np.nan]), buckets=6)
        assert encode(column, [4.0, np.nan]).tolist() == [[4], [7]]
        with pytest.raises(MillraceError, match=r"(?s)found 0\.5 in column 'x'.*kind: bucketized"):
            learn(Identity, number_statistics([0.0, 0.5]), buckets=6)
        with pytest.raises(MillraceError, match=r"(?s)found 2000 different.*data\.types"):
            learn(Identity, number_statistics(np.arange(2000.0)), buckets=2000)
        with pytest.raises(MillraceError, match=r"2\^24"):
            learn(Identity, number_statistics([0.0, 2.0**25]), buckets=2**24)


class TestBucketized:
    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True),
        st.lists(st.floats(-2000, 2000, width=32), min_size=1, max_size=30),
    )
    def test_buckets_are_those_of_tf_feature_column(self, boundaries, values):
        boundaries = sorted(float(b) for b in boundaries)
        # Off-by-one errors show at the boundaries.
        values = np.array([*values, *boundaries], np.float32)
        column = learn(Bucketized, number_statistics(NUMBERS), boundaries=boundaries)
        numbers = tf.feature_column.numeric_column("x")
        real = tf.feature_column.bucketized_column(numbers, boundaries)
        encoded = encode(column, values)[:, 0]
        np.testing.assert_array_equal(encoded, tf_ids(real, values[:, None]))
        np.testing.assert_array_equal(encoded, np.digitize(values, boundaries))

    def test_quantiles_hold_equal_shares_and_missing_has_its_own(self):
        column = learn(Bucketized, number_statistics(NUMBERS), quantiles=4)
        shares = np.bincount(encode(column, NUMBERS)[:, 0]) / len(NUMBERS)
        np.testing.assert_allclose(shares, 0.25, atol=0.01)
        assert encode(column, [np.nan]).tolist() == [[4]]

    @pytest.mark.parametrize(
        "boundaries",
        [[2.0, 1.0], [1.0, 1.0], [1.0, 1.00000000001]],
    )
    def test_boundaries_out_of_order_are_refused(self, boundaries):
        with pytest.raises(MillraceError, match=r"features\.x\.boundaries: expected finite"):
            learn(Bucketized, number_statistics(NUMBERS), boundaries=boundaries)


class TestCrossed:
    @pytest.mark.parametrize("buckets", [None, 7])
    def test_combinations_are_numbered_in_mixed_radix(self, buckets):
        keys = {"a": Bucketized("a", "a", (0.0,)), "b": Vocabulary("b", "b", ("x", "y"))}
        column = learn_column(
            Crossed, "c", {"keys": ["a", "b"], "buckets": buckets}, Context({}, "label", keys)
        )
        first, second = np.divmod(np.arange(12), 4)
        ids = {
            "a": tf.constant(first[:, None], tf.int32),
            "b": tf.constant(second[:, None], tf.int32),
        }
        crossed = column.encode({}, ids).numpy()[:, 0]
        np.testing.assert_array_equal(crossed, np.arange(12) % (buckets or 12))
        assert column.cardinality == (buckets or 12)

    def test_too_many_combinations_and_wrong_keys_are_refused(self):
        large = Vocabulary("a", "a", tuple(str(i) for i in range(70_000)))
        number = learn(Numeric, number_statistics(NUMBERS))
        context = Context({}, "label", {"a": large, "b": large, "n": number})
        with pytest.raises(MillraceError, match=r"features\.c\.keys: .*70002 x 70002"):
            learn_column(Crossed, "c", {"keys": ["a", "b"]}, context)
        with pytest.raises(MillraceError, match="found 'n', a numeric feature"):
            learn_column(Crossed, "c", {"keys": ["a", "n"]}, context)
        with pytest.raises(MillraceError, match="found 'q', which is not a feature"):
            learn_column(Crossed, "c", {"keys": ["a", "q"]}, context)

    @pytest.mark.parametrize("kind", [Crossed, CrossedTf1])
    def test_a_sequence_is_refused(self, kind):
        keys = {
            "a": Vocabulary("a", "a", ("x",)),
            "s": Sequence("s", "s", ("x",), delimiter="|", max_length=3),
        }
        settings = {"keys": ["a", "s"], "compat": "tf1", "buckets": 9}
        with pytest.raises(MillraceError, match=r"c\.keys: .*'s', a sequence feature with 3"):
            learn_column(kind, "c", settings, Context({}, "label", keys))


class TestCellsAsTheyStand:
    """A text column's cells with spaces and markers, compared with Python's strip."""

    MARKERS = ("", "NA", "?")
    CELLS = ["a", "b", "b", "7", "NA", "?", "", "never seen"]

    @pytest.mark.parametrize(
        ("kind", "settings"),
        [
            (Vocabulary, {}),
            (Vocabulary, {"values": ["b", "NA", " a", "a"]}),
            (Vocabulary, {"min_count": 2, "num_oov_buckets": 3}),
            (Vocabulary, {"default_value": 0}),
            (Hashed, {"buckets": 5}),
        ],
    )
    def test_markers_and_spaces_mean_what_they_mean_in_the_file(self, kind, settings):
        clean = [cell for cell in self.CELLS if cell not in self.MARKERS]
        statistics = {"x": text_statistics(clean)}
        context = Context(statistics, "label", missing={"x": self.MARKERS})
        column = learn_column(kind, "x", settings, context)
        assert column.takes_cells
        cells = [f"{a}{cell}{b}" for cell in self.CELLS for a in ("", " ") for b in ("", " ")]
        meant = [cell.strip() for cell in cells]
        meant = ["" if text in self.MARKERS else text for text in meant]
        plain = learn_column(kind, "x", settings, Context(statistics, "label"))
        np.testing.assert_array_equal(encode(column, cells), encode(plain, meant))
        assert (encode(column, ["NA", " ", " ? "]) == column.cardinality - 1).all()

    def test_a_hashed_text_does_not_enter_as_it_stands(self):
        context = Context({"x": text_statistics(["a"])}, "label", missing={"x": ("NA",)})
        column = learn_column(Hashed, "x", {"buckets": 9, "unseen": "hash"}, context)
        assert not column.takes_cells
        assert encode(column, ["NA", ""]).ravel().tolist() == [10, 10]

    def test_a_cross_reads_cells_as_its_keys_do(self):
        context = Context(
            {"x": text_statistics(["a", "b"]), "n": number_statistics([1.0, 2.0])},
            "label",
            missing={"x": ("NA",)},
        )
        context.learned["n"] = Bucketized("n", "n", (1.5,))
        settings = {"keys": ["x", "n"], "compat": "tf1", "buckets": 50}
        column = learn_column(CrossedTf1, "c", settings, context)
        ids = {"n": tf.constant([[0]] * 4)}
        found = column.encode({"x": tf.constant([" a", "a", " NA ", ""])}, ids).numpy().ravel()
        assert found[0] == found[1]
        assert found[2] == found[3] == 51


class TestSequence:
    CELLS = ["a|b|a", " b | c", "", "d|a||a|b|c|a", "z"]

    def column(self, **config):
        return learn(Sequence, text_statistics(self.CELLS), delimiter="|", max_length=4, **config)

    def raw(self):
        columns = name_columns({"x": "string"}, {"x": (4, "|")})
        return raw_columns(pd.DataFrame({"x": self.CELLS}), columns)["x"]

    def test_ids_are_those_of_tf_feature_column(self):
        column = self.column(values=["a", "b", "c"])
        real = tf.feature_column.sequence_categorical_column_with_vocabulary_list(
            "x", ["a", "b", "c"], num_oov_buckets=1
        )
        x = tf.constant(self.raw(), tf.string)
        cache = feature_column_v2.FeatureTransformationCache({"x": x})
        state = feature_column_v2._StateManagerImpl(tf.keras.layers.Layer(), trainable=False)
        ids = real.get_sparse_tensors(cache, state).id_tensor
        # Padding is left out there and missing here.
        expected = tf.sparse.to_dense(ids, default_value=column.cardinality - 1)[:, :, 0]
        np.testing.assert_array_equal(column.encode({"x": x}, {})[:, : expected.shape[1]], expected)

    def test_the_vocabulary_counts_values_not_cells(self):
        assert self.column().values == ("a", "b", "c", "d", "z")
        assert self.column(min_count=2).values == ("a", "b", "c")

    def test_rare_values_have_the_buckets_of_tf_feature_column(self):
        column = self.column(min_count=2, num_oov_buckets=5)
        assert (column.values, column.rare) == (("a", "b", "c"), ("d", "z"))
        real = tf.feature_column.categorical_column_with_vocabulary_list(
            "x", ["a", "b", "c"], num_oov_buckets=5
        )
        ids = column.encode({"x": tf.constant([["d", "z", "a", ""]])}, {}).numpy()
        assert ids[0, :3].tolist() == tf_ids(real, ["d", "z", "a"]).tolist()
        assert ids[0, 3] == column.cardinality - 1 == 8

    def test_cells_are_split_alike_in_python_and_in_examples(self):
        column = name_columns({"x": "string"}, {"x": (4, "|")})
        serialized = []
        for cell in self.CELLS:
            example = tf.train.Example()
            if cell:
                example.features.feature["x"].bytes_list.value.append(cell.encode())
            serialized.append(example.SerializeToString())
        parsed = parse_examples(tf.constant(serialized), column)["x"]
        assert np.array(parsed).astype(str).tolist() == self.raw().astype(str).tolist()


class TestWeighted:
    def test_ids_and_weights_pass_through(self):
        statistics = {"c": text_statistics(["a", "b"]), "w": number_statistics([1.0, 2.0])}
        context = Context(statistics, "label")
        context.learned["c"] = learn_column(Vocabulary, "c", {}, context)
        column = learn_column(Weighted, "wc", {"of": "c", "weight": "w"}, context)
        context.learned["wc"] = column
        raw = {"w": tf.constant([2.5, np.nan])}
        assert column.encode_numbers(raw).numpy().tolist() == [[2.5], [1.0]]
        ids = {"c": tf.constant([[1], [0]])}
        assert column.encode(raw, ids) is ids["c"]
        # The feature is an input once, with its weight.
        (entry,) = categorical_inputs({}, context)
        assert (entry.feature, entry.weight) == ("wc", "wc")


class TestCategoricalInputs:
    def test_an_embedding_of_several_features_shares_a_table(self):
        a, b = (Vocabulary(name, name, ("x", "y")) for name in "ab")
        features = {"e": feature_of({"kind": "embedding", "of": ["a", "b"], "dimension": 3})}
        inputs = categorical_inputs(features, Context({}, "label", {"a": a, "b": b}))
        assert [(entry.feature, entry.table) for entry in inputs] == [("a", "e"), ("b", "e")]
        other = Vocabulary("b", "b", ("x", "y", "z"))
        with pytest.raises(MillraceError, match="found 'a' with 4 and 'b' with 5"):
            categorical_inputs(features, Context({}, "label", {"a": a, "b": other}))

    @pytest.mark.parametrize("kind", ["embedding", "indicator"])
    def test_numbers_have_neither_embeddings_nor_indicators(self, kind):
        number = learn(Numeric, number_statistics(NUMBERS))
        features = {"e": feature_of({"kind": kind, "of": "n"})}
        with pytest.raises(MillraceError, match=r"features\.e\.of: .*found 'n', a numeric feature"):
            categorical_inputs(features, Context({}, "label", {"n": number}))

    def test_what_no_column_wraps_enters_by_its_size(self):
        small = Vocabulary("s", "s", ("x",))
        large = Vocabulary("l", "l", tuple(str(i) for i in range(100)))
        inputs = categorical_inputs({}, Context({}, "label", {"s": small, "l": large}))
        assert [(i.feature, i.representation, i.dimension) for i in inputs] == [
            ("s", "indicator", 3),
            ("l", "embedding", 16),
        ]


@pytest.mark.parametrize(
    "column",
    [
        Numeric("n", "n", "robust", 1.5, 0.25, 2.0, True, edges=(0.0, 1.0)),
        PiecewiseLinear("n", "n", "none", 1.5, 0.0, 1.0, False, dimension=4),
        Periodic("n", "n", "none", 1.5, 0.0, 1.0, False, frequencies=3),
        Vocabulary("v", "v", ("a", "ü")),
        Vocabulary("w", "w", (1.0, 2.0)),
        Vocabulary("v", "v", ("a",), rare=("b",), num_oov_buckets=2, unseen="hash"),
        Vocabulary("v", "v", ("a",), default_value=0),
        Hashed("h", "h", ("a",), 3, unseen="hash"),
        Identity("i", "i", 3),
        Identity("i", "i", 3, default_value=1),
        Bucketized("b", "n", (0.0, 1.0)),
        Sequence("s", "s", ("a",), "|", 4),
        Crossed("c", ("v", "b"), (4, 4), None),
        Weighted("w", "v", 4, 1, "n"),
    ],
)
def test_columns_come_back_from_json(column):
    assert from_json(column.to_json()) == column
