"""Trains one model on the encoded examples and keeps the weights of its best epoch.

A run that was killed goes on from its last checkpoint, which lies beside --output.
"""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from millrace import config, encoded, hardware, models, user_code
from millrace.errors import MillraceError, run
from millrace.files import replacing, sha256, write_json
from millrace.models import boosted_trees
from millrace.preprocessing import Preprocessing
from millrace.tf1 import adoption
from millrace.tf1.predictor import adopt
from millrace.training import cluster, loop, recipe, strategies, workers
from millrace.training.batches import example_weights, source
from millrace.training.checkpoints import Checkpoints, write_history
from millrace.training.debugging import Debug

import keras
import tensorflow as tf


def main() -> None:
    """Reads preprocessing.json and encoded/; writes a folder, and what machine this is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a name under `models` in the config")
    for name in ("config", "preprocessing", "encoded", "output", "hardware"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    if arguments.model not in job["models"]:
        raise MillraceError(
            f"--model: expected one of {sorted(job['models'])}, found {arguments.model!r}."
        )
    count = workers.needed(job, arguments.model)
    if count > 1 and cluster.find(os.environ) is None:
        workers.start(count)
        return
    model_settings = models.pinned(job["models"][arguments.model])
    strategy = strategies.create(job["training"])
    if strategies.is_chief(strategy):
        write_json(arguments.hardware, hardware.describe(strategy))
    preprocessing = Preprocessing.load(arguments.preprocessing)
    if model_settings["kind"] == "tf1":
        adopt(arguments.model, model_settings, preprocessing, arguments.output)
        return
    task = preprocessing.task
    debug = Debug(**job["training"]["debug"])
    examples, validation = (
        encoded.Blocks(arguments.encoded / f"{split}.tfrecord", preprocessing.spec)
        for split in ("train", "validation")
    )

    rows = min(sum(examples.rows), debug.rows or sum(examples.rows))
    defaults = models.training_defaults(model_settings["kind"], rows)
    settings = recipe.Settings.of(job, arguments.model, defaults, rows)
    class_weights = recipe.class_weights(settings, task, (block.labels for block in examples))
    description = {"model": arguments.model, "settings": model_settings, "seed": job["seed"]}
    if model_settings["kind"] == "boosted_trees":
        parts = examples.first(debug.rows), validation.first(debug.rows)
        fitted = boosted_trees.fit(
            *(model_settings, preprocessing.spec, task, parts, job["seed"]),
            example_weights(parts[0], class_weights),
        )
        description["settings"] = fitted.settings
        write(arguments.output, fitted.model, description, fitted.history, fitted.best)
        return
    keras.utils.set_random_seed(job["seed"])
    with strategy.scope():
        model = models.build(model_settings, preprocessing.spec, task)
    if started := adoption.start(model, model_settings, preprocessing):
        description["started"] = started
    if "adopt" in model_settings:
        write(arguments.output, model, description, [], best_epoch=0)
        return
    description["training"] = asdict(settings)
    code = job["training"].get("callbacks")
    made_from = {
        "preprocessing": sha256(arguments.preprocessing),
        "examples": sha256(arguments.encoded / "train.tfrecord"),
        "rows": rows,
        "callbacks": user_code.checksum(code, "training.callbacks") if code else None,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    checkpoints = Checkpoints(
        arguments.output.parent / "checkpoints",
        run=description | made_from,
        minutes=job["training"]["checkpoint_minutes"],
        chief=strategies.is_chief(strategy),
    )
    data = (
        source(examples, settings.buffer_rows, debug.rows, class_weights),
        source(validation, settings.buffer_rows, debug.rows),
    )
    callbacks = user_code.callbacks(code) if code else []
    if job["training"]["tensorboard"] and checkpoints.chief:
        callbacks.append(user_code.tensorboard(arguments.output.parent / "tensorboard"))
    outcome = loop.train(model, task, settings, data, job["seed"], callbacks, checkpoints, debug)
    if checkpoints.chief:
        write(arguments.output, model, description, outcome.history, outcome.best_epoch)
        checkpoints.remove()


def write(
    output: Path,
    model: keras.Model,
    description: dict[str, Any],
    history: list[dict[str, float]],
    best_epoch: int,
) -> None:
    """Writes a trained model and how it came about; for trees, an epoch is a round of them."""
    with replacing(output) as directory:
        directory.mkdir()
        model.save_weights(directory / "model.weights.h5")
        write_history(directory / "history.csv", history)
        outcome = {
            "parameters": model.count_params(),
            "epochs": len(history),
            "best_epoch": best_epoch,
            "val_loss": history[best_epoch - 1]["val_loss"] if history else None,
        }
        write_json(directory / "training.json", description | outcome)


if __name__ == "__main__":
    run(main)
