"""The trainer of Keras models, by gradient descent over batches of examples."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from millrace import models, user_code
from millrace.errors import DivergedError
from millrace.files import sha256
from millrace.training import logs, loop, recipe, strategies
from millrace.training.batches import source
from millrace.training.checkpoints import Checkpoints
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


@dataclass(frozen=True)
class CheckpointedModel(TrainedModel):
    """A trained model whose checkpoints are of no more use once it is written."""

    checkpoints: Checkpoints | None = None

    def write(self, output: Path) -> None:
        """Writes the model; see `TrainedModel`. Removes its checkpoints."""
        super().write(output)
        if self.checkpoints:
            self.checkpoints.remove()


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel | None:
    """Trains a model of any kind that learns from batches; see `trainers.Trainer`.

    A training that was killed resumes from its last checkpoint.
    """
    model_settings = models.pinned(assignment.settings)
    preprocessing, training = assignment.preprocessing, assignment.job.training
    settings = settings_of(assignment, model_settings)
    examples, validation = assignment.examples
    labels = (block.labels for block in examples)
    class_weights = recipe.class_weights(settings, preprocessing.task, labels)
    model = build(assignment, strategy, model_settings, settings.precision)
    description = assignment.describe(model_settings)
    if started := models.start(model, model_settings, preprocessing):
        description["started"] = started
    description["training"] = asdict(settings)
    checkpoints = Checkpoints(
        assignment.output.parent / "checkpoints",
        run=description | _origin(assignment),
        minutes=training.checkpoint_minutes,
        chief=strategies.is_chief(strategy),
    )
    debug = assignment.debug
    data = (
        source(examples, settings.buffer_rows, debug.rows, class_weights),
        source(validation, settings.buffer_rows, debug.rows),
    )
    code = training.callbacks
    callbacks = user_code.callbacks(code) if code else []
    callbacks += logs.callbacks(training, assignment.output.parent, checkpoints.chief)
    seed, task = assignment.run.seed, preprocessing.task
    try:
        outcome = loop.train(model, task, settings, data, seed, callbacks, checkpoints, debug)
        history, best_epoch = outcome.history, outcome.best_epoch
    except DivergedError as error:
        # A search may try what does not work: such a trial is the worst.
        if assignment.run.rung is None:
            raise
        print(f"the trial ends here: {error}")
        history, best_epoch = [], 0
    if not checkpoints.chief:
        return None
    return CheckpointedModel(model, description, history, best_epoch, assignment.tuned, checkpoints)


def build(
    assignment: Assignment,
    strategy: tf.distribute.Strategy,
    model_settings: dict[str, Any],
    precision: str,
) -> keras.Model:
    """Builds an untrained model in the scope of the strategy that is to train it."""
    keras.utils.set_random_seed(assignment.run.seed)
    with strategy.scope(), recipe.precision(precision):
        preprocessing = assignment.preprocessing
        return models.build(model_settings, preprocessing.spec, preprocessing.task)


def settings_of(assignment: Assignment, model_settings: dict[str, Any]) -> recipe.Settings:
    """Returns the settings of the training: the config's, and else what suits model and table."""
    defaults = models.training_defaults(model_settings, assignment.rows)
    own = assignment.settings.get("training", {})
    settings = recipe.Settings.of(assignment.job.training, own, defaults, assignment.rows)
    return replace(settings, epochs=assignment.run.budget(settings.epochs))


def _origin(assignment: Assignment) -> dict[str, Any]:
    """Returns what else decides on a training's result: a checkpoint of another is not resumed."""
    code = assignment.job.training.callbacks
    return {
        "preprocessing": sha256(assignment.preprocessing_path),
        "examples": sha256(assignment.encoded / "train.tfrecord"),
        "rows": assignment.rows,
        "callbacks": user_code.checksum(code, "training.callbacks") if code else None,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
