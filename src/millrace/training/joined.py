"""The trainer of ensembles of seeds, which joins trained models."""

from __future__ import annotations

import tensorflow as tf

from millrace import models
from millrace.artifacts.training import Training
from millrace.config.built import Ensemble
from millrace.config.models import TrainedConfig
from millrace.models import ensemble
from millrace.models.keras_predictor import KerasPredictor
from millrace.results import TrainingFolder
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Makes one model of the trained seeds; see `trainers.Trainer`."""
    config = assignment.job.models[assignment.run.model]
    assert isinstance(config, TrainedConfig), "an ensemble is of trained seeds"
    members = [
        assignment.models / str(assignment.run.after) / str(seed) / "training"
        for seed in range(config.seeds)
    ]
    predictors = [models.load(assignment.preprocessing_path, member) for member in members]
    trained = [x.model for x in predictors if isinstance(x, KerasPredictor)]
    settings = [Training.load(TrainingFolder(member).description).settings for member in members]
    model = ensemble.join(trained, assignment.preprocessing.spec)
    return TrainedModel(
        model=model, assignment=assignment, settings=Ensemble(members=tuple(settings))
    )
