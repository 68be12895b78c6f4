"""How well one column predicts the label, compared with scikit-learn, pandas and SciPy."""

# Annotations as objects outlive DuckDB, which then reports a leak when Python exits.
from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from millrace.statistics import leakage


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def fill(
    database: duckdb.DuckDBPyConnection, train: pd.DataFrame, validation: pd.DataFrame
) -> None:
    database.register("a", train.set_axis(["c0", "c1"], axis=1))
    database.register("b", validation.set_axis(["c0", "c1"], axis=1))
    database.execute("CREATE TABLE train AS FROM a")
    database.execute("CREATE TABLE validation AS FROM b")


def table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    return pd.DataFrame({"x": np.round(rng.normal(size=rows) - y, 1), "y": y})


def test_a_number_scores_its_auc_whatever_its_direction(
    database: duckdb.DuckDBPyConnection,
) -> None:
    validation = table(300, 1)
    fill(database, table(300, 0), validation)
    found = leakage.strength(database, 0, "float32", 1, "binary", [0, 1])
    assert found == pytest.approx(1 - roc_auc_score(validation["y"], validation["x"]), abs=1e-4)


def test_a_string_scores_the_auc_of_its_rate_in_train(database: duckdb.DuckDBPyConnection) -> None:
    train, validation = (
        t.assign(x=t["x"].round().astype(str).where(t["x"] > -2))
        for t in (table(300, 2), table(90, 3))
    )
    validation.loc[0, "x"] = "unseen"
    fill(database, train, validation)
    rates = train.groupby(train["x"].fillna("?"))["y"].mean()
    scores = validation["x"].fillna("?").map(rates).fillna(train["y"].mean())
    found = leakage.strength(database, 0, "string", 1, "binary", [0, 1])
    assert found == pytest.approx(roc_auc_score(validation["y"], scores), abs=1e-4)


def test_an_id_predicts_nothing(database: duckdb.DuckDBPyConnection) -> None:
    train, validation = table(300, 4), table(300, 5)
    train["x"] = [f"row {i}" for i in range(300)]
    validation["x"] = [f"row {i}" for i in range(300, 600)]
    fill(database, train, validation)
    assert leakage.strength(database, 0, "string", 1, "binary", [0, 1]) == 0.5


def test_many_classes_score_accuracy(database: duckdb.DuckDBPyConnection) -> None:
    train = pd.DataFrame({"x": ["a", "a", "a", "b", "b"], "y": ["r", "r", "s", "s", "t"]})
    validation = pd.DataFrame({"x": ["a", "a", "b", "b", "z"], "y": ["r", "s", "s", "t", "r"]})
    fill(database, train, validation)
    # By hand: a -> r; b -> s, the earlier of two equally frequent; z, unseen, -> r.
    assert leakage.strength(database, 0, "string", 1, "multiclass", ["r", "s", "t"]) == 0.6


def test_a_regression_scores_squared_correlation(database: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(6)
    validation = pd.DataFrame({"x": rng.normal(size=50)}).assign(y=lambda t: t["x"] + 1)
    validation["y"] += rng.normal(size=50)
    fill(database, validation, validation)
    expected = np.corrcoef(validation["x"], validation["y"])[0, 1] ** 2
    found = leakage.strength(database, 0, "float64", 1, "regression", None)
    assert found == pytest.approx(expected, abs=1e-4)
    assert leakage.strength(database, 0, "string", 1, "regression", None) is None


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_without_values_has_no_strength(
    database: duckdb.DuckDBPyConnection, task: str
) -> None:
    empty = pd.DataFrame({"x": np.array([None, None], dtype=float), "y": [0, 1]})
    fill(database, empty, empty)
    assert leakage.strength(database, 0, "float64", 1, task, [0, 1]) is None
