"""Permutation importance: its values, and that permuting encoded columns is equivalent."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from millrace import models
from millrace.evaluation import importance
from millrace.features.raw_row import raw_columns


def test_the_column_that_counts_comes_first() -> None:
    rng = np.random.default_rng(0)
    raw = {"noise": rng.normal(size=500), "signal": rng.normal(size=500)}

    def predict(column: str, order: np.ndarray) -> np.ndarray:
        return raw["signal"][order] if column == "signal" else raw["signal"]

    found = importance.importance(
        predict, list(raw), 500, lambda p: -((p - raw["signal"]) ** 2).mean(), seed=0
    )
    assert [entry.column for entry in found] == ["signal", "noise"]
    # The mean squared difference of independent values with variance 1 is 2.
    assert found[0].drop == pytest.approx(2, abs=0.3)
    assert found[0].low <= found[0].drop <= found[0].high
    assert (found[1].drop, found[1].low, found[1].high) == (0, 0, 0)


def test_it_needs_a_score_and_a_column() -> None:
    def predict(column: str, order: np.ndarray) -> np.ndarray:
        return np.zeros(3)

    assert importance.importance(predict, ["x"], 3, lambda p: np.nan, seed=0) == []
    assert importance.importance(predict, [], 3, lambda p: 1.0, seed=0) == []


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(100, 3, 100), (9000, 200, 5000), (9000, 1000, 1000), (9000, 5000, 500)],
)
def test_the_work_grows_with_the_columns_not_their_square(
    rows: int, columns: int, expected: int
) -> None:
    drawn = importance.draw(rows, columns, seed=0)
    assert len(drawn) == len(set(drawn.tolist())) == expected
    assert drawn.tolist() == sorted(drawn.tolist())


def test_permuting_encoded_rows_is_encoding_permuted_rows(made_job: Callable[[str], Any]) -> None:
    # size (mm) is read by a number, a bucketized feature and, through it, a cross.
    job = made_job("binary").until("train")
    training = job.results / "models" / "dnn" / "training"
    predictor = models.load(job.results / "preprocessing.json", training)
    raw = raw_columns(job.tables["test"], predictor.preprocessing.raw)
    permuted = predictor.permuter(raw)
    before = {name: values.copy() for name, values in raw.items()}
    for name in raw:
        order = np.random.default_rng(1).permutation(400)
        expected = predictor.predict({**raw, name: raw[name][order]})
        np.testing.assert_allclose(permuted(name, order), expected, atol=1e-6)
        assert np.abs(expected - predictor.predict(raw)).max() > 0.1
    for name, values in raw.items():
        np.testing.assert_array_equal(values, before[name])
