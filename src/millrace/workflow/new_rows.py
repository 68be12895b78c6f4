"""The files of new rows that a config lists, and the names of their predictions."""

import re
from collections.abc import Iterable
from pathlib import Path

from millrace.errors import MillraceError
from millrace.fetching import sources

# The endings of a file's name for its format and compression.
FORMAT = re.compile(
    r"(\.(csv|tsv|txt|jsonl|ndjson|json|parquet))?(\.(gz|bz2|xz|zst|zip))?$", re.IGNORECASE
)


def by_name(files: Iterable[str]) -> dict[str, str]:
    """Returns the paths under `score.files`, by their names without the endings of the format.

    Patterns and folders may be empty. Raises MillraceError when two files have the same name.
    """
    found: dict[str, str] = {}
    for path in dict.fromkeys(match for file in files for match in _matches(file)):
        name = re.sub(r"[^\w.-]", "_", FORMAT.sub("", Path(path).name))
        if name in found:
            raise MillraceError(
                f"score.files: expected files of different names, found {found[name]} and {path}, "
                f"whose predictions would both be called {name}.",
                note="rename one of them.",
            )
        found[name] = path
    return found


def _matches(file: str) -> list[str]:
    try:
        return [source.name for source in sources.named(file, key="score.files")]
    except MillraceError:  # nothing is there
        return []
