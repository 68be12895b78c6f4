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
        shipped: whether it is accurate enough and was written beside this file.
        reason: why it was shipped or not.
        max_difference: the largest difference from the full model.
        mean_difference: the mean difference.
        metric_cost: the loss of the selection metric.
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
    """The result of converting the SavedModel.

    Attributes:
        left_out: why there is no model; null if there is one.
        rows: the number of test rows on which the TF Lite models were compared.
        metric: the selection metric.
        artifacts: the TF Lite models.
    """

    left_out: str | None
    rows: int | None = None
    metric: str | None = None
    artifacts: list[Converted] | None = None
