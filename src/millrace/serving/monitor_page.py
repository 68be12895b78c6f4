"""The page of `monitor`, which shows its windows over time."""

from pathlib import Path

from millrace.artifacts.monitoring import Monitoring
from millrace.errors import MillraceError
from millrace.files import replacing
from millrace.report import inline_html
from millrace.results import Results


def check_output(path: Path, results: Results) -> None:
    """Raises MillraceError if a file that monitor did not write would be replaced."""
    if path.suffix != ".json":
        raise MillraceError(
            f"OUT: expected a name that ends with .json, found {path}.",
            note="name it: `make monitor ROWS=new.csv OUT=monitor.json`.",
        )
    if path.resolve().is_relative_to(results.folder.resolve()):
        raise MillraceError(
            f"OUT: expected a path outside {results.folder}, which holds the job's artifacts, "
            f"found {path}.",
            note="write to another folder.",
        )
    page = path.with_suffix(".html")
    if not path.exists() and not page.exists():
        return
    try:
        Monitoring.load(path)
    except MillraceError:
        raise MillraceError(
            f"{path if path.exists() else page}: expected a new file, or one that monitor wrote, "
            "found another.",
            note="it would be replaced: write to another file, or remove this one.",
        ) from None


def write(found: Monitoring, path: Path, min_count: int) -> None:
    """Writes the page.

    Args:
        found: what it shows.
        path: the file.
        min_count: slices of fewer rows are not shown by their value.
    """
    columns = list(dict.fromkeys(x.column for window in found.windows for x in window.columns))
    text = inline_html.render("monitor", [], [], found=found, columns=columns, min_count=min_count)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
