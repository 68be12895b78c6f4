"""The registry of kinds of models: the code that builds, trains and loads each.

Code is referred to by name and imported on use: planning needs the kinds without TensorFlow, and
the code that adopts models of TensorFlow 1 is in a package that may not be imported from here.
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
    """The code of a kind of model, as `module` or `module:function`.

    Attributes:
        module: has `build`, and optionally `training_defaults` and `pinned`; "" for a model that
            Millrace does not build.
        trainer: a `millrace.training.trainers.Trainer`.
        adopter: the trainer for settings with `adopt`; "" if the kind does not support it.
        untrained: returns a `Predictor` before training, see `untrained`.
        load: returns the `Predictor` for the output of the trainer.
        by_batches: whether it is trained by batches, which several processes can share.
        is_foreign: whether its graph is written by others.
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
        "millrace.models.ensemble",
        trainer="millrace.training.joined:train",
        by_batches=False,
    ),
    "tf1": Kind(
        trainer="millrace.tf1.trainers:copy",
        untrained="millrace.tf1.predictor:untrained",
        load="millrace.tf1.predictor:load",
        by_batches=False,
        is_foreign=True,
    ),
}

# Compares a model with the old one that it replaces.
PROOF = "millrace.tf1.proof:prove"

# Initializes a model with the weights of the old one under `warm_start` or `adopt`.
WARM_START = "millrace.tf1.adoption:start"


def trainer(settings: ModelConfig) -> Any:
    """Returns the `millrace.training.trainers.Trainer` of a model's settings."""
    kind = KINDS[settings.kind]
    return _function(kind.adopter if adopted(settings) else kind.trainer)


def is_trained_by_batches(settings: ModelConfig) -> bool:
    """Returns whether the model is trained by batches, which several processes can share."""
    return KINDS[settings.kind].by_batches and not adopted(settings)


def is_foreign(settings: ModelConfig) -> bool:
    """Returns whether the model contains code or weights written by others."""
    return KINDS[settings.kind].is_foreign or bool(adopted(settings) or warm_start(settings))


def build(settings: ModelConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds an untrained model.

    Args:
        settings: the settings of a model in the completed config; for trees, user code and
            ensembles those found in training, see `millrace.config.built`.
        spec: the layout of encoded examples.
        task: the task.

    Returns:
        A model from {`numbers`: float32 [n, …], `ids`: int32 [n, …]} to logits [n, task.outputs],
        or [n, members, task.outputs] for a model with members; for an ensemble a list of these.
    """
    model: keras.Model = _module(settings).build(settings, spec, task)
    return model


def start(
    model: keras.Model, settings: ModelConfig, preprocessing: Preprocessing
) -> Started | None:
    """Initializes a model by `warm_start` or `adopt`; returns what was used, or None without."""
    if not (warm_start(settings) or adopted(settings)):
        return None
    started: Started = _function(WARM_START)(model, settings, preprocessing)
    return started


def untrained(name: str, settings: ModelConfig, preprocessing: Preprocessing) -> Predictor:
    """Returns an untrained model with its feature columns.

    An old model has its own weights; those of a new one are arbitrary.

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
    """Compares a model with the old one that it replaces.

    Args:
        settings: the model's entry in the config.
        preprocessing: the feature columns.
        raw: real rows.
        predictions: the model's predictions for them.
        threshold: see `millrace.export.parity.compare`.

    Returns:
        The number of rows with a text on which the two may differ, None if the model replaces no
        old one; and the entries for parity.json.
    """
    found: tuple[int | None, list[RuntimeParity]] = _function(PROOF)(
        settings, preprocessing, raw, predictions, threshold
    )
    return found


def pinned(settings: ModelConfig) -> BuiltModel:
    """Returns the settings that rebuild a model that is trained by batches.

    For user code they include its checksum.
    """
    of_kind: Any = getattr(_module(settings), "pinned", lambda same: same)
    built: BuiltModel = of_kind(settings)
    return built


def training_defaults(settings: ModelConfig, rows: int) -> TrainingConfig:
    """Returns a model's defaults for `training` with `rows` training examples."""
    of_kind = getattr(_module(settings), "training_defaults", None)
    found: TrainingConfig = of_kind(settings, rows) if of_kind else TrainingConfig()
    return found


def load(preprocessing: Path, training: Path) -> Predictor:
    """Loads a trained model with its feature columns.

    Args:
        preprocessing: preprocessing.json.
        training: the directory that train wrote.

    Raises:
        MillraceError: the model is missing, damaged, or not the one that was trained.
    """
    from millrace.features.preprocessing import Preprocessing

    description = Training.load(TrainingFolder(training).description)
    return restore(description, training, Preprocessing.load(preprocessing))


def restore(description: Training, training: Path, preprocessing: Preprocessing) -> Predictor:
    """Loads a trained model, as `load` does, whose description and feature columns are at hand."""
    load_kind = _function(KINDS[description.settings.kind].load)
    predictor: Predictor = load_kind(description, training, preprocessing)
    return predictor


def _module(settings: ModelConfig) -> Any:
    return importlib.import_module(KINDS[settings.kind].module)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
