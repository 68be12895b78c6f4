"""The trainer of boosted trees, which take all examples at once."""

from __future__ import annotations

import tensorflow as tf

from millrace.models import boosted_trees
from millrace.training import gradient, recipe
from millrace.training.batches import example_weights
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Trains boosted trees; see `trainers.Trainer`."""
    preprocessing, settings = assignment.preprocessing, assignment.settings
    examples, validation = assignment.examples
    labels = (block.labels for block in examples)
    class_weights = recipe.class_weights(
        gradient.settings_of(assignment, settings), preprocessing.task, labels
    )
    data = examples.first(assignment.debug.rows), validation.first(assignment.debug.rows)
    fitted = boosted_trees.fit(
        {**settings, "trees": assignment.run.budget(settings["trees"])},
        preprocessing.spec,
        preprocessing.task,
        data,
        assignment.run.seed,
        example_weights(data[0], class_weights),
    )
    description = assignment.describe(fitted.settings)
    return TrainedModel(fitted.model, description, fitted.history, fitted.best, assignment.tuned)
