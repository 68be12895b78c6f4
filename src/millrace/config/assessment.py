"""`evaluation`, `selection`, `export`, `parity` and `report`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from millrace.config.values import (
    INT32_MAX,
    MOST_RUNS,
    Count,
    Distinct,
    Items,
    Number,
    Section,
)


class EvaluationConfig(Section):
    """`evaluation`."""

    threshold: Annotated[Number, Field(ge=0, le=1)] | Literal["max_f1"] = Field(
        default=0.5,
        description="The lowest probability that counts as positive. `max_f1`: the threshold with "
        "the highest F1 on the validation examples.",
    )
    bootstrap: int = Field(
        default=200,
        ge=10,
        le=INT32_MAX,
        description="The number of bootstrap samples for the 95 % intervals of the metrics.",
    )
    slices: Items[str] = Field(
        default=(), description="Columns by whose values the metrics are also reported."
    )


class SelectionConfig(Section):
    """`selection`."""

    metric: Literal[
        "auto", "auc", "pr_auc", "log_loss", "accuracy", "brier", "macro_f1", "rmse", "mae", "r2"
    ] = Field(
        default="auto",
        description="The metric by which the champion is chosen, on the validation examples or "
        "the folds. `auto`: auc, log_loss or rmse, by the task.",
    )
    gate: Number | None = Field(
        default=None,
        description="The job fails if the champion's metric on the test is worse than this. It "
        "must always beat a constant prediction.",
    )
    slice_gates: Mapping[str, Number] = Field(
        default={},
        description="By column of `evaluation.slices`: the job fails if the champion's metric is "
        "worse than this on the test rows with any value of the column. Slices with too few rows "
        "for an interval are left out.",
    )
    folds: Annotated[int, Field(ge=2, le=MOST_RUNS)] | None = Field(
        default=None,
        description="Number of folds for comparing the models by cross-validation: each model is "
        "trained once without each fold of the training examples, as a separate job, and "
        "evaluated on it. Default: compare on the validation examples.",
    )
    smallest_within: Number = Field(
        default=0,
        ge=0,
        description="The champion is the model with the fewest parameters among those whose "
        "metric is worse than the best by at most this.",
    )
    smallest_not_significantly_worse: bool = Field(
        default=False,
        description="The champion is the model with the fewest parameters among those that are "
        "not significantly worse than the best: the 95 % interval of the paired bootstrap "
        "differences includes 0.",
    )


class ExportConfig(Section):
    """`export`."""

    tflite: bool | Literal["where_possible"] = Field(
        default=True,
        description="Whether to convert the model to TF Lite. If the champion has an operation "
        "that TF Lite lacks, `true` fails the job and `where_possible` leaves TF Lite out. With "
        "`false`, features may use such operations.",
    )
    tfjs: bool | Literal["where_possible"] = Field(
        default=True,
        description="Whether to convert the model to TF.js and build the page that predicts; "
        "values as for `tflite`.",
    )
    onnx: bool | Literal["where_possible"] = Field(
        default="where_possible",
        description="Whether to convert the model to ONNX; values as for `tflite`.",
    )
    reduced: Distinct[Literal["float16", "dynamic_range", "int8"]] = Field(
        default=("float16", "dynamic_range", "int8"),
        description="The reduced-precision TF Lite models to try; each is shipped only if it is "
        "accurate enough.",
    )
    max_difference: Number = Field(
        default=0.02,
        gt=0,
        description="The largest allowed difference between predictions of a reduced model and "
        "the full one; for a regression, in standard deviations of the label.",
    )
    max_metric_cost: Number = Field(
        default=0.001,
        ge=0,
        description="The largest allowed loss of the selection metric by a reduced model; for a "
        "regression, relative.",
    )


class ParityConfig(Section):
    """`parity`."""

    rows: Count = Field(
        default=1000,
        description="The number of test rows sent through every runtime, in addition to the "
        "synthetic ones.",
    )
    tolerance: Number = Field(
        default=5e-05,
        gt=0,
        description="The largest allowed difference between the predictions of a float32 model "
        "and Keras; for a regression, in standard deviations of the label.",
    )


class ReportConfig(Section):
    """`report`."""

    min_count: Count = Field(
        default=10,
        description="The report, the model card and the page show only values that at least this "
        "many training rows have, of columns that a feature reads.",
    )
    samples: bool = Field(
        default=False,
        description="Whether the page that predicts contains whole test rows with their labels. "
        "By default its example rows are synthetic.",
    )
