"""The trainer of boosted trees, which are fitted to all examples at once."""

from __future__ import annotations

import tensorflow as tf

from millrace.config.models import BoostedTreesConfig
from millrace.models import boosted_trees
from millrace.training import gradient, recipe
from millrace.training.batches import example_weights
from millrace.training.trained_model import TrainedModel
from millrace.training.trainers import Assignment


def train(assignment: Assignment, strategy: tf.distribute.Strategy) -> TrainedModel:
    """Trains boosted trees; see `trainers.Trainer`."""
    preprocessing, settings = assignment.preprocessing, assignment.settled.settings
    assert isinstance(settings, BoostedTreesConfig), "the trainer of this kind"
    examples, validation = assignment.examples
    labels = (block.labels for block in examples)
    class_weights = recipe.class_weights(gradient.recipe_of(assignment), preprocessing.task, labels)
    data = examples.first(assignment.debug.rows), validation.first(assignment.debug.rows)
    fitted = boosted_trees.fit(
        settings.changed(trees=assignment.run.budget(settings.trees)),
        preprocessing.spec,
        preprocessing.task.of_model(settings),
        data,
        assignment.run.seed,
        example_weights(data[0], class_weights),
    )
    return TrainedModel(
        model=fitted.model,
        assignment=assignment,
        settings=fitted.settings,
        history=fitted.history,
        best_epoch=fitted.best,
    )
