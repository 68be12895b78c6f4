"""`features`: one class for each kind of feature column."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from millrace.config.feature_bases import (
    ColumnConfig,
    DateConfig,
    FeatureConfig,
    LookupConfig,
    NumberConfig,
)
from millrace.config.values import (
    Count,
    Distinct,
    LocalPath,
    Number,
    Several,
    Some,
    Text,
    Whole,
)

FEATURE_KINDS = (
    "numeric",
    "piecewise_linear",
    "periodic",
    "bucketized",
    "vocabulary",
    "hashed",
    "identity",
    "sequence",
    "text",
    "saved_model",
    "date_part",
    "cyclic",
    "elapsed",
    "crossed",
    "weighted",
    "embedding",
    "indicator",
)


class NumericConfig(NumberConfig):
    """A number."""

    kind: Literal["numeric"]
    center: Number | None = Field(
        default=None,
        description="The number to subtract. Default: learned, or 0 without a normalizer.",
    )
    scale: Number | None = Field(
        default=None,
        gt=0,
        description="The factor to multiply by after subtracting `center`. Default: learned, or 1 "
        "without a normalizer.",
    )


class PiecewiseLinearConfig(NumberConfig):
    """A number in a piecewise-linear encoding."""

    kind: Literal["piecewise_linear"]
    dimension: Count = Field(default=16, description="The width of the encoding.")


class PeriodicConfig(NumberConfig):
    """A number in a periodic encoding."""

    kind: Literal["periodic"]
    dimension: Count = Field(default=16, description="The width of the encoding.")
    frequencies: Count = 32
    sigma: Number = Field(
        default=0.1, gt=0, description="The standard deviation of the initial frequencies."
    )


class BucketizedConfig(ColumnConfig):
    """The bucket that a number falls into."""

    EXACTLY_ONE: ClassVar = ("boundaries", "quantiles")

    kind: Literal["bucketized"]
    boundaries: Some[Number] | None = Field(
        default=None,
        description="The boundaries, sorted; a value equal to a boundary falls into the bucket "
        "above it.",
    )
    default: Number | None = Field(
        default=None,
        description="The number used for a missing value. Default: missing has a separate id.",
    )
    quantiles: Several | None = Field(
        default=None,
        description="Learn the boundaries: this many buckets with about the same number of "
        "training examples each.",
    )


class VocabularyConfig(LookupConfig):
    """A category."""

    kind: Literal["vocabulary"]


class HashedConfig(ColumnConfig):
    """The hash of a value."""

    kind: Literal["hashed"]
    buckets: int = Field(
        ge=1,
        le=1073741824,
        description="The number of buckets: a value's id is its hash modulo this.",
    )
    unseen: Literal["bucket", "hash"] = Field(
        default="bucket",
        description="How to treat a value not seen in training. `bucket`: as out-of-vocabulary, "
        "the same in every runtime. `hash`: by its hash, for models that are not converted to TF "
        "Lite.",
    )


class IdentityConfig(ColumnConfig):
    """A whole number that is its own id."""

    kind: Literal["identity"]
    buckets: int = Field(
        ge=1,
        le=16777216,
        description="The number of ids: the column holds whole numbers from 0 to `buckets` - 1.",
    )
    default_value: Whole | None = Field(
        default=None,
        description="The id of a value that is out-of-vocabulary or out of range. Default: a "
        "separate id.",
    )


class SequenceConfig(LookupConfig):
    """Several categories in a cell."""

    kind: Literal["sequence"]
    delimiter: Text = Field(description="The separator between the values of a cell.")
    max_length: Count = Field(
        description="The most values of a cell to use; later ones are dropped."
    )


class TextConfig(ColumnConfig):
    """The words of a text."""

    kind: Literal["text"]
    max_length: Count = Field(
        default=64, description="The most words of a text to use; later ones are dropped."
    )
    min_count: Count = Field(
        default=2,
        description="Words with fewer occurrences in the training examples are out-of-vocabulary.",
    )
    max_size: Count = Field(default=20000, description="The most words to keep, by frequency.")


class SavedModelConfig(ColumnConfig):
    """What a SavedModel makes of a cell."""

    kind: Literal["saved_model"]
    path: LocalPath = Field(
        description="The folder of a SavedModel, such as a module of TF Hub, that takes cells, "
        "[n] or [n, 1], and returns numbers, [n, outputs]. Its weights are not trained."
    )
    trust: bool = Field(
        default=False,
        description="Whether its graph may hold operations that touch files or run Python.",
    )


class DatePartConfig(DateConfig):
    """A part of a date, as a category."""

    kind: Literal["date_part"]
    part: Literal["year", "month", "day", "weekday", "hour"]


class CyclicConfig(DateConfig):
    """A point of a cycle, as its sine and cosine."""

    kind: Literal["cyclic"]
    period: Literal["day", "week", "year"]


class ElapsedConfig(NumberConfig, DateConfig):
    """The days since a date."""

    kind: Literal["elapsed"]
    since: str | None = Field(
        default=None,
        description="The day to count from, such as 2013-01-31. Default: the first of the "
        "training examples.",
    )


class CrossedConfig(FeatureConfig):
    """The combination of several features."""

    kind: Literal["crossed"]
    keys: Distinct[str] = Field(
        min_length=2,
        description="Categorical or bucketized features; with compat also columns of text.",
    )
    compat: Literal["tf1", "tf1_dense"] | None = Field(
        default=None,
        description="Hash as tf.feature_column.crossed_column did, with text columns by their "
        "text. tf1: a missing text is absent, as in parsed tf.Example. tf1_dense: a missing text "
        "is the empty text, as in input functions from CSV, NumPy and pandas.",
    )
    buckets: int | None = Field(
        default=None,
        ge=1,
        le=1073741824,
        description="The number of ids to fold the combinations into. Default: one id per "
        "combination.",
    )


class WeightedConfig(FeatureConfig):
    """A categorical feature whose ids count as a column says."""

    kind: Literal["weighted"]
    of: str = Field(description="A categorical feature.")
    weight: str = Field(description="The raw column with the weight of the ids.")


class EmbeddingConfig(FeatureConfig):
    """A vector for each id, learned in training."""

    kind: Literal["embedding"]
    of: str | Annotated[Distinct[str], Field(min_length=2)] = Field(
        description="A categorical, bucketized or crossed feature; or several with the same ids, "
        "which then share the table."
    )
    dimension: Count = 16
    combiner: Literal["mean", "sum", "sqrtn"] = Field(
        default="mean", description="How the embeddings of several ids are combined."
    )


class IndicatorConfig(FeatureConfig):
    """A one-hot vector of the ids."""

    kind: Literal["indicator"]
    of: str = Field(description="A categorical, bucketized or crossed feature.")


class _NamedByKind:
    """The annotation of a feature: a kind's name is short for a map with only `kind`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._long_form, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "enum": list(FEATURE_KINDS)}, handler(core)]}

    @staticmethod
    def _long_form(value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


Feature: TypeAlias = Annotated[
    NumericConfig
    | PiecewiseLinearConfig
    | PeriodicConfig
    | BucketizedConfig
    | VocabularyConfig
    | HashedConfig
    | IdentityConfig
    | SequenceConfig
    | TextConfig
    | SavedModelConfig
    | DatePartConfig
    | CyclicConfig
    | ElapsedConfig
    | CrossedConfig
    | WeightedConfig
    | EmbeddingConfig
    | IndicatorConfig,
    Field(discriminator="kind"),
    _NamedByKind(),
]


@cache
def _checker() -> TypeAdapter[Feature]:
    return TypeAdapter(Feature)


def features_of(settings: Mapping[str, Any]) -> dict[str, Feature]:
    """Returns features from their settings as JSON has them, by name."""
    return {name: feature_of(feature) for name, feature in settings.items()}


def feature_of(settings: Any) -> Feature:
    """Returns a feature from its settings as JSON has them."""
    return _checker().validate_python(settings)
