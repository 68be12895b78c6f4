"""conversion.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class Converted(Record):
    """A TF Lite model, compared with the full one on test rows.

    Attributes:
        artifact: its file.
        precision: float32, float16, dynamic_range or int8.
        bytes: its size.
        shipped: whether it is good enough to lie beside this file.
        reason: why, or why not.
        max_difference: the largest difference from the full model.
        mean_difference: the mean difference.
        metric_cost: how much of the selection metric it costs.
        metric: its selection metric.
    """

    artifact: str
    precision: str
    bytes: int
    shipped: bool
    reason: str
    max_difference: float
    mean_difference: float
    metric_cost: float
    metric: float


@dataclass(frozen=True)
class Conversion(Artifact):
    """What came of a conversion of the SavedModel.

    Attributes:
        left_out: why there is no model; null where there is one.
        rows: on how many test rows the TF Lite models were compared.
        metric: by which metric.
        artifacts: the TF Lite models.
    """

    left_out: str | None
    rows: int | None = None
    metric: str | None = None
    artifacts: list[Converted] | None = None
