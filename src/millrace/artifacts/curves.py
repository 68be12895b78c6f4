"""curves.csv"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from millrace.artifacts import tables


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve of a model, for `dvc plots`.

    Attributes:
        chart: the name of the chart, the same for all models.
        model: the model.
        x: the epoch, the rate or the residual, by chart.
        y: the loss, the rate or the number of rows, by chart.
    """

    chart: str
    model: str
    x: float
    y: float


def save(path: Path, points: Iterable[CurvePoint]) -> None:
    """Writes the points of all curves atomically."""
    columns = [field.name for field in fields(CurvePoint)]
    tables.write(path, columns, (asdict(point) for point in points))
