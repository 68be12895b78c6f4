"""The trainer of ensembles, which finds the weights of trained models and joins them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Member, Training, Weighing
from millrace.config.built import Ensemble
from millrace.config.models import EnsembleConfig
from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.models import ensemble
from millrace.models.keras_predictor import KerasPredictor
from millrace.results import RunFolder, TrainingFolder
from millrace.training import greedy_selection, validation_loss
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Makes one model of trained runs; see `trainers.Trainer`.

    Seeds of one model have the same weight. Runs of several models have weights that suit the
    validation examples.
    """
    described = {
        run: Training.load(TrainingFolder(_folder(assignment, run)).description)
        for run in assignment.run.members
    }
    trained = {run: _restore(assignment, run, x) for run, x in described.items()}
    weighing = None
    weights = dict.fromkeys(trained, 1 / len(trained))
    if isinstance(assignment.job.models[assignment.run.model], EnsembleConfig):
        weighing = _weigh(assignment, trained)
        weights = {member.run: member.weight for member in weighing.members if member.weight}
    kept = [described[run] for run in weights]
    model = ensemble.join([trained[run].model for run in weights], assignment.preprocessing.spec)
    settings = Ensemble(
        members=tuple(x.settings for x in kept),
        runs=tuple(weights),
        weights=tuple(weights.values()),
        temperatures=tuple(x.calibration.temperature if x.calibration else 1.0 for x in kept),
    )
    return TrainedModel(model=model, assignment=assignment, settings=settings, weighing=weighing)


def _folder(assignment: Assignment, run: str) -> Path:
    return RunFolder(assignment.models / run).training


def _restore(assignment: Assignment, run: str, description: Training) -> KerasPredictor:
    folder = _folder(assignment, run)
    predictor = models.restore(description, folder, assignment.preprocessing)
    assert isinstance(predictor, KerasPredictor), "the config's check refuses other members"
    return predictor


def _weigh(assignment: Assignment, trained: Mapping[str, KerasPredictor]) -> Weighing:
    """Finds the weights of runs on the validation examples, and prints them."""
    preprocessing = assignment.preprocessing
    validation = encoded.read(assignment.encoded / "validation.tfrecord", preprocessing.spec)
    predictions = np.stack(
        [
            _finite(run, predictor.predict_examples(validation.inputs))
            for run, predictor in trained.items()
        ]
    )
    loss = validation_loss.loss_of(preprocessing.task, validation.labels, validation.weights)
    found = greedy_selection.select(predictions, loss)
    members = [
        Member(run, weight, alone)
        for run, weight, alone in zip(trained, found.weights.tolist(), found.losses, strict=True)
    ]
    for member in members:
        print(f"weight {member.weight:.2f}: {member.run}, val_loss {member.val_loss:.6f} alone")
    print(f"ensemble: val_loss {found.loss:.6f} on {len(validation):,} validation examples")
    return Weighing(rows=len(validation), val_loss=found.loss, members=members)


def _finite(run: str, predictions: np.ndarray) -> np.ndarray:
    if not np.isfinite(predictions).all():
        raise MillraceError(
            f"{run}: expected finite predictions of the validation examples, found "
            f"{np.count_nonzero(~np.isfinite(predictions))} others.",
            note="lower its learning rate, or leave it out of the ensemble's `of`.",
        )
    return predictions
