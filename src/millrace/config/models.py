"""`models`: one class for each kind of model."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from millrace.config.tf1 import AdoptConfig, MappedWarmStart, Tf1Source, WarmStartConfig
from millrace.config.training import TrainingOverrides
from millrace.config.values import (
    LONGEST_JOB_NAME,
    MOST_RUNS,
    CodePath,
    Count,
    Distinct,
    Number,
    Section,
    Some,
    Text,
    plain_form,
)

# Keys about a model's runs as a whole, not about a single run.
ABOUT_RUNS = ("seeds", "ensemble")

KINDS = ("linear", "dnn", "wide_deep", "dcn", "tabm", "boosted_trees", "custom", "tf1", "ensemble")
DEFAULT_KINDS: Any = ["linear", "wide_deep", "boosted_trees", "tabm"]


class RangeConfig(Section):
    """A range of a setting that is searched."""

    low: Number
    high: Number
    log: bool = False


class TuneConfig(Section):
    """`tune` of a model."""

    trials: Annotated[int, Field(ge=2, le=MOST_RUNS)] = Field(description="The number of trials.")
    space: Mapping[
        str, Annotated[tuple[Any, ...], Strict(False), Field(min_length=1)] | RangeConfig
    ] = Field(
        min_length=1,
        description="Settings of the model, such as `dropout` or `training.learning_rate`, each "
        "with a list of values or a range: `low`, `high`, and `log: true` for a logarithmic "
        "scale. A range between whole numbers gives whole numbers.",
    )


class ModelConfig(Section):
    """A model."""

    kind: str


class TrainedConfig(ModelConfig):
    """A model that Millrace trains."""

    seeds: Annotated[int, Field(ge=1, le=MOST_RUNS)] = Field(
        default=1,
        description="The number of times to train the model, with the seeds `seed`, `seed` + 1, "
        "…, each as its own job. The leaderboard shows the mean, with an interval over the seeds; "
        "the run with the first seed is exported.",
    )
    ensemble: bool = Field(
        default=False,
        description="With `seeds`: whether to average all runs into one model, which is compared "
        "and exported.",
    )
    tune: TuneConfig | None = Field(
        default=None,
        description="Search for settings by successive halving: every trial is its own job; the "
        "best third by validation loss trains again, three times as long. The model is trained "
        "with the best settings, which `tuned.yaml` beside its weights holds, ready for the "
        "config.",
    )

    target: Literal["none", "log"] = Field(
        default="none",
        description="Of a regression, what the model learns: the label, or its logarithm, sign(y) "
        "log(1 + |y|), whose inverse is part of the exported model. `log` suits labels that spread "
        "over orders of magnitude; list the model twice to let validation decide.",
    )

    def json_form(self) -> Any:
        """Returns the settings of one run, without the keys about several."""
        return {key: x for key, x in plain_form(self).items() if key not in ABOUT_RUNS}


class NetworkConfig(TrainedConfig):
    """A neural network."""

    training: TrainingOverrides | None = Field(
        default=None, description="Settings of `training` for this model."
    )


class HiddenLayers(NetworkConfig):
    """A network with hidden layers."""

    hidden_units: Some[Count] = Field(
        default=(256, 128), description="The widths of the hidden layers, first to last."
    )
    activation: Literal["auto", "smelu", "relu", "elu", "silu", "tanh"] = Field(
        default="auto",
        description="The activation of the hidden layers. `smelu` is `relu` with a rounded "
        "corner, which makes the losses independent of the number of replicas. `auto` is `smelu`, "
        "or `relu` with `adopt` or `warm_start`, as in Estimators.",
    )
    dropout: Number = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="The fraction of each hidden layer's units dropped in a training step.",
    )


class EstimatorConfig(TrainedConfig):
    """A kind of model that TensorFlow 1 had as a canned Estimator."""

    adopt: AdoptConfig | None = Field(
        default=None,
        description="Take all variables of a canned Estimator of TensorFlow 1 by name, without "
        "training.",
    )


class WarmStarted(NetworkConfig, EstimatorConfig):
    """A network that may start from a canned Estimator."""

    warm_start: WarmStartConfig | None = Field(
        default=None,
        description="Initialize embeddings and weights from an old model, by name.",
    )


class MappedNetwork(NetworkConfig):
    """A network that may start from an old model whose variables are mapped."""

    warm_start: MappedWarmStart | None = Field(
        default=None,
        description="Initialize embeddings and weights from an old model, by name.",
    )


class LinearConfig(WarmStarted):
    """A linear model."""

    kind: Literal["linear"]


class DnnConfig(HiddenLayers, WarmStarted):
    """A multilayer perceptron."""

    kind: Literal["dnn"]


class WideDeepConfig(HiddenLayers, WarmStarted):
    """A linear model beside a multilayer perceptron."""

    kind: Literal["wide_deep"]


class DcnConfig(HiddenLayers, MappedNetwork):
    """A deep and cross network."""

    kind: Literal["dcn"]
    cross_layers: Count = Field(
        default=2,
        description="The number of cross layers: n layers give products of up to n + 1 features.",
    )
    rank: Count = Field(default=64, description="The rank of the matrix of a cross layer.")


class TabmConfig(HiddenLayers, MappedNetwork):
    """An ensemble of networks that share most weights."""

    kind: Literal["tabm"]
    members: Count = Field(
        default=8,
        description="The number of members that share the network; their predictions are averaged.",
    )
    dropout: Number = Field(
        default=0,
        ge=0,
        lt=1,
        description="The fraction of each hidden layer's units dropped in a training step.",
    )
    dimension: Count = Field(
        default=16,
        description="The width of the piecewise-linear encoding of each numeric feature.",
    )


class BoostedTreesConfig(EstimatorConfig):
    """Gradient boosted trees."""

    kind: Literal["boosted_trees"]
    trees: Count = Field(
        default=1000,
        description="The most trees, per class in a multiclass task; training stops when the "
        "validation loss stops falling.",
    )
    learning_rate: Number = Field(
        default=0.05,
        gt=0,
        le=1,
        description="The fraction of a tree's prediction that is added to the model.",
    )
    max_depth: Count = Field(
        default=6, description="The largest number of nodes from the root to a leaf."
    )
    min_examples: Count = Field(default=10, description="The fewest training examples in a leaf.")
    columns: Number = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The fraction of the features considered for each condition, drawn at random.",
    )


class CustomConfig(MappedNetwork):
    """A Keras model built by code of the user."""

    kind: Literal["custom"]
    path: CodePath = Field(
        description="A Python file and a function in it, such as models/mine.py:build, that takes "
        "the specification of encoded examples and the task, and returns a Keras model."
    )


class Tf1Config(ModelConfig, Tf1Source):
    """A trained model of TensorFlow 1 or Keras 2, used as it is."""

    kind: Literal["tf1"]


class EnsembleConfig(ModelConfig):
    """The weighted mean of the predictions of other models."""

    kind: Literal["ensemble"]
    of: Literal["auto"] | Annotated[Distinct[Text], Field(min_length=1)] = Field(
        default="auto",
        description="The models whose runs, one for each seed, may become members: names of the "
        "config, or `auto` for all that Millrace trains. Greedy selection with replacement "
        "(Caruana et al., 2004) finds their weights on the validation rows.",
    )


Model: TypeAlias = Annotated[
    LinearConfig
    | DnnConfig
    | WideDeepConfig
    | DcnConfig
    | TabmConfig
    | BoostedTreesConfig
    | CustomConfig
    | Tf1Config
    | EnsembleConfig,
    Field(discriminator="kind"),
]
ModelName: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=LONGEST_JOB_NAME)
]


class _NamedByKind:
    """The annotation of `models`: a list of kinds is short for a map from each kind to itself."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._long_form, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds = {"type": "string", "enum": list(KINDS)}
        short = {"type": "array", "minItems": 1, "uniqueItems": True, "items": kinds}
        return {"anyOf": [short, handler(core)]}

    @staticmethod
    def _long_form(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not value:
            raise PydanticCustomError("empty", "at least one model")
        for kind in value:
            if kind not in KINDS:
                context = {"one_of": list(KINDS), "found": kind}
                raise PydanticCustomError("one_of", "a kind of model", context)
        if len({*value}) < len(value):
            raise PydanticCustomError("distinct", "different items")
        return {kind: {"kind": kind} for kind in value}


Models: TypeAlias = Annotated[Mapping[ModelName, Model], Field(min_length=1), _NamedByKind()]


def adopted(model: ModelConfig) -> AdoptConfig | None:
    """Returns the Estimator whose variables a model adopts, or None."""
    return model.adopt if isinstance(model, EstimatorConfig) else None


def warm_start(model: ModelConfig) -> WarmStartConfig | None:
    """Returns the old model whose weights the training starts from, or None."""
    return model.warm_start if isinstance(model, WarmStarted | MappedNetwork) else None


def is_trained(model: ModelConfig) -> bool:
    """Returns whether Millrace trains a model instead of using an old one unchanged."""
    return not (adopted(model) or isinstance(model, Tf1Config))
