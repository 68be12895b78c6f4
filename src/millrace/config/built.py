"""The settings from which a trained model is rebuilt: the config's, and those found in training."""

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
        nodes: how many nodes all trees have.
        trees: how many trees.
        depth: how many nodes from a root to the farthest leaf.
        sets: of each categorical feature, how many sets of ids its conditions ask for.
    """

    nodes: int
    trees: int
    depth: int
    sets: Items[int]


class TrainedTrees(BoostedTreesConfig):
    """Boosted trees that are trained."""

    forest: ForestShape


class PinnedCustom(CustomConfig):
    """A model of the user's code, with the checksum of the file."""

    sha256: str


class Ensemble(ModelConfig):
    """The mean of trained models; none before they are trained."""

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
