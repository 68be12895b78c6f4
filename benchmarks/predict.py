"""Predicts the test rows with some of our models, for benchmarks/models.py.

    python predict.py DIRECTORY MODEL…

A process of its own: what the benchmark itself holds in memory would count as its children's.
"""

import sys
from pathlib import Path

import numpy as np


def main() -> None:
    """Reads the encoded test rows in DIRECTORY; writes predictions.npy into each MODEL's folder."""
    directory, *models = (Path(argument) for argument in sys.argv[1:])
    encoded, examples = directory / "encoded", directory / "examples"
    for model in models:
        predictor = models.load(directory / "preprocessing.json", model / "training")
        np.save(model / "predictions.npy", predictor.predict_split(encoded, examples, "test"))


if __name__ == "__main__":
    main()
