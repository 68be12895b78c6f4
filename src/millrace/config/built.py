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
from millrace.config.values import Items, Section


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
    """The mean of trained models; `members` is empty until they are trained."""

    kind: Literal["ensemble"] = "ensemble"
    members: Items["BuiltModel"] = ()

    def json_form(self) -> Any:
        """Returns the kind, and the settings of each member's run."""
        return {"kind": self.kind, "members": [member.json_form() for member in self.members]}


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
