"""Raw columns, compared with TensorFlow's protos and pandas."""

import keyword

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from millrace.features.raw_row import (
    name_columns,
    parse_examples,
    raw_columns,
    read_raw,
)

COLUMNS = name_columns({"n": "int64", "x": "float32", "yes": "bool", "s": "string", "d": "date"})


def example(**values):
    proto = tf.train.Example()
    for name, value in values.items():
        feature = proto.features.feature[name]
        if isinstance(value, int):
            feature.int64_list.value.append(value)
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.bytes_list.value.append(value.encode())
    return proto.SerializeToString()


def test_parsing_gives_the_values_and_marks_the_missing():
    rows = [example(n=-3, x=1.5, yes=1, s="ü", d="2013-01-02"), example()]
    parsed = {name: x.numpy() for name, x in parse_examples(tf.constant(rows), COLUMNS).items()}
    np.testing.assert_array_equal(parsed["n"], [-3, np.nan])
    np.testing.assert_array_equal(parsed["x"], [1.5, np.nan])
    np.testing.assert_array_equal(parsed["yes"], [1, np.nan])
    assert parsed["s"].tolist() == ["ü".encode(), b""]
    np.testing.assert_array_equal(parsed["d"], [15_707, np.nan])
    assert parsed["n"].dtype == np.float32


def test_reading_draws_rows_in_their_order(tmp_path):
    shards = [tmp_path / "a", tmp_path / "b"]
    for shard, start in zip(shards, (0, 50), strict=True):
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for i in range(start, start + 50):
                writer.write(example(n=i, s=str(i)))
    columns = name_columns({"n": "int64", "s": "string"})
    everything = read_raw(shards, columns)
    np.testing.assert_array_equal(everything["n"], np.arange(100))
    drawn = read_raw(shards, columns, rows=20, seed=3)
    assert len(set(drawn["n"])) == 20
    assert (np.diff(drawn["n"]) > 0).all()
    assert drawn["s"].tolist() == [str(int(n)) for n in drawn["n"]]
    np.testing.assert_array_equal(drawn["n"], read_raw(shards, columns, 20, 3)["n"])
    assert set(drawn["n"]) != set(read_raw(shards, columns, 20, 4)["n"])


def test_a_pandas_table_becomes_what_models_take():
    table = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "x": [0.5, np.nan],
            "yes": pd.array([True, None], dtype="boolean"),
            "s": ["a", None],
            "d": ["2013-01-02", None],
        }
    )
    columns = raw_columns(table, COLUMNS)
    np.testing.assert_array_equal(columns["n"], np.array([1, np.nan], np.float32))
    np.testing.assert_array_equal(columns["yes"], [1, np.nan])
    assert columns["x"].dtype == np.float32
    assert columns["s"].tolist() == ["a", ""]


@pytest.mark.parametrize(
    "names, keys",
    [
        (["age", "Culmen Length (mm)"], ["age", "Culmen_Length__mm_"]),
        (["1st", "größe", "_x"], ["column_1st", "gr__e", "column__x"]),
        (["a b", "a_b", "A b"], ["a_b", "a_b_2", "A_b_3"]),
        (["class", "None", "match"], ["column_class", "column_None", "match"]),
        (["self", "Self", "column_self"], ["column_self", "Self", "column_self_2"]),
    ],
)
def test_keys_are_identifiers_and_differ_in_more_than_case(names, keys):
    columns = name_columns(dict.fromkeys(names, "string"))
    assert [column.key for column in columns] == keys


def test_every_name_that_python_reserves_is_a_parameter_of_a_signature():
    names = [*keyword.kwlist, *keyword.softkwlist, "self", "name", "args", "kwargs", "__proto__"]
    columns = name_columns(dict.fromkeys([*names, "a b", "\U0001f6eb", "x" * 300], "float32"))
    spec = [{c.key: tf.TensorSpec([None], tf.float32, name=c.key) for c in columns}]
    module = tf.Module()
    module.f = tf.function(lambda x: {"y": tf.add_n([*x.values()])}, input_signature=spec)
    signature = module.f.get_concrete_function()
    assert len(signature.structured_input_signature[0][0]) == len(names) + 3


@pytest.mark.parametrize(
    "type_, numbers",
    [("int64", (-1.0, 999.0)), ("float32", (-1.0, 999.0)), ("bool", ()), ("string", ())],
)
def test_markers_that_are_numbers_are_those_of_columns_of_numbers(type_, numbers):
    texts = ("", "NA", "nan", "inf", "999", " -1 ", "-1.0")
    (column,) = name_columns({"n": type_}, missing={"n": texts})
    assert column.missing_numbers == numbers
