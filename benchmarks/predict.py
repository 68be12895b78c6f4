"""Predicts the test rows with one of our models, for benchmarks/models.py.

    python predict.py DIRECTORY TRAINING PREDICTIONS

A process of its own: what the benchmark itself holds in memory would count as its children's.
"""

import sys
from pathlib import Path

import numpy as np

from millrace.serving import load_predictor


def main() -> None:
    """Reads the encoded test rows in DIRECTORY and the model in TRAINING; writes PREDICTIONS."""
    directory, training, predictions = (Path(argument) for argument in sys.argv[1:])
    predictor = load_predictor(directory / "preprocessing.json", training)
    encoded, examples = directory / "encoded", directory / "examples"
    np.save(predictions, predictor.predict_split(encoded, examples, "test"))


if __name__ == "__main__":
    main()
