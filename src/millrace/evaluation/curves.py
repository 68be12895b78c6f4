"""The curves of all models in one table, which `dvc plots` draws."""

import csv
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from millrace.files import read_json

COLUMNS = ["chart", "model", "x", "y"]

# Which diagnostics are curves, and what their axes are: chart, diagnostic, x, y.
DIAGNOSTICS = [
    ("True by false positive rate", "roc", "fpr", "tpr"),
    ("Precision by recall", "pr", "recall", "precision"),
    ("Observed share by predicted", "calibration", "predicted", "observed"),
]


def rows(models: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yields the points of every curve of every model, by COLUMNS.

    Losses by epoch for every task; by its diagnostics those of a binary one, and of a regression
    the histogram of the residuals.

    Args:
        models: the directory with a folder for each model.
        names: the models.
    """
    for name in names:
        for chart, points in _curves(models / name):
            yield from ({"chart": chart, "model": name, "x": x, "y": y} for x, y in points)


def _curves(model: Path) -> Iterator[tuple[str, Iterator[tuple[Any, Any]]]]:
    with (model / "training" / "history.csv").open(encoding="utf-8", newline="") as file:
        history = list(csv.DictReader(file))
    for chart, loss in (
        ("Training loss by epoch", "loss"),
        ("Validation loss by epoch", "val_loss"),
    ):
        yield chart, ((int(epoch["epoch"]) + 1, epoch[loss]) for epoch in history)
    diagnostics = read_json(model / "diagnostics.json")
    for chart, diagnostic, x, y in DIAGNOSTICS:
        if curve := diagnostics.get(diagnostic):
            yield chart, zip(curve[x], curve[y], strict=True)
    if histogram := diagnostics.get("residuals"):
        edges = histogram["edges"]
        centres = ((low + high) / 2 for low, high in pairwise(edges))
        yield "Rows by residual", zip(centres, histogram["counts"], strict=True)
