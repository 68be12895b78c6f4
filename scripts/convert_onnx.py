"""Converts the SavedModel into an ONNX model."""

import argparse
from functools import partial
from pathlib import Path

from millrace import config
from millrace.artifacts.conversion import Conversion
from millrace.artifacts.signature import Signature
from millrace.errors import exit_with_status
from millrace.export import conversion
from millrace.files import replacing
from millrace.results import ConvertedFolder
from millrace.training import devices


def main() -> None:
    """Reads the SavedModel and signature.json; writes model.onnx and conversion.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "saved-model", "signature", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    wanted = config.load(arguments.config).export.onnx
    metadata = {
        "name": Signature.load(arguments.signature).model,
        "signature": arguments.signature.read_text(encoding="utf-8"),
    }
    convert = partial(conversion.convert_onnx, arguments.saved_model, metadata)
    model, left_out = conversion.attempt("onnx", wanted, convert)
    with replacing(arguments.output) as directory:
        directory.mkdir()
        folder = ConvertedFolder(directory)
        if model is None:
            print(f"not converted: {left_out}")
        else:
            folder.onnx.write_bytes(model)
        Conversion(left_out).save(folder.description)


if __name__ == "__main__":
    exit_with_status(main)
