"""A trained model on disk: its weights, its history, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from millrace.files import replacing, write_json
from millrace.results import TrainingFolder
from millrace.training.checkpoints import write_history


@dataclass(frozen=True)
class TrainedModel:
    """A trained Keras model, and what is known of its training.

    Attributes:
        model: the model, with the weights to keep.
        description: what was known beforehand; `settings` are those that `models.build` takes.
        history: the logs of each epoch; for trees, of each round of them.
        best_epoch: the one, from 1, that the weights are of; 0 when there was none.
        tuned: its settings as YAML, where a search found them.
    """

    model: keras.Model
    description: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    tuned: str = ""

    def write(self, output: Path) -> None:
        """Writes weights, history.csv and training.json into a new directory."""
        with replacing(output) as directory:
            directory.mkdir()
            made = TrainingFolder(directory)
            self.model.save_weights(made.weights)
            write_history(made.history, self.history)
            if self.tuned:
                made.tuned.write_text(self.tuned, encoding="utf-8")
            outcome = {
                "parameters": self.model.count_params(),
                "bytes": made.weights.stat().st_size,
                "epochs": len(self.history),
                "best_epoch": self.best_epoch,
                "val_loss": self.history[self.best_epoch - 1]["val_loss"] if self.history else None,
            }
            write_json(made.description, self.description | outcome)
