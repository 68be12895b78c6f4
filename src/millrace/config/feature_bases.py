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
        description="standard: (x - mean) / deviation. min_max: to 0..1. robust: z = (x - median) "
        "/ interquartile range, then z / sqrt(1 + z²/9). log: sign(x) log(1 + |x|), then "
        "standard. quantile: the share of the training examples below x.",
    )
    default: Number | None = Field(
        default=None,
        description="Stands for a missing value. Default: the training examples' median.",
    )
    missing_indicator: bool | None = Field(
        default=None,
        description="Whether a further number says that the value is missing. Default: when "
        "values are missing in the training examples.",
    )
    bins: Several = Field(
        default=48, description="How many bins a piecewise-linear encoding of the number has."
    )


class LookupConfig(ColumnConfig):
    """A feature that looks up values in a vocabulary, learned or given."""

    AT_MOST_ONE: ClassVar = (("values", "file"), ("num_oov_buckets", "default_value"))

    min_count: Count = Field(
        default=1,
        description="Values seen less often in the training examples count as out-of-vocabulary.",
    )
    max_size: Count = Field(
        default=100000, description="Keep only so many of the most frequent values."
    )
    values: Some[Scalar] | None = Field(
        default=None, description="The vocabulary, where it is not to be learned."
    )
    file: LocalPath | None = Field(
        default=None,
        description="A file with the vocabulary, a value a line, where it is not to be learned.",
    )
    num_oov_buckets: int | None = Field(
        default=None,
        ge=1,
        le=1073741824,
        description="Values out of the vocabulary have so many ids, by their hash. Default: they "
        "have one.",
    )
    default_value: Whole | None = Field(
        default=None,
        description="The id of a value out of the vocabulary, or out of range. Default: such "
        "values have an id of their own.",
    )
    unseen: Literal["bucket", "hash"] = Field(
        default="bucket",
        description="With several num_oov_buckets, which one a value has that the training "
        "examples lack. `bucket`: the first, in every runtime. `hash`: the one of its hash, for "
        "models that are not converted to TF Lite.",
    )


class DateConfig(ColumnConfig):
    """A feature of dates or timestamps."""

    timezone: str = Field(
        default="UTC", description="Whose clocks to read a timestamp by, such as America/New_York."
    )
