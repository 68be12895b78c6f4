"""Trainers that adopt or copy models of TensorFlow 1."""

from __future__ import annotations

import tensorflow as tf

from millrace import models
from millrace.config.models import BoostedTreesConfig, Tf1Config
from millrace.tf1 import adoption, trees
from millrace.tf1.predictor import OldCopy
from millrace.training import gradient
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def adopt_network(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Returns a network of Millrace with an old one's weights; see `trainers.Trainer`."""
    settings = models.pinned(assignment.settled.settings)
    precision = gradient.recipe_of(assignment).precision
    model = gradient.build(assignment, strategy, settings, precision)
    started = adoption.start(model, settings, assignment.preprocessing)
    return TrainedModel(model=model, assignment=assignment, settings=settings, started=started)


def adopt_trees(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Returns boosted trees with an old model's trees; see `trainers.Trainer`."""
    settings = assignment.settled.settings
    assert isinstance(settings, BoostedTreesConfig), "the adopter of this kind"
    fitted, started = trees.adopt(settings, assignment.preprocessing)
    return TrainedModel(
        model=fitted.model, assignment=assignment, settings=fitted.settings, started=started
    )


def copy(assignment: Assignment, strategy: tf.distribute.Strategy) -> OldCopy:
    """Returns an old model to copy unchanged; see `trainers.Trainer`."""
    settings = assignment.settled.settings
    assert isinstance(settings, Tf1Config), "the trainer of this kind"
    return OldCopy(assignment.run.model, settings, assignment.preprocessing)
