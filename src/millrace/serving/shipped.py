"""The files that bless judges and push ships."""

from pathlib import Path

from millrace.files import visible
from millrace.results import Results


def shipped_files(results: Results) -> dict[str, Path]:
    """Returns the files by form and path, such as `saved_model/saved_model.pb`, or by name."""
    forms = {
        "saved_model": results.saved_model,
        "tflite": results.tflite,
        "tfjs": results.tfjs,
        "onnx": results.onnx,
    }
    found = {
        f"{form}/{path.relative_to(folder).as_posix()}": path
        for form, folder in forms.items()
        for path in visible(folder)
    }
    single = {
        "signature": results.signature,
        "parity": results.parity,
        "warm_up": results.warm_up,
    }
    return found | single
