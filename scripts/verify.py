"""Sends the same raw rows through every runtime, and fails if a prediction differs."""

import argparse
from pathlib import Path

from millrace import config, models
from millrace.artifacts.champion import Champion
from millrace.errors import exit_with_status
from millrace.export import certificate
from millrace.training import devices


def main() -> None:
    """Reads the champion in all its forms and test rows; writes parity.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "champion", "models", "preprocessing", "examples"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("saved-model", "signature", "tflite", "tfjs", "onnx", "parity"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    job = config.load(arguments.config)
    champion = Champion.load(arguments.champion).model
    predictor = models.load(arguments.preprocessing, arguments.models / champion / "training")
    rows = certificate.read_rows(arguments.examples, job, predictor.preprocessing.raw)
    exported = certificate.Exported(
        arguments.signature,
        arguments.saved_model,
        arguments.tflite,
        arguments.tfjs,
        arguments.onnx,
    )
    certificate.certify(champion, predictor, rows, exported, job).save(arguments.parity)


if __name__ == "__main__":
    exit_with_status(main)
