"""Predicts the test rows with some of our models, for benchmarks/models.py.

    python predict.py DIRECTORY MODEL…

It has its own process because the benchmark's memory would count towards its children's.
"""

import sys
from pathlib import Path

from millrace import models

import numpy as np


def main() -> None:
    """Reads the encoded test rows in DIRECTORY; writes predictions.npy into each MODEL's folder."""
    directory, *trained = (Path(argument) for argument in sys.argv[1:])
    encoded, examples = directory / "encoded", directory / "examples"
    for model in trained:
        predictor = models.load(directory / "preprocessing.json", model / "training")
        np.save(model / "predictions.npy", predictor.predict_split(encoded, examples, "test"))


if __name__ == "__main__":
    main()
