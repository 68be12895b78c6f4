"""Converts the SavedModel to a TF.js graph model."""

import argparse
from functools import partial
from pathlib import Path

from millrace import config
from millrace.artifacts.conversion import Conversion
from millrace.errors import exit_with_status
from millrace.export import conversion
from millrace.files import replacing
from millrace.results import ConvertedFolder
from millrace.training import devices


def main() -> None:
    """Reads the SavedModel; writes model.json, its weights and conversion.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "saved-model", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    wanted = config.load(arguments.config).export.tfjs
    with replacing(arguments.output) as directory:
        directory.mkdir()
        convert = partial(conversion.convert_tfjs, arguments.saved_model, directory)
        _, left_out = conversion.attempt("tfjs", wanted, convert)
        Conversion(left_out).save(ConvertedFolder(directory).description)
    if left_out:
        print(f"not converted: {left_out}")


if __name__ == "__main__":
    exit_with_status(main)
