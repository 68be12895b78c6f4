"""The trainer of Keras models, by gradient descent over batches of examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import tensorflow as tf

from millrace import models, user_code
from millrace.artifacts.training import Recipe, Started
from millrace.config.models import ModelConfig, NetworkConfig
from millrace.config.training import TrainingOverrides
from millrace.config.tuning import Trial
from millrace.errors import DivergedError
from millrace.files import sha256
from millrace.training import logs, loop, recipe, strategies
from millrace.training.batches import source
from millrace.training.checkpoints import Checkpoints
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything that determines the result of a training; see `Checkpoints`.

    Attributes:
        model: the run.
        settings: the model's settings.
        seed: the random seed.
        trial: the trial with these settings.
        started: the weights that came from another model.
        training: the training settings.
        preprocessing: the checksum of preprocessing.json.
        examples: the checksum of the training examples.
        rows: the number of training examples that are used.
        callbacks: the checksum of the user's callbacks.
        tensorflow: the version of TensorFlow.
        keras: the version of Keras.
    """

    model: str
    settings: ModelConfig
    seed: int
    trial: Trial | None = None
    started: Started | None = None
    training: Recipe
    preprocessing: str
    examples: str
    rows: int
    callbacks: str | None
    tensorflow: str
    keras: str


@dataclass(frozen=True, kw_only=True)
class CheckpointedModel(TrainedModel):
    """A trained model whose checkpoints are removed once it is written."""

    checkpoints: Checkpoints | None = None

    def write(self, output: Path) -> None:
        """Writes the model; see `TrainedModel`. Removes its checkpoints."""
        super().write(output)
        if self.checkpoints:
            self.checkpoints.remove()


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel | None:
    """Trains a model of any kind that is trained by batches; see `trainers.Trainer`.

    A killed training resumes from its last checkpoint.
    """
    settings = models.pinned(assignment.settled.settings)
    preprocessing, training = assignment.preprocessing, assignment.job.training
    used = recipe_of(assignment)
    examples, validation = assignment.examples
    labels = (block.labels for block in examples)
    class_weights = recipe.class_weights(used, preprocessing.task, labels)
    model = build(assignment, strategy, settings, used.precision)
    started = models.start(model, settings, preprocessing)
    checkpoints = Checkpoints(
        assignment.output.parent / "checkpoints",
        run=_origin(assignment, settings, started, used),
        minutes=training.checkpoint_minutes,
        chief=strategies.is_chief(strategy),
    )
    debug = assignment.debug
    data = (
        source(examples, used.buffer_rows, debug.rows, class_weights),
        source(validation, used.buffer_rows, debug.rows),
    )
    code = training.callbacks
    callbacks = user_code.callbacks(code) if code else []
    callbacks += logs.callbacks(training, assignment.output.parent, checkpoints.chief)
    seed, task = assignment.run.seed, preprocessing.task.of_model(settings)
    try:
        outcome = loop.train(model, task, used, data, seed, callbacks, checkpoints, debug)
        history, best_epoch = outcome.history, outcome.best_epoch
    except DivergedError as error:
        # A search may try settings that diverge; such a trial counts as the worst.
        if assignment.run.rung is None:
            raise
        print(f"trial stopped: {error}")
        history, best_epoch = [], 0
    if not checkpoints.chief:
        return None
    return CheckpointedModel(
        model=model,
        assignment=assignment,
        settings=settings,
        started=started,
        recipe=used,
        history=history,
        best_epoch=best_epoch,
        checkpoints=checkpoints,
    )


def build(
    assignment: Assignment,
    strategy: tf.distribute.Strategy,
    settings: ModelConfig,
    precision: str,
) -> keras.Model:
    """Builds an untrained model in the scope of the strategy that will train it."""
    keras.utils.set_random_seed(assignment.run.seed)
    with strategy.scope(), recipe.precision(precision):
        preprocessing = assignment.preprocessing
        return models.build(settings, preprocessing.spec, preprocessing.task)


def recipe_of(assignment: Assignment) -> Recipe:
    """Returns the training settings of a run: from the config, else defaults of model and table."""
    settings = assignment.settled.settings
    defaults = models.training_defaults(settings, assignment.rows)
    own = settings.training if isinstance(settings, NetworkConfig) else None
    used = recipe.settle(
        assignment.job.training, own or TrainingOverrides(), defaults, assignment.rows
    )
    return replace(used, epochs=assignment.run.budget(used.epochs))


def _origin(
    assignment: Assignment, settings: ModelConfig, started: Started | None, used: Recipe
) -> Origin:
    code, settled = assignment.job.training.callbacks, assignment.settled
    return Origin(
        model=assignment.run.name,
        settings=settings,
        seed=assignment.run.seed,
        trial=settled.trial,
        started=started,
        training=used,
        preprocessing=sha256(assignment.preprocessing_path),
        examples=sha256(assignment.encoded / "train.tfrecord"),
        rows=assignment.rows,
        callbacks=user_code.checksum(code, "training.callbacks") if code else None,
        tensorflow=tf.__version__,
        keras=keras.__version__,
    )
