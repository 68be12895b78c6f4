"""`evaluation`, `selection`, `export`, `parity`, `report` and `score`."""

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
    Text,
)


class EvaluationConfig(Section):
    """`evaluation`."""

    threshold: Annotated[Number, Field(ge=0, le=1)] | Literal["max_f1"] = Field(
        default=0.5,
        description="The probability from which on a row counts as positive. `max_f1`: the one "
        "with the highest F1 on the validation examples.",
    )
    bootstrap: int = Field(
        default=200,
        ge=10,
        le=INT32_MAX,
        description="How many bootstrap samples the metrics' 95 % intervals come from.",
    )
    slices: Items[str] = Field(
        default=(), description="Columns by whose values the metrics are reported too."
    )


class SelectionConfig(Section):
    """`selection`."""

    metric: Literal[
        "auto", "auc", "pr_auc", "log_loss", "accuracy", "brier", "macro_f1", "rmse", "mae", "r2"
    ] = Field(
        default="auto",
        description="What the champion is best at, on the validation examples or the folds. "
        "`auto`: auc, log_loss or rmse, by the task.",
    )
    gate: Number | None = Field(
        default=None,
        description="The job fails when the champion's metric on the test is worse than this. In "
        "every case it must beat a model that always predicts the same.",
    )
    slice_gates: Mapping[str, Number] = Field(
        default={},
        description="By column of `evaluation.slices`: the job fails when the champion's metric is "
        "worse than this on the test rows with one of the column's values. Slices with too few "
        "rows for an interval are left out.",
    )
    folds: Annotated[int, Field(ge=2, le=MOST_RUNS)] | None = Field(
        default=None,
        description="Compare the models by cross-validation: the training examples are divided "
        "into so many folds, and each model is trained, in jobs of their own, without one and "
        "evaluated on it. Default: they are compared on the validation examples.",
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
        description="Whether to convert the model to TF Lite. `where_possible` leaves it out when "
        "the champion has an op that TF Lite lacks; `true` ends the job then. Without it, "
        "features may use what TF Lite lacks.",
    )
    tfjs: bool | Literal["where_possible"] = Field(
        default=True,
        description="Whether to convert the model to TF.js, and to make the page that predicts; "
        "as for `tflite`.",
    )
    reduced: Distinct[Literal["float16", "dynamic_range", "int8"]] = Field(
        default=("float16", "dynamic_range", "int8"),
        description="The smaller TF Lite models to try; one is shipped only if it is accurate "
        "enough.",
    )
    max_difference: Number = Field(
        default=0.02,
        gt=0,
        description="How far a reduced model's predictions may lie from the full one's; for a "
        "regression, in standard deviations of the label.",
    )
    max_metric_cost: Number = Field(
        default=0.001,
        ge=0,
        description="How much of the selection metric a reduced model may cost; for a regression, "
        "a share of it.",
    )


class ParityConfig(Section):
    """`parity`."""

    rows: Count = Field(
        default=1000,
        description="How many test rows go through every runtime, beside the made ones.",
    )
    tolerance: Number = Field(
        default=5e-05,
        gt=0,
        description="How far a float32 runtime's predictions may lie from Keras'; for a "
        "regression, in standard deviations of the label.",
    )


class ReportConfig(Section):
    """`report`."""

    min_count: Count = Field(
        default=10,
        description="Report, model card and page show no value that fewer training rows have, and "
        "no value of a column that no feature reads.",
    )
    samples: bool = Field(
        default=False,
        description="Whether the page that predicts holds whole test rows with their labels. By "
        "default its example rows are synthetic.",
    )


class ScoreConfig(Section):
    """`score`."""

    files: Items[Text] = Field(
        default=(),
        description="Files of new rows that `snakemake scores` scores, each in a job of its own, "
        "into results/<name>/scored: paths, folders or globs.",
    )
    model: Literal["float32", "float16", "dynamic_range", "int8", "saved_model"] = Field(
        default="float32",
        description="The exported model that scores new rows: the TF Lite model of this precision, "
        "which needs no TensorFlow, or the SavedModel.",
    )
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet",
        description="What `snakemake scores` writes: Parquet, CSV or JSON lines.",
    )
