"""The memory and time that a rule requests."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.io import get_flag_value


def grows(base: float, per_mb: float = 0) -> Callable[[object, Iterable[str], int], int]:
    """Returns a rule's resource, which grows with the size of its input and with each retry.

    A job that ran out of memory or time gets the same amount on top. The size is computed here
    because Snakemake's size of a folder does not include its files.

    Args:
        base: the amount without input.
        per_mb: the amount per megabyte of input.
    """

    def resource(wildcards: object, input: Iterable[str], attempt: int) -> int:
        size = sum(map(_megabytes, input)) if per_mb else 0
        return round(attempt * (base + per_mb * size))

    return resource


def _megabytes(path: str) -> float:
    """Returns the size of a file or folder; on FileNotFoundError Snakemake calls it again later.

    For a storage that is a folder, as in pods of Kubernetes, the size is measured there.
    """
    stored = get_flag_value(path, "storage_object")
    place = stored.query if stored else path
    inside = (str(item) for item in Path(place).rglob("*"))
    return sum(os.path.getsize(name) for name in (place, *inside)) / 1e6
