"""The whole config of a job."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from millrace.config.assessment import (
    EvaluationConfig,
    ExportConfig,
    ParityConfig,
    ReportConfig,
    SelectionConfig,
)
from millrace.config.data import DataConfig
from millrace.config.features import Feature
from millrace.config.models import DEFAULT_KINDS, Models
from millrace.config.operation import BlessConfig, MonitorConfig, PushConfig, ScoreConfig
from millrace.config.training import TrainingConfig
from millrace.config.values import LONGEST_JOB_NAME, Section, Text

# NumPy's and Keras' seeds are 32 bits wide.
LARGEST_SEED = 2**32 - 1


class JobConfig(Section):
    """A job."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=LONGEST_JOB_NAME,
        description="The name of the job; its results are written to results/<name>/.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="The seed of everything random: splits, initial weights, the order of "
        "examples, bootstrap samples.",
    )
    data: DataConfig
    features: Literal["auto"] | Annotated[Mapping[Text, Feature], Field(min_length=1)] = Field(
        default="auto",
        description="`auto` chooses a feature column for each raw column from its statistics; or "
        "a map from feature name to feature column.",
    )
    models: Models = Field(
        default=DEFAULT_KINDS,
        validate_default=True,
        description="The models to train and compare: a list of kinds, or a map from a name to a "
        "model.",
    )
    training: TrainingConfig = Field(
        default=TrainingConfig(),
        description="How to train. `auto` depends on the kind of model and the size of the table.",
    )
    evaluation: EvaluationConfig = Field(
        default=EvaluationConfig(),
    )
    selection: SelectionConfig = Field(
        default=SelectionConfig(),
    )
    export: ExportConfig = Field(
        default=ExportConfig(),
    )
    parity: ParityConfig = Field(
        default=ParityConfig(),
    )
    report: ReportConfig = Field(
        default=ReportConfig(),
    )
    score: ScoreConfig = Field(
        default=ScoreConfig(),
    )
    bless: BlessConfig = Field(
        default=BlessConfig(),
    )
    push: PushConfig = Field(
        default=PushConfig(),
    )
    monitor: MonitorConfig = Field(
        default=MonitorConfig(),
    )

    @property
    def given_features(self) -> Mapping[str, Feature]:
        """The features that the config names; none with `auto`."""
        return {} if isinstance(self.features, str) else self.features
