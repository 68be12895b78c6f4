"""The files that bless judges and push ships."""

from pathlib import Path

from millrace.files import visible
from millrace.results import Results


def shipped_files(results: Results) -> dict[str, Path]:
    """Returns the files by form and path, such as `saved_model/saved_model.pb`, or by name."""
    found = {
        f"{form}/{path.relative_to(folder).as_posix()}": path
        for form, folder in results.exported.items()
        for path in visible(folder)
    }
    single = {
        "signature": results.signature,
        "parity": results.parity,
        "warm_up": results.warm_up,
    }
    return found | single
