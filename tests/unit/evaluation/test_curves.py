import json
from pathlib import Path

import pytest

from millrace.evaluation import curves


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name / "training").mkdir(parents=True)
        history = "epoch,loss,val_loss\n" if name == "a" else "epoch,loss,val_loss\n0,0.5,0.25\n"
        (tmp_path / name / "training" / "history.csv").write_text(history)
        diagnostics = {"residuals": {"edges": [-1.0, 0.0, 2.0], "counts": [3, 4]}, "importance": []}
        (tmp_path / name / "diagnostics.json").write_text(json.dumps(diagnostics))
    return tmp_path


def test_a_regression_has_losses_and_residuals(models: Path) -> None:
    """Model a came trained: it has no history."""
    found = [tuple(row[column] for column in curves.COLUMNS) for row in curves.rows(models, ["b"])]
    assert found == [
        ("Training loss by epoch", "b", 1, "0.5"),
        ("Validation loss by epoch", "b", 1, "0.25"),
        ("Rows by residual", "b", -0.5, 3),
        ("Rows by residual", "b", 1.0, 4),
    ]
    assert [row["chart"] for row in curves.rows(models, ["a"])] == ["Rows by residual"] * 2


def test_only_the_models_named_are_read(models: Path) -> None:
    assert {row["model"] for row in curves.rows(models, ["a"])} == {"a"}
    assert {row["model"] for row in curves.rows(models, ["a", "b"])} == {"a", "b"}
