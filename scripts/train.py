"""Trains one model on the encoded examples and keeps the weights of its best epoch."""

import argparse
from pathlib import Path

from millrace import config, encoded, models, training
from millrace.errors import MillraceError, run
from millrace.files import replacing, write_json
from millrace.preprocessing import Preprocessing

import keras


def main() -> None:
    """Reads preprocessing.json and encoded/; writes weights, history.csv and training.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a name under `models` in the config")
    for name in ("config", "preprocessing", "encoded", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    if arguments.model not in job["models"]:
        raise MillraceError(
            f"--model: expected one of {sorted(job['models'])}, found {arguments.model!r}."
        )
    model_settings = job["models"][arguments.model]
    preprocessing = Preprocessing.load(arguments.preprocessing)
    data = (
        encoded.read(arguments.encoded / "train.tfrecord", preprocessing.spec),
        encoded.read(arguments.encoded / "validation.tfrecord", preprocessing.spec),
    )

    keras.utils.set_random_seed(job["seed"])
    model = models.build(model_settings, preprocessing.spec, preprocessing.task)
    settings = training.Settings.of(job, arguments.model, len(data[0]))
    with replacing(arguments.output) as directory:
        directory.mkdir()
        history = keras.callbacks.CSVLogger(str(directory / "history.csv"))
        outcome = training.train(model, preprocessing.task, settings, data, job["seed"], [history])
        model.save_weights(directory / "model.weights.h5")
        description = {
            "model": arguments.model,
            "settings": model_settings,
            "training": vars(settings),
            "seed": job["seed"],
            "parameters": model.count_params(),
            **vars(outcome),
        }
        write_json(directory / "training.json", description)


if __name__ == "__main__":
    run(main)
