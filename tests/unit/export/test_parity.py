"""Comparisons of predictions, with numbers computed by hand."""

import numpy as np
import pandas as pd
import pytest

from millrace.export import parity
from millrace.features.raw_row import name_columns, raw_columns
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


def test_synthetic_rows_hold_every_odd_cell_once():
    columns = name_columns(
        {"n": "int64", "x": "float32", "s": "string", "t": "timestamp"},
        missing={"x": ("", "NA", "-9"), "s": ("", "NA")},
    )
    real = {
        "n": parity.as_cells(["3", "4"]),
        "x": parity.as_cells([0.5, 0.25]),
        "s": parity.as_cells(["a", "b"]),
        "t": parity.as_cells(["2013-01-31T08:30:00Z", None]),
    }
    made = parity.synthetic_rows(real, columns)
    rows = pd.DataFrame(made)
    # Each odd text occurs once, with the other cells of the first real row.
    alone = rows[(rows["n"] == "3") & (rows["x"] == 0.5) & rows["t"].notna()]
    assert {*alone["s"].dropna()} >= {*parity.ODD_STRINGS[1:], " NA"}
    nothing = rows.isna().all(axis=1)
    assert nothing.sum() == 1
    assert {*rows["x"]} >= {3.4028235e38, -9.0}
    assert {*rows["t"].dropna()} >= {"2000-02-29T23:59:59", "0001-01-01 12:00:00.5Z"}
    # An int64 must be exact where float32 is.
    assert all(float(int(x)) == float(x) for x in rows["n"].dropna())
    # All of them are valid.
    assert all(len(x) == len(rows) for x in raw_columns(rows, columns).values())


def test_a_reduced_artifact_is_judged_by_real_rows_alone():
    target = parity.Target("tflite", "int8", "int8.tflite", 0.02, True)
    reference = np.array([0.1, 0.2, 0.3])
    raw = {"x": np.array([1, np.nan, 3], np.float32)}
    predictions = np.array([0.1, 0.21, 0.6])
    result = parity.judge(target, predictions, reference, raw, 2, BINARY, 0.5)
    assert result.passed
    assert result.max_difference == pytest.approx(0.01)
    worst = result.worst_row
    assert (worst.index, worst.raw) == (1, {"x": None})
    assert (worst.reference, worst.prediction) == pytest.approx((0.2, 0.21))
    exact = parity.Target("tflite", "float32", "float32.tflite", 5e-5, False)
    assert not parity.judge(exact, predictions, reference, raw, 2, BINARY, 0.5).passed
