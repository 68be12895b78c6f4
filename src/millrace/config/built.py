"""The settings that rebuild a trained model: those of the config and those found in training."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from millrace.config.models import (
    BoostedTreesConfig,
    CustomConfig,
    DcnConfig,
    DnnConfig,
    LinearConfig,
    ModelConfig,
    TabmConfig,
    Tf1Config,
    WideDeepConfig,
)
from millrace.config.values import Items, Section, plain_form


class ForestShape(Section):
    """The size of a forest.

    Attributes:
        nodes: the number of nodes of all trees.
        trees: the number of trees.
        depth: the largest number of nodes from a root to a leaf.
        sets: the number of distinct id sets in the conditions, by categorical feature.
    """

    nodes: int
    trees: int
    depth: int
    sets: Items[int]


class TrainedTrees(BoostedTreesConfig):
    """Trained boosted trees."""

    forest: ForestShape


class PinnedCustom(CustomConfig):
    """A model built by the user's code, with the checksum of the file."""

    sha256: str


class Ensemble(ModelConfig):
    """The weighted mean of trained models; `members` is empty until they are trained.

    Attributes:
        members: the settings of each member's run.
        runs: the names of these runs.
        weights: the weight of each in the mean; they add up to 1.
        temperatures: what the logits of each are divided by.
    """

    kind: Literal["ensemble"] = "ensemble"
    members: Items["BuiltModel"] = ()
    runs: Items[str] = ()
    weights: Items[float] = ()
    temperatures: Items[float] = ()

    def json_form(self) -> Any:
        """Returns the kind, and what is known of each member."""
        members = [member.json_form() for member in self.members]
        return {**plain_form(self), "members": members}


BuiltModel: TypeAlias = Annotated[
    LinearConfig
    | DnnConfig
    | WideDeepConfig
    | DcnConfig
    | TabmConfig
    | TrainedTrees
    | PinnedCustom
    | Tf1Config
    | Ensemble,
    Field(discriminator="kind"),
]
