"""Checks the paths to score and to write, so that no foreign file is replaced."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

from millrace.artifacts.scoring import Scoring
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.fetching import own_inputs, source_names, sources
from millrace.results import Results, ScoredFile
from millrace.serving.scored_files import check_ending


def check_paths(job: JobConfig, results: Results, rows: str, scored: ScoredFile) -> list[str]:
    """Returns the files or tables that `rows` names.

    Raises:
        MillraceError: there are none, or an output is one of them, an input or an artifact of the
            job, or a file that was not written by an earlier scoring.
    """
    check_ending(scored.predictions)
    found = named_rows(rows)
    own_inputs.refuse_own(job, scored.files)
    _refuse_training(job, scored)
    _refuse_input(rows, found, scored)
    _refuse_artifact(results, scored)
    _refuse_foreign(scored)
    return found


def named_rows(rows: str) -> list[str]:
    """Returns the files or tables that `rows` names.

    Raises:
        MillraceError: there are none, or it is an address.
    """
    if not rows:
        raise MillraceError(
            "ROWS: expected a file of new rows, found nothing.",
            note="name it: `make score ROWS=new.csv OUT=scored.parquet`.",
        )
    if source_names.is_url(rows):
        raise MillraceError(
            "ROWS: expected a path, table:name or an .sql file, found an address.",
            note="download the file first.",
        )
    return [source.name for source in sources.named(rows, key="ROWS")]


def _refuse_training(job: JobConfig, scored: ScoredFile) -> None:
    """Refuses outputs that a pattern in the config would match once they exist."""
    patterns = {"data.files": sources.written(job.data.files), "score.files": job.score.files}
    for key, names in patterns.items():
        for name in names:
            for path in scored.files:
                if _matches(os.path.realpath(path), os.path.realpath(name)):
                    raise MillraceError(
                        f"OUT: expected a path that {key} does not take in, found {path} beside "
                        f"{name}.",
                        note="write to another folder: the next run would read what is written.",
                    )


def _refuse_input(rows: str, found: Sequence[str], scored: ScoredFile) -> None:
    inputs = {os.path.realpath(name) for name in found if not source_names.is_elsewhere(name)}
    named = os.path.realpath(rows)
    for path in scored.files:
        real = os.path.realpath(path)
        is_below = Path(rows).is_dir() and Path(real).is_relative_to(named)
        if real in inputs or is_below or _matches(real, named):
            raise MillraceError(
                f"OUT: expected a path that ROWS does not take in, found {path} beside "
                f"ROWS={rows}.",
                note="write to another folder: what is written would be scored the next time.",
            )


def _matches(path: str, pattern: str) -> bool:
    """Returns whether a glob would match a path that does not exist yet."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(path, pattern)
    parts, wanted = Path(path).parts, Path(pattern).parts
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _refuse_artifact(results: Results, scored: ScoredFile) -> None:
    path = Path(os.path.realpath(scored.predictions))
    is_artifact = path.is_relative_to(os.path.realpath(results.folder))
    if is_artifact and not path.is_relative_to(os.path.realpath(results.scored)):
        raise MillraceError(
            f"OUT: expected a path outside {results.folder}, which holds the job's artifacts, "
            f"found {scored.predictions}.",
            note=f"write to another folder, or to {results.scored}.",
        )


def _refuse_foreign(scored: ScoredFile) -> None:
    there = [path for path in scored.files if path.exists()]
    if not there:
        return
    try:
        Scoring.load(scored.account)
    except MillraceError:
        raise MillraceError(
            f"{there[0]}: expected a new file, or one that was scored before, found another: "
            f"{scored.account.name} beside it is no account of a scoring.",
            note="it would be replaced: write to another file, or remove this one.",
        ) from None
    if scored.predictions.is_dir():
        raise MillraceError(
            f"{scored.predictions}: expected a file, found a directory.",
            note="write to another file, or remove the directory.",
        )
