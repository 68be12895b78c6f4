"""A trained model on disk: weights, history and description."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import keras

from millrace import models
from millrace.artifacts.training import History, Recipe, Started, Training, Weighing
from millrace.config.built import BuiltModel
from millrace.files import replacing
from millrace.models.keras_predictor import KerasPredictor
from millrace.results import TrainingFolder
from millrace.training import calibration
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
        weighing: how the weights of an ensemble of several models were found.
        history: the logs of each epoch, or of each round of trees.
        best_epoch: the epoch, from 1, whose weights were kept; 0 if there was none.
    """

    model: keras.Model
    assignment: Assignment
    settings: BuiltModel
    started: Started | None = None
    recipe: Recipe | None = None
    weighing: Weighing | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def val_loss(self) -> float | None:
        """The validation loss of the weights to keep; None without any."""
        if self.weighing:
            return self.weighing.val_loss
        return self.history[self.best_epoch - 1]["val_loss"] if self.history else None

    def write(self, output: Path) -> None:
        """Writes weights, history.csv and training.json into a new directory."""
        settled = self.assignment.settled
        with replacing(output) as directory:
            directory.mkdir()
            made = TrainingFolder(directory)
            self.model.save_weights(made.weights)
            History(self.history).save(made.history)
            if settled.tuned:
                made.tuned.write_text(settled.tuned, encoding="utf-8")
            description = self._described(made.weights.stat().st_size)
            if self.assignment.is_calibrated:
                # From its weights, as it will be evaluated.
                predictor = models.restore(description, directory, self.assignment.preprocessing)
                assert isinstance(predictor, KerasPredictor), "what was just written"
                fitted = calibration.fit(predictor, self.assignment.examples[1].first())
                description = replace(description, calibration=fitted)
            description.save(made.description)

    def _described(self, size: int) -> Training:
        run, settled = self.assignment.run, self.assignment.settled
        return Training(
            model=run.name,
            settings=self.settings,
            seed=run.seed,
            trial=settled.trial,
            started=self.started,
            training=self.recipe,
            weighing=self.weighing,
            parameters=self.model.count_params(),
            bytes=size,
            epochs=len(self.history),
            best_epoch=self.best_epoch,
            val_loss=self.val_loss,
        )
