"""A trained model on disk: its weights, its history, and how it came about."""

from pathlib import Path
from typing import Any

import keras

from millrace.files import replacing, write_json
from millrace.training.checkpoints import write_history

WEIGHTS = "model.weights.h5"


def write(
    output: Path,
    model: keras.Model,
    description: dict[str, Any],
    history: list[dict[str, float]],
    best_epoch: int,
    tuned: str = "",
) -> None:
    """Writes a trained model to a directory.

    Args:
        output: the directory.
        model: the model, with the weights to keep.
        description: what is known of it beforehand; `settings` are those that `models.build` takes.
        history: the logs of each epoch; for trees, of each round of them.
        best_epoch: the one, from 1, that the weights are of; 0 when there was none.
        tuned: its settings as YAML, where a search found them.
    """
    with replacing(output) as directory:
        directory.mkdir()
        model.save_weights(directory / WEIGHTS)
        write_history(directory / "history.csv", history)
        if tuned:
            (directory / "tuned.yaml").write_text(tuned, encoding="utf-8")
        outcome = {
            "parameters": model.count_params(),
            "bytes": (directory / WEIGHTS).stat().st_size,
            "epochs": len(history),
            "best_epoch": best_epoch,
            "val_loss": history[best_epoch - 1]["val_loss"] if history else None,
        }
        write_json(directory / "training.json", description | outcome)
