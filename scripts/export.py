"""Exports the champion with its feature columns as a SavedModel that takes raw rows."""

import argparse
from pathlib import Path

from millrace import models
from millrace.artifacts.champion import Champion
from millrace.artifacts.metrics import Metrics
from millrace.errors import exit_with_status
from millrace.evaluation import selection
from millrace.export import serving, signature
from millrace.files import replacing
from millrace.results import RunFolder
from millrace.training import devices


def main() -> None:
    """Reads champion, preprocessing and weights; writes the SavedModel and signature.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("champion", "models", "preprocessing", "saved-model", "signature"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    champion = Champion.load(arguments.champion)
    selection.require_gate(champion)
    folder = RunFolder(arguments.models / champion.model)
    predictor = models.load(arguments.preprocessing, folder.training)
    with replacing(arguments.saved_model) as directory:
        serving.export_saved_model(predictor, directory)
    threshold = Metrics.load(folder.metrics).threshold
    described = signature.describe(champion.model, predictor.preprocessing, threshold)
    described.save(arguments.signature)


if __name__ == "__main__":
    exit_with_status(main)
