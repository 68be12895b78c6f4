"""Comparisons of predictions, by hand-worked numbers."""

import numpy as np
import pytest
import tensorflow as tf

from millrace.export import parity
from millrace.features.raw_row import name_columns, parse_examples
from millrace.features.tasks import Task

BINARY = Task("binary", ("no", "yes"))
THREE = Task("multiclass", ("a", "b", "c"))
REGRESSION = Task("regression", mean=100.0, std=10.0)


def test_probabilities_are_compared_row_by_row():
    reference = np.array([0.2, 0.49, 0.7])
    compared = parity.compare(reference, np.array([0.2, 0.52, 0.7]), BINARY, 0.5, band=0.001)
    np.testing.assert_allclose(compared.differences, [0, 0.03, 0])
    assert compared.flips.tolist() == [False, True, False]
    assert compared.finite


def test_a_flip_within_the_band_does_not_count():
    compared = parity.compare(np.array([0.4999]), np.array([0.5001]), BINARY, 0.5, band=0.001)
    assert not compared.flips.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_differs_infinitely(value):
    compared = parity.compare(np.array([0.4, 0.4]), np.array([value, 0.4]), BINARY, 0.5, band=1)
    assert compared.differences.tolist() == [np.inf, 0]
    assert not compared.finite


def test_classes_differ_by_the_largest_probability_and_flip_by_the_first():
    reference = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
    predictions = np.array([[0.5, 0.25, 0.25], [0.35, 0.4, 0.25]])
    compared = parity.compare(reference, predictions, THREE, None, band=0.01)
    np.testing.assert_allclose(compared.differences, [0.05, 0.05])
    assert compared.flips.tolist() == [False, True]


def test_a_regression_counts_in_deviations_or_relative_to_a_large_prediction():
    compared = parity.compare(
        np.array([5.0, 1e6]), np.array([6.0, 1e6 + 100]), REGRESSION, None, band=0
    )
    np.testing.assert_allclose(compared.differences, [0.1, 1e-4])


def test_made_rows_hold_every_odd_cell_once():
    columns = name_columns({"n": "int64", "x": "float32", "s": "string"})
    real = {
        "n": np.array([3, 4], np.float32),
        "x": np.array([0.5, 0.25], np.float32),
        "s": np.array(["a", "b"], object),
    }
    made = parity.made_rows(real, columns)
    alone = [
        {name: values[i] for name, values in made.items()}
        for i in range(len(made["s"]))
        if made["n"][i] == 3 and made["x"][i] == 0.5
    ]
    # With the other cells as in the first real row, each odd text stands once.
    assert {row["s"] for row in alone} >= set(parity.ODD_STRINGS)
    assert np.isnan(made["n"]).sum() >= 2
    everything_missing = np.isnan(made["n"]) & np.isnan(made["x"]) & (made["s"] == "")
    assert everything_missing.sum() == 1
    assert np.float32(3.4028235e38) in made["x"]
    # An int64 must hold what float32 shows.
    assert all(float(int(n)) == n for n in made["n"] if not np.isnan(n))
    assert len({len(values) for values in made.values()}) == 1


@pytest.mark.parametrize("delimiter", ["|", " ", ""], ids=["delimited", "spaced", "text"])
def test_made_cells_are_read_from_an_example_as_they_are(delimiter):
    columns = name_columns({"s": "string"}, {"s": (4, delimiter)})
    real = {"s": np.array([["a", "b", "", ""]], object)}
    made = parity.made_rows(real, columns)["s"]
    assert ["never", "seen", "before", ""] in made.tolist() or delimiter == "|"
    serialized = []
    for cell in made:
        text = (delimiter or " ").join(part for part in cell if part)
        value = tf.train.BytesList(value=[text.encode()] if text else [])
        features = {"s": tf.train.Feature(bytes_list=value)} if text else {}
        example = tf.train.Example(features=tf.train.Features(feature=features))
        serialized.append(example.SerializeToString())
    parsed = parse_examples(tf.constant(serialized), columns)["s"].numpy()
    assert np.vectorize(bytes.decode, otypes=[object])(parsed).tolist() == made.tolist()


def test_a_reduced_artifact_is_judged_by_real_rows_alone():
    run = parity.Run("tflite", "int8", "int8.tflite", 0.02, True, lambda _: np.zeros(0))
    reference = np.array([0.1, 0.2, 0.3])
    raw = {"x": np.array([1, np.nan, 3], np.float32)}
    predictions = np.array([0.1, 0.21, 0.6])
    result = parity.judge(run, predictions, reference, raw, 2, BINARY, 0.5)
    assert result["passed"]
    assert result["max_difference"] == pytest.approx(0.01)
    assert result["worst_row"] == {
        "index": 1,
        "raw": {"x": None},
        "reference": pytest.approx(0.2),
        "prediction": pytest.approx(0.21),
    }
    exact = parity.Run("tflite", "float32", "float32.tflite", 5e-5, False, run.predict)
    assert not parity.judge(exact, predictions, reference, raw, 2, BINARY, 0.5)["passed"]
