"""Trainers of old models: they take what TensorFlow 1 trained."""

from __future__ import annotations

import tensorflow as tf

from millrace.tf1 import adoption, trees
from millrace.tf1.predictor import OldCopy
from millrace.training import gradient
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def adopt_network(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Returns one of Millrace's networks with an old one's weights; see `trainers.Trainer`."""
    settings = assignment.settings
    precision = gradient.settings_of(assignment, settings).precision
    model = gradient.build(assignment, strategy, settings, precision)
    started = adoption.start(model, settings, assignment.preprocessing)
    return TrainedModel(model, assignment.describe(settings) | {"started": started})


def adopt_trees(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Returns boosted trees with an old model's trees; see `trainers.Trainer`."""
    fitted, started = trees.adopt(assignment.settings, assignment.preprocessing)
    return TrainedModel(fitted.model, assignment.describe(fitted.settings) | {"started": started})


def copy(assignment: Assignment, strategy: tf.distribute.Strategy) -> OldCopy:
    """Returns an old model to be kept as it is; see `trainers.Trainer`."""
    return OldCopy(assignment.run.model, assignment.settings, assignment.preprocessing)
