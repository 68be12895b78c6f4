"""Converts the SavedModel to TF Lite, and ships reduced models that are accurate enough."""

import argparse
from functools import partial
from pathlib import Path

from millrace import config
from millrace.artifacts.conversion import Conversion, Converted
from millrace.artifacts.signature import Signature
from millrace.errors import exit_with_status
from millrace.export import conversion, reduction
from millrace.features.preprocessing import Preprocessing
from millrace.files import replacing
from millrace.results import ConvertedFolder
from millrace.training import devices


def main() -> None:
    """Reads the SavedModel and examples; writes *.tflite and conversion.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "saved-model", "signature", "preprocessing", "examples", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    job = config.load(arguments.config)
    convert = partial(conversion.convert_tflite, arguments.saved_model)
    full, left_out = conversion.attempt("tflite", job.export.tflite, convert)
    with replacing(arguments.output) as directory:
        directory.mkdir()
        description = Conversion(left_out, artifacts=[])
        if full is None:
            print(f"not converted: {left_out}")
        else:
            signature = Signature.load(arguments.signature)
            preprocessing = Preprocessing.load(arguments.preprocessing)
            compared = reduction.Comparison(full, signature, preprocessing, arguments.examples, job)
            written = _write(compared, directory)
            description = Conversion(None, compared.rows, compared.metric, written)
        description.save(ConvertedFolder(directory).description)


def _write(compared: reduction.Comparison, directory: Path) -> list[Converted]:
    """Writes the models that are accurate enough; returns the entries of all models."""
    models = [compared.full]
    for reduced in compared.reduced():
        entry = reduced.entry
        shipped = "shipped" if entry.shipped else "not shipped"
        print(f"{entry.precision}: {shipped}, {entry.reason}")
        models.append(reduced)
    for each in models:
        if each.model is not None:
            (directory / each.entry.artifact).write_bytes(each.model)
    return [each.entry for each in models]


if __name__ == "__main__":
    exit_with_status(main)
