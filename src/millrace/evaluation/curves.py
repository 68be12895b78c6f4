"""The curves of all models in one table, which `dvc plots` draws."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from millrace.artifacts.curves import CurvePoint
from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.training import History
from millrace.results import RunFolder, TrainingFolder


def points(models: Path, names: list[str]) -> Iterator[CurvePoint]:
    """Yields the points of every curve of every model.

    These are losses by epoch; for binary tasks also the curves of the diagnostics, and for
    regressions the histogram of the residuals.

    Args:
        models: the directory with a folder for each model.
        names: the models.
    """
    for name in names:
        for chart, curve in _curves(RunFolder(models / name)):
            yield from (CurvePoint(chart, name, x, y) for x, y in curve)


def _curves(run: RunFolder) -> Iterator[tuple[str, Iterator[tuple[float, float]]]]:
    epochs = History.load(TrainingFolder(run.training).history).epochs
    for chart, loss in (
        ("Training loss by epoch", "loss"),
        ("Validation loss by epoch", "val_loss"),
    ):
        yield chart, ((number, epoch[loss]) for number, epoch in enumerate(epochs, start=1))
    diagnostics = Diagnostics.load(run.diagnostics)
    if roc := diagnostics.roc:
        yield "True by false positive rate", zip(roc.fpr, roc.tpr, strict=True)
    if pr := diagnostics.pr:
        yield "Precision by recall", zip(pr.recall, pr.precision, strict=True)
    if calibration := diagnostics.calibration:
        shares = zip(calibration.predicted, calibration.observed, strict=True)
        yield "Observed share by predicted", shares
    if histogram := diagnostics.residuals:
        centres = ((low + high) / 2 for low, high in pairwise(histogram.edges))
        yield "Rows by residual", zip(centres, histogram.counts, strict=True)
