"""Trains a run: starts its processes, then the trainer of its kind of model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from millrace import models
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.config.models import is_trained
from millrace.config.values import plain_form
from millrace.features import encoded
from millrace.features.encoded import Blocks
from millrace.features.preprocessing import Preprocessing
from millrace.training import calibration, cluster, hardware, strategies, workers
from millrace.training.debugging import Debug


@dataclass(frozen=True)
class Assignment:
    """A run to train, with the paths of its inputs and output.

    Attributes:
        job: the config.
        run: the run.
        preprocessing_path: preprocessing.json.
        encoded: the directory that preprocess wrote.
        models: the directory of all runs.
        output: the directory to write; checkpoints are beside it.
        settled: the model's settings.
    """

    job: JobConfig
    run: runs.Run
    preprocessing_path: Path
    encoded: Path
    models: Path
    output: Path
    settled: runs.Settled

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The feature columns."""
        return Preprocessing.load(self.preprocessing_path)

    @property
    def debug(self) -> Debug:
        """The debugging options."""
        return Debug(**plain_form(self.job.training.debug))

    @cached_property
    def examples(self) -> tuple[Blocks, Blocks]:
        """Training examples, without the fold that the run leaves out, and validation examples."""
        examples, validation = (
            encoded.Blocks(self.encoded / f"{split}.tfrecord", self.preprocessing.spec)
            for split in ("train", "validation")
        )
        if self.run.fold is not None:
            labels = np.concatenate([block.labels for block in examples])
            assert self.job.selection.folds, "a fold is one of several"
            folds = runs.fold_rows(labels, self.job.selection.folds, self.job.seed)
            examples = examples.without(folds[self.run.fold])
        return examples, validation

    @property
    def is_calibrated(self) -> bool:
        """Whether the probabilities are to be calibrated: those of a model that is trained here."""
        wanted = self.job.training.calibration == "auto" and self.run.rung is None
        return wanted and is_trained(self.settled.settings)

    @property
    def rows(self) -> int:
        """The number of training examples that are used."""
        rows = sum(self.examples[0].rows)
        return min(rows, self.debug.rows or rows)


class Trained(Protocol):
    """The result of a trainer."""

    def write(self, output: Path) -> None:
        """Writes it into a new directory, with training.json and history.csv."""
        ...


# Trains a run. Returns None in a process that does not write the result.
Trainer = Callable[[Assignment, tf.distribute.Strategy], Trained | None]


def train(assignment: Assignment, hardware_path: Path) -> None:
    """Trains a run, in several processes if configured, and writes the model and the hardware.

    Args:
        assignment: the run.
        hardware_path: hardware.json.
    """
    job, settings = assignment.job, assignment.settled.settings
    if (count := workers.needed(job, settings)) > 1 and cluster.find(os.environ) is None:
        workers.start(count)
        return
    workers.end_with_starter()
    if strategies.serve(job.training):
        return  # the chief, which it served, is done
    strategy = strategies.create(job.training)
    if strategies.is_chief(strategy):
        hardware.describe(strategy).save(hardware_path)
    if assignment.is_calibrated:  # an error before hours are spent
        validation = assignment.examples[1].first()
        calibration.require_classes(assignment.preprocessing.task, validation.labels)
    trained: Trained | None = models.trainer(settings)(assignment, strategy)
    if trained is not None:
        trained.write(assignment.output)
