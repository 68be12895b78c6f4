"""Converts the SavedModel into a TF.js graph model."""

import argparse
from pathlib import Path

from millrace.conversion import convert_tfjs
from millrace.errors import run
from millrace.files import replacing
from millrace.training import devices


def main() -> None:
    """Reads the SavedModel; writes model.json and its weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saved-model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    with replacing(arguments.output) as directory:
        convert_tfjs(arguments.saved_model, directory)


if __name__ == "__main__":
    run(main)
