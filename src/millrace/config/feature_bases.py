"""Settings that several kinds of feature columns share."""

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from millrace.config.values import Count, LocalPath, Number, Scalar, Section, Several, Some, Whole

Normalizer: TypeAlias = Literal["none", "standard", "min_max", "robust", "log", "quantile"]


class FeatureConfig(Section):
    """A feature column."""

    kind: str


class ColumnConfig(FeatureConfig):
    """A feature that reads a raw column."""

    column: str | None = Field(
        default=None, description="The raw column. Default: the feature's own name."
    )


class NumberConfig(ColumnConfig):
    """A feature that normalizes a number."""

    normalizer: Normalizer = Field(
        default="robust",
        description="standard: (x - mean) / standard deviation. min_max: (x - min) / (max - min). "
        "robust: z = (x - median) / interquartile range, then z / sqrt(1 + z²/9). log: sign(x) "
        "log(1 + |x|), then standard. quantile: the fraction of training examples below x.",
    )
    default: Number | None = Field(
        default=None,
        description="The number used for a missing value. Default: the median of the training "
        "examples.",
    )
    missing_indicator: bool | None = Field(
        default=None,
        description="Whether to add a number that indicates a missing value. Default: if values "
        "are missing in the training examples.",
    )
    bins: Several = Field(
        default=48, description="The number of bins of a piecewise-linear encoding."
    )


class LookupConfig(ColumnConfig):
    """A feature that looks up values in a vocabulary, learned or given."""

    AT_MOST_ONE: ClassVar = (("values", "file"), ("num_oov_buckets", "default_value"))

    min_count: Count = Field(
        default=1,
        description="Values with fewer training examples are out-of-vocabulary.",
    )
    max_size: Count = Field(default=100000, description="The most values to keep, by frequency.")
    values: Some[Scalar] | None = Field(
        default=None, description="The vocabulary, instead of a learned one."
    )
    file: LocalPath | None = Field(
        default=None,
        description="A file with the vocabulary, one value per line, instead of a learned one.",
    )
    num_oov_buckets: int | None = Field(
        default=None,
        ge=1,
        le=1073741824,
        description="The number of ids for out-of-vocabulary values, assigned by hash. Default: "
        "one.",
    )
    default_value: Whole | None = Field(
        default=None,
        description="The id of a value that is out-of-vocabulary or out of range. Default: a "
        "separate id.",
    )
    unseen: Literal["bucket", "hash"] = Field(
        default="bucket",
        description="With several num_oov_buckets: the bucket of a value not seen in training. "
        "`bucket`: the first, in every runtime. `hash`: by its hash, for models that are not "
        "converted to TF Lite.",
    )


class DateConfig(ColumnConfig):
    """A feature of dates or timestamps."""

    timezone: str = Field(
        default="UTC",
        description="The time zone to convert a timestamp to, such as America/New_York.",
    )
