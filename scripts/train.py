"""Trains a run of a model on the encoded examples and keeps the weights of the best epoch.

A killed run resumes from its last checkpoint, which is beside --output.
"""

import argparse
import atexit
from pathlib import Path

from millrace import config, errors
from millrace.config import runs
from millrace.console import costs
from millrace.training import trainers


def main() -> None:
    """Reads preprocessing.json, encoded/ and earlier runs; writes a folder and the hardware."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a run, such as tabm or tabm/seeds/1")
    for name in ("config", "preprocessing", "encoded", "models", "output", "hardware"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    job = config.load(arguments.config)
    run = runs.named(job, arguments.model)
    assignment = trainers.Assignment(
        job=job,
        run=run,
        preprocessing_path=arguments.preprocessing,
        encoded=arguments.encoded,
        models=arguments.models,
        output=arguments.output,
        settled=runs.settle(job, run, arguments.models),
    )
    trainers.train(assignment, arguments.hardware)


if __name__ == "__main__":
    atexit.register(lambda: print(costs.spent(), flush=True))
    errors.exit_with_status(main)
