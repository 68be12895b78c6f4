"""A trained model on disk: weights, history and description."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import keras

from millrace.artifacts.training import History, Recipe, Started, Training
from millrace.config.built import BuiltModel
from millrace.files import replacing
from millrace.results import TrainingFolder
from millrace.training.trainers import Assignment


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained Keras model with the record of its training.

    Attributes:
        model: the model, with the weights to keep.
        assignment: the run.
        settings: the settings for `models.build`.
        started: the weights that came from another model.
        recipe: the settings of gradient descent; None for other trainers.
        history: the logs of each epoch, or of each round of trees.
        best_epoch: the epoch, from 1, whose weights were kept; 0 if there was none.
    """

    model: keras.Model
    assignment: Assignment
    settings: BuiltModel
    started: Started | None = None
    recipe: Recipe | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0

    def write(self, output: Path) -> None:
        """Writes weights, history.csv and training.json into a new directory."""
        run, settled = self.assignment.run, self.assignment.settled
        with replacing(output) as directory:
            directory.mkdir()
            made = TrainingFolder(directory)
            self.model.save_weights(made.weights)
            History(self.history).save(made.history)
            if settled.tuned:
                made.tuned.write_text(settled.tuned, encoding="utf-8")
            Training(
                model=run.name,
                settings=self.settings,
                seed=run.seed,
                trial=settled.trial,
                started=self.started,
                training=self.recipe,
                parameters=self.model.count_params(),
                bytes=made.weights.stat().st_size,
                epochs=len(self.history),
                best_epoch=self.best_epoch,
                val_loss=self.history[self.best_epoch - 1]["val_loss"] if self.history else None,
            ).save(made.description)
