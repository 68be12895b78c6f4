from dataclasses import astuple
from pathlib import Path

import pytest

from millrace.artifacts.diagnostics import Diagnostics, Residuals
from millrace.evaluation import curves


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name / "training").mkdir(parents=True)
        history = "epoch,loss,val_loss\n" if name == "a" else "epoch,loss,val_loss\n0,0.5,0.25\n"
        (tmp_path / name / "training" / "history.csv").write_text(history)
        diagnostics = Diagnostics(residuals=Residuals([-1.0, 0.0, 2.0], [3, 4]), importance=[])
        diagnostics.save(tmp_path / name / "diagnostics.json")
    return tmp_path


def test_a_regression_has_losses_and_residuals(models: Path) -> None:
    """Model a was imported trained, so it has no history."""
    assert [astuple(point) for point in curves.points(models, ["b"])] == [
        ("Training loss by epoch", "b", 1, 0.5),
        ("Validation loss by epoch", "b", 1, 0.25),
        ("Rows by residual", "b", -0.5, 3),
        ("Rows by residual", "b", 1.0, 4),
    ]
    assert [point.chart for point in curves.points(models, ["a"])] == ["Rows by residual"] * 2


def test_only_the_models_named_are_read(models: Path) -> None:
    assert {point.model for point in curves.points(models, ["a"])} == {"a"}
    assert {point.model for point in curves.points(models, ["a", "b"])} == {"a", "b"}
