"""`score`, `bless`, `push` and `monitor`: a model in use."""

from typing import Annotated, Literal

from pydantic import Field

from millrace.config.values import Count, Distinct, Items, Number, Section, Text


class ScoreConfig(Section):
    """`score`."""

    files: Items[Text] = Field(
        default=(),
        description="Files of new rows for `snakemake scores`, each scored by its own job into "
        "results/<name>/scored: paths, folders or globs.",
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


class BlessConfig(Section):
    """`bless`."""

    margin: Number = Field(
        default=0.01,
        ge=0,
        description="By how much the new model may be worse than the model in use, in the "
        "selection metric; relative for `rmse`, `mae` and `log_loss`. Overall, the whole 95 % "
        "interval of the paired difference must be within it.",
    )
    slice_margin: Number = Field(
        default=0.02,
        ge=0,
        description="The same for each slice by a column of `evaluation.slices` with enough rows "
        "for an interval. A slice fails if it is worse by more than this and the 95 % interval "
        "of the difference excludes 0.",
    )
    rows: Count = Field(
        default=20000,
        description="The number of test rows, drawn at random, that both models predict.",
    )
    changed_columns: Distinct[Text] = Field(
        default=(),
        description="Columns for which the clients have been changed: those they now send as well, "
        "no longer send, or send as another type.",
    )


class PushConfig(Section):
    """`push`."""

    keep: Annotated[Count, Field(ge=2)] = Field(
        default=3,
        description="The number of versions under serving/<name>, the one in use included.",
    )
    automatic: bool = Field(
        default=False,
        description="Whether `make dvc` writes stages for bless and push, so that `dvc repro` "
        "pushes a blessed model. With Snakemake both are always there as targets.",
    )


class MonitorConfig(Section):
    """`monitor`."""

    time: Text | None = Field(
        default=None,
        description="The column of dates or times by which rows are put into windows. Default: "
        "windows of `rows` rows, in their order.",
    )
    every: Literal["day", "week", "month"] = Field(
        default="week", description="The length of a window of `time`; weeks begin on Monday."
    )
    rows: Count = Field(
        default=5000, description="The number of rows in a window, where there is no `time`."
    )
    false_alarm_rate: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.01,
        description="How often a window of data without drift may give an alarm, at most. What "
        "differs by more than the thresholds of `data.anomalies` is an alarm only if chance "
        "alone gives it less often.",
    )
