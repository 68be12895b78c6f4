"""Counts of values, compared with pandas and NumPy."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from millrace.artifacts.schema import SchemaColumn
from millrace.statistics import tallies
from millrace.statistics.tallies import Counts, Tally
from millrace.tfrecord.examples import ARROW_TYPES

RNG = np.random.default_rng(0)
ROWS = 5000


def count(type_: str, values: pa.Array, rows_per_batch: int = 700) -> Counts:
    """Counts a column in several batches."""
    tally = Tally([SchemaColumn("x", type_)])
    table = pa.table({"x": values})
    passed = list(tally.watch(table.to_batches(max_chunksize=rows_per_batch)))
    assert tally.rows == sum(batch.num_rows for batch in passed) == len(values)
    return tally.counts("x")


@pytest.fixture(params=[1000, tallies.ROWS_AT_ONCE], ids=["in parts", "at once"], autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "ROWS_AT_ONCE", request.param)


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("int64", RNG.integers(-(2**62), 2**62, 500)[RNG.integers(0, 500, ROWS)]),
        ("float32", RNG.normal(size=ROWS).astype(np.float32).round(1)),
        ("string", RNG.choice(["é", "é", "b", "", "7", "007"], ROWS)),
        ("string", [f"value {i % 1700}" for i in range(ROWS)]),
    ],
)
def test_counts_are_those_of_pandas(type_: str, values: np.ndarray) -> None:
    missing = RNG.random(ROWS) < 0.1
    found = count(type_, pa.array(values, mask=missing))
    seen = pd.Series(values)[~missing]
    expected = seen[seen != ""].value_counts().sort_index()
    assert found.values.tolist() == expected.index.tolist()
    assert found.counts.tolist() == expected.tolist()
    assert found.counts.dtype == np.int64


def test_values_are_as_examples_store_them() -> None:
    found = count("float32", pa.array([0.0, -0.0, float("nan"), None, float("inf")], pa.float32()))
    assert str(found.values.tolist()) == "[0.0, inf]"
    assert found.counts.tolist() == [2, 1]
    found = count("float64", pa.array([0.1, 0.1 + 1e-12]))
    assert (found.values.tolist(), found.counts.tolist()) == ([np.float32(0.1)], [2])
    found = count("bool", pa.array([True, False, True]))
    assert (found.values.tolist(), found.counts.tolist()) == ([0, 1], [1, 2])
    day = datetime.date(2013, 1, 31)
    found = count("date", pa.array([day, None, day]))
    assert (found.values.tolist(), found.counts.tolist()) == (["2013-01-31"], [2])


@pytest.mark.parametrize("type_", ["int64", "float32", "string", "date"])
def test_a_column_without_values_has_no_counts(type_: str) -> None:
    found = count(type_, pa.nulls(3, ARROW_TYPES[type_]))
    assert (len(found.values), len(found.counts)) == (0, 0)


@pytest.mark.parametrize("scale", [-1.0, 1.0, 1e-30, 1e30])
def test_too_many_floats_keep_their_distribution(
    monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    monkeypatch.setattr(tallies, "MOST_FLOATS", 1000)
    values = (RNG.gamma(2, 3, 20_000) * scale).astype(np.float32)
    found = count("float32", pa.array(values))
    # At most the values of the last part are added to the merged ones.
    assert len(found.values) < 4000
    assert found.counts.sum() == len(values)
    assert (found.values[0], found.values[-1]) == (values.min(), values.max())
    assert (np.diff(found.values) > 0).all()
    levels = np.linspace(0, 1, 101)
    repeated = np.repeat(found.values.astype(np.float64), found.counts)
    # A thousand values in at most twelve powers of two: at least six bits each.
    np.testing.assert_allclose(
        np.quantile(repeated, levels), np.quantile(values.astype(np.float64), levels), rtol=2**-6
    )


def test_too_many_integers_keep_their_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MOST_INTEGERS", 1000)
    values = RNG.permutation(20_000) - 10_000
    found = count("int64", pa.array(values))
    assert found.counts.sum() == len(values)
    assert (found.values[0], found.values[-1]) == (-10_000, 9_999)
    repeated = np.repeat(found.values, found.counts)
    np.testing.assert_allclose(repeated, np.sort(values), atol=32)
