"""Push and rollback: a version appears, and disappears, by one rename.

A new version is written next to the others under a name that the server ignores, and renamed
when all of its bytes are on the disk. After a killed push the previous version is still served, and
the next push removes its files.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace.artifacts.blessing import Blessing
from millrace.artifacts.served import Pushed, ServedManifest
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.files import sha256, visible
from millrace.results import Results, ServedVersion
from millrace.serving.shipped import shipped_files
from millrace.serving.versions import Versions

BLESS = "run `make bless` with the same config."


def push(job: JobConfig, results: Results, versions: Versions) -> Pushed:
    """Puts the blessed champion under `serving/<name>` as the version to serve.

    Does nothing if it is in use already.

    Args:
        job: the completed config.
        results: of the job.
        versions: where to put it.

    Raises:
        MillraceError: it is not blessed, or its files have changed; another model has come into
            use since; or another push is running.
    """
    blessing = Blessing.load(results.blessing)
    _require_blessed(blessing, results)
    with _alone(versions.folder):
        in_use = versions.in_use()
        if in_use is not None:
            before = ServedManifest.load(versions.version(in_use).manifest)
            if before.blessed == blessing.files:
                return _pushed(versions, in_use, False, [])
        if blessing.in_use != in_use:
            raise MillraceError(
                f"{results.blessing}: expected a comparison with the model in use, version "
                f"{in_use or 'none'}, found one with version {blessing.in_use or 'none'}.",
                note=BLESS,
            )
        number = versions.next
        _write(job, results, blessing, versions, number)
        removed = _prune(versions, job.push.keep)
    return _pushed(versions, number, True, removed)


def rollback(versions: Versions) -> tuple[int, int]:
    """Withdraws the version in use, so that the previous one is served; returns both numbers.

    Raises:
        MillraceError: there is no previous version.
    """
    with _alone(versions.folder):
        numbers = versions.numbers
        if len(numbers) < 2:
            raise MillraceError(
                f"{versions.folder}: expected a version before the one in use, found "
                f"{'version ' + str(numbers[0]) + ' alone' if numbers else 'no version'}.",
                note="push.keep says how many versions are kept; to serve nothing, move the "
                "version to another folder.",
            )
        before, last = numbers[-2:]
        os.rename(versions.version(last).folder, versions.withdrawn_version(last).folder)
        _sync(versions.folder)
    return last, before


def _require_blessed(blessing: Blessing, results: Results) -> None:
    if not blessing.blessed:
        failed = next(x for x in blessing.checks if x.passed is False)
        raise MillraceError(
            f"{results.blessing}: expected a blessed model, found {blessing.model} refused by the "
            f"check {failed.check}: {failed.message}.",
            note="the model in use stays; blessing.json has all figures.",
        )
    found = {name: sha256(path) for name, path in shipped_files(results).items()}
    names = sorted(found.keys() | blessing.files.keys())
    if other := [name for name in names if found.get(name) != blessing.files.get(name)]:
        raise MillraceError(
            f"{results.folder}: expected the files that {results.blessing.name} judged, found "
            f"another {other[0]}.",
            note=BLESS,
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Locks out other pushes and rollbacks of the model; removes the files of killed ones."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MillraceError(
                f"{folder}: expected no other push or rollback, found one at work.",
                note="wait for it to end.",
            ) from None
        for left in folder.glob(".*.partial"):
            shutil.rmtree(left)
        yield
    finally:
        os.close(handle)


def _write(
    job: JobConfig, results: Results, blessing: Blessing, versions: Versions, number: int
) -> None:
    temporary = versions.folder / f".{number}.partial"
    version = ServedVersion(temporary)
    for name, source in shipped_files(results).items():
        target = _target(version, name)
        _copy(source, target)
        if sha256(target) != blessing.files[name]:
            raise MillraceError(
                f"{source}: expected the file that was blessed, found another.", note=BLESS
            )
    _copy(results.blessing, version.blessing)
    for client in sorted(Path(runtimes.__file__).parent.glob("[!_]*.py")):
        _copy(client, version.clients / client.name)
    files = {path.relative_to(temporary).as_posix(): sha256(path) for path in visible(temporary)}
    manifest = ServedManifest(job.name, number, blessing.model, blessing.files, files)
    manifest.save(version.manifest)
    for path in [version.manifest, *(x for x in temporary.rglob("*") if x.is_dir()), temporary]:
        _sync(path)
    os.rename(temporary, versions.version(number).folder)
    _sync(versions.folder)


def _target(version: ServedVersion, name: str) -> Path:
    """Returns the path of a file of a blessing in a version."""
    form, _, path = name.partition("/")
    place: Path = getattr(version, form)
    return place / path if path else place


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    _sync(target)


def _sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prune(versions: Versions, keep: int) -> list[int]:
    """Removes the oldest versions, and those that were rolled back before this push."""
    removed = versions.numbers[:-keep]
    folders = [versions.version(number).folder for number in removed]
    folders += [versions.withdrawn_version(number).folder for number in versions.withdrawn]
    for folder in folders:
        # First out of the server's sight as a whole.
        hidden = versions.folder / f".{folder.name.strip('.')}.partial"
        os.rename(folder, hidden)
        shutil.rmtree(hidden)
    return removed


def _pushed(versions: Versions, number: int, new: bool, removed: list[int]) -> Pushed:
    return Pushed(number, versions.version(number).folder.as_posix(), new, removed)


def summary(pushed: Pushed) -> str:
    """Returns the text for a person."""
    if not pushed.new:
        return f"version {pushed.version} is this model already: {pushed.folder}"
    removed = f"; removed {', '.join(map(str, pushed.removed))}" if pushed.removed else ""
    return f"version {pushed.version} is in use: {pushed.folder}{removed}"
