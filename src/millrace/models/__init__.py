"""The registry of kinds of models: the code that builds, trains and loads each.

A kind's code is named, not imported: planning asks for kinds without TensorFlow, and what adopts
models of TensorFlow 1 lies in a room after this one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millrace.artifacts.training import Started, Training
from millrace.config.built import BuiltModel
from millrace.config.models import ModelConfig, adopted, warm_start
from millrace.config.training import TrainingConfig
from millrace.results import TrainingFolder

if TYPE_CHECKING:
    import keras
    import numpy as np

    from millrace.artifacts.parity import RuntimeParity
    from millrace.features.preprocessing import EncodedSpec, Preprocessing
    from millrace.features.tasks import Task
    from millrace.models.predictor import Predictor

GRADIENT = "millrace.training.gradient:train"
ADOPTED_NETWORK = "millrace.tf1.trainers:adopt_network"


@dataclass(frozen=True)
class Kind:
    """Where the code of a kind of model is, as `module` or `module:function`.

    Attributes:
        module: has `build`, and where the kind needs them `training_defaults` and `pinned`; "" for
            a model that Millrace does not build.
        trainer: trains a run, a `millrace.training.trainers.Trainer`.
        adopter: the trainer where the settings have `adopt`; "" for a kind that cannot.
        untrained: returns a `Predictor` before any training, see `untrained`.
        load: returns the `Predictor` of what the trainer wrote, as `millrace.models.keras_model`.
        by_batches: whether a loop over batches trains it, which several processes can share.
        is_foreign: whether its graph is somebody else's work.
    """

    module: str = ""
    trainer: str = GRADIENT
    adopter: str = ""
    untrained: str = "millrace.models.keras_predictor:untrained"
    load: str = "millrace.models.keras_predictor:load"
    by_batches: bool = True
    is_foreign: bool = False


KINDS = {
    "linear": Kind("millrace.models.linear", adopter=ADOPTED_NETWORK),
    "dnn": Kind("millrace.models.dnn", adopter=ADOPTED_NETWORK),
    "wide_deep": Kind("millrace.models.wide_deep", adopter=ADOPTED_NETWORK),
    "dcn": Kind("millrace.models.dcn"),
    "tabm": Kind("millrace.models.tabm"),
    "boosted_trees": Kind(
        "millrace.models.boosted_trees",
        trainer="millrace.training.trees:train",
        untrained="millrace.models.boosted_trees:untrained",
        adopter="millrace.tf1.trainers:adopt_trees",
        by_batches=False,
    ),
    "custom": Kind("millrace.models.custom", is_foreign=True),
    "ensemble": Kind(
        "millrace.models.ensemble", trainer="millrace.training.joined:train", by_batches=False
    ),
    "tf1": Kind(
        trainer="millrace.tf1.trainers:copy",
        untrained="millrace.tf1.predictor:untrained",
        load="millrace.tf1.predictor:load",
        by_batches=False,
        is_foreign=True,
    ),
}

# Compares a model with the old one that it stands for.
PROOF = "millrace.tf1.proof:prove"

# Gives a new model the weights of an old one that `warm_start` or `adopt` names.
WARM_START = "millrace.tf1.adoption:start"


def trainer(settings: ModelConfig) -> Any:
    """Returns the `millrace.training.trainers.Trainer` of a model's settings."""
    kind = KINDS[settings.kind]
    return _function(kind.adopter if adopted(settings) else kind.trainer)


def is_trained_by_batches(settings: ModelConfig) -> bool:
    """Whether a loop over batches trains the model, which several processes can share."""
    return KINDS[settings.kind].by_batches and not adopted(settings)


def is_foreign(settings: ModelConfig) -> bool:
    """Whether somebody else's code or weights are in the model."""
    return KINDS[settings.kind].is_foreign or bool(adopted(settings) or warm_start(settings))


def build(settings: ModelConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds an untrained model.

    Args:
        settings: those of a model of the completed config; of trees, of the user's code and of an
            ensemble those that training found, see `millrace.config.built`.
        spec: what an encoded example holds.
        task: what is predicted.

    Returns:
        A model from {`numbers`: float32 [n, …], `ids`: int32 [n, …]} to logits [n, task.outputs],
        or [n, members, task.outputs] of a model with members.
    """
    model: keras.Model = _module(settings).build(settings, spec, task)
    return model


def start(
    model: keras.Model, settings: ModelConfig, preprocessing: Preprocessing
) -> Started | None:
    """Gives a new model the weights that `warm_start` or `adopt` names; says what was taken."""
    if not (warm_start(settings) or adopted(settings)):
        return None
    started: Started = _function(WARM_START)(model, settings, preprocessing)
    return started


def untrained(name: str, settings: ModelConfig, preprocessing: Preprocessing) -> Predictor:
    """Returns a model behind its feature columns as it is before training.

    An old model is as it came. What weights a new one has is of no account.

    Args:
        name: the model's name in the config.
        settings: its settings, as `millrace.config.runs.settle` returns them.
        preprocessing: the feature columns.

    Raises:
        MillraceError: the model cannot be built, or an old one that it needs is missing or damaged.
    """
    build_kind = _function(KINDS[settings.kind].untrained)
    predictor: Predictor = build_kind(name, settings, preprocessing)
    return predictor


def prove(
    settings: ModelConfig,
    preprocessing: Preprocessing,
    raw: Mapping[str, np.ndarray],
    predictions: np.ndarray,
    threshold: float | None,
) -> tuple[int | None, list[RuntimeParity]]:
    """Compares a model that is to answer as an old one did with that one.

    Args:
        settings: the model's entry in the config.
        preprocessing: the feature columns.
        raw: real rows.
        predictions: what the model predicts for them.
        threshold: see `millrace.export.parity.compare`.

    Returns:
        How many rows hold a text on which the two may differ, None for a model that is no old
        one's; and the entries for parity.json.
    """
    found: tuple[int | None, list[RuntimeParity]] = _function(PROOF)(
        settings, preprocessing, raw, predictions, threshold
    )
    return found


def pinned(settings: ModelConfig) -> BuiltModel:
    """Returns the settings from which a model that learns by batches is built again.

    Where its code is not ours, they say which code it is.
    """
    of_kind: Any = getattr(_module(settings), "pinned", lambda same: same)
    built: BuiltModel = of_kind(settings)
    return built


def training_defaults(settings: ModelConfig, rows: int) -> TrainingConfig:
    """Returns the settings of `training` that suit a model, for so many examples."""
    of_kind = getattr(_module(settings), "training_defaults", None)
    found: TrainingConfig = of_kind(settings, rows) if of_kind else TrainingConfig()
    return found


def load(preprocessing: Path, training: Path) -> Predictor:
    """Loads a trained model behind its feature columns.

    Args:
        preprocessing: preprocessing.json.
        training: the directory that train wrote.

    Raises:
        MillraceError: the model is missing, damaged, or another one than was trained.
    """
    from millrace.features.preprocessing import Preprocessing

    description = Training.load(TrainingFolder(training).description)
    load_kind = _function(KINDS[description.settings.kind].load)
    predictor: Predictor = load_kind(description, training, Preprocessing.load(preprocessing))
    return predictor


def _module(settings: ModelConfig) -> Any:
    return importlib.import_module(KINDS[settings.kind].module)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
