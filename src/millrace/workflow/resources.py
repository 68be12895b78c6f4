"""The memory and the time that a rule asks for."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.io import get_flag_value


def grows(base: float, per_mb: float = 0) -> Callable[[object, Iterable[str], int], int]:
    """Returns a rule's resource that grows with the size of its input, and with each retry.

    A job that was killed for want of memory or time gets as much again. Snakemake's own size of a
    folder is that of its list of files.

    Args:
        base: for no input at all.
        per_mb: added for each megabyte of input.
    """

    def resource(wildcards: object, input: Iterable[str], attempt: int) -> int:
        size = sum(map(_megabytes, input)) if per_mb else 0
        return round(attempt * (base + per_mb * size))

    return resource


def _megabytes(path: str) -> float:
    """Returns the size of a file or a folder; FileNotFoundError tells Snakemake to ask later.

    What is in a storage that is a folder, as the pods of Kubernetes have it, is measured there.
    """
    stored = get_flag_value(path, "storage_object")
    place = stored.query if stored else path
    inside = (str(item) for item in Path(place).rglob("*"))
    return sum(os.path.getsize(name) for name in (place, *inside)) / 1e6
