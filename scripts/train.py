"""Trains one run of a model on the encoded examples and keeps the weights of its best epoch.

A run that was killed goes on from its last checkpoint, which lies beside --output.
"""

import argparse
import atexit
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from millrace import config, errors, models, user_code
from millrace.config import runs
from millrace.console import costs
from millrace.export.serving import load_predictor
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing
from millrace.files import read_json, sha256, write_json
from millrace.models import boosted_trees, ensemble
from millrace.tf1 import adoption, trees
from millrace.tf1.predictor import adopt
from millrace.training import (
    cluster,
    hardware,
    logs,
    loop,
    recipe,
    strategies,
    trained_model,
    workers,
)
from millrace.training.batches import example_weights, source
from millrace.training.checkpoints import Checkpoints
from millrace.training.debugging import Debug

import keras
import numpy as np
import tensorflow as tf


def main() -> None:
    """Reads preprocessing.json, encoded/ and earlier runs; writes a folder, and what machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a run, such as tabm or tabm/seeds/1")
    for name in ("config", "preprocessing", "encoded", "models", "output", "hardware"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    job = config.load(arguments.config)
    run = runs.named(job, arguments.model)
    if run.ensemble:
        write_json(arguments.hardware, hardware.describe(strategies.create(job["training"])))
        join(arguments, job, run)
        return
    if (count := workers.needed(job, run.model)) > 1 and cluster.find(os.environ) is None:
        workers.start(count)
        return
    workers.end_with_starter()
    if strategies.serve(job["training"]):
        return  # the chief, which it served, is done
    settled = runs.settle(job, run, arguments.models)
    job = settled.job
    model_settings = models.pinned(job["models"][run.model])
    strategy = strategies.create(job["training"])
    if strategies.is_chief(strategy):
        write_json(arguments.hardware, hardware.describe(strategy))
    preprocessing = Preprocessing.load(arguments.preprocessing)
    if model_settings["kind"] == "tf1":
        adopt(run.model, model_settings, preprocessing, arguments.output)
        return
    task = preprocessing.task
    debug = Debug(**job["training"]["debug"])
    examples, validation = (
        encoded.Blocks(arguments.encoded / f"{split}.tfrecord", preprocessing.spec)
        for split in ("train", "validation")
    )
    if run.fold is not None:
        labels = np.concatenate([block.labels for block in examples])
        folds = runs.fold_rows(labels, job["selection"]["folds"], job["seed"])
        examples = examples.without(folds[run.fold])
    rows = min(sum(examples.rows), debug.rows or sum(examples.rows))
    defaults = models.training_defaults(model_settings, rows)
    settings = recipe.Settings.of(job, run.model, defaults, rows)
    settings = replace(settings, epochs=run.budget(settings.epochs))
    class_weights = recipe.class_weights(settings, task, (block.labels for block in examples))
    description = {"model": run.name, "settings": model_settings, "seed": run.seed}
    if settled.trial:
        description["trial"] = settled.trial
    if model_settings["kind"] == "boosted_trees":
        if "adopt" in model_settings:
            fitted, description["started"] = trees.adopt(model_settings, preprocessing)
        else:
            parts = examples.first(debug.rows), validation.first(debug.rows)
            budgeted = {**model_settings, "trees": run.budget(model_settings["trees"])}
            weights = example_weights(parts[0], class_weights)
            fitted = boosted_trees.fit(budgeted, preprocessing.spec, task, parts, run.seed, weights)
        description["settings"] = fitted.settings
        trained_model.write(
            arguments.output, fitted.model, description, fitted.history, fitted.best, settled.tuned
        )
        return
    keras.utils.set_random_seed(run.seed)
    with strategy.scope(), recipe.precision(settings.precision):
        model = models.build(model_settings, preprocessing.spec, task)
    if started := adoption.start(model, model_settings, preprocessing):
        description["started"] = started
    if "adopt" in model_settings:
        trained_model.write(arguments.output, model, description, [], best_epoch=0)
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
    callbacks += logs.callbacks(job["training"], arguments.output.parent, checkpoints.chief)
    try:
        outcome = loop.train(model, task, settings, data, run.seed, callbacks, checkpoints, debug)
        history, best_epoch = outcome.history, outcome.best_epoch
    except errors.DivergedError as error:
        # A search may try what does not work: such a trial is the worst.
        if run.rung is None:
            raise
        print(f"the trial ends here: {error}")
        history, best_epoch = [], 0
    if checkpoints.chief:
        trained_model.write(
            arguments.output, model, description, history, best_epoch, settled.tuned
        )
        checkpoints.remove()


def join(arguments: argparse.Namespace, job: dict[str, Any], run: runs.Run) -> None:
    """Makes one model of the trained seeds."""
    members = [
        arguments.models / str(run.after) / str(place) / "training"
        for place in range(job["models"][run.model]["seeds"])
    ]
    predictors = [load_predictor(arguments.preprocessing, member) for member in members]
    settings = [read_json(member / "training.json")["settings"] for member in members]
    spec = predictors[0].preprocessing.spec
    model = ensemble.join([predictor.model for predictor in predictors], spec)
    description = {"model": run.name, "settings": {"kind": "ensemble", "members": settings}}
    trained_model.write(arguments.output, model, description | {"seed": run.seed}, [], best_epoch=0)


if __name__ == "__main__":
    atexit.register(lambda: print(costs.spent(), flush=True))
    errors.run(main)
