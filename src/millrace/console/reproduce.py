"""Reproduces a job from its provenance.json and a clean clone, and compares the results.

Run as `python -m millrace.console.reproduce --provenance FILE`. The code is from the commit and the
config from the file. Raw data and other files come from their paths in the config, or from this
folder, and must have the recorded checksums.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from millrace.artifacts.provenance import Provenance
from millrace.errors import MillraceError, exit_with_status
from millrace.files import replacing, sha256
from millrace.report.provenance import ROOT
from millrace.results import Results

SHOWN = 20


def reproduce(recorded: Provenance, clone: Path, cores: int) -> Provenance:
    """Reproduces the results in `clone`, a new folder; returns its provenance.

    Raises MillraceError when the commit or an input is not available, or the workflow fails.
    """
    _clone(recorded, clone)
    for file, checksum in _files(recorded).items():
        _bring(Path(file), checksum, clone)
    config = Results.of(recorded.name).config
    with replacing(clone / config) as path:
        path.write_text(yaml.safe_dump(recorded.config, sort_keys=False), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        str(cores),
        "--quiet",
        "host",
        "reason",
    ]
    done = subprocess.run(
        [*command, "--configfile", str(config)],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone / "src")},
        check=False,
    )
    if done.returncode != 0:
        raise MillraceError(
            f"{clone}: the workflow failed, see above.",
            note="fix what the log above names, and run `make reproduce` again.",
        )
    return Provenance.load(clone / Results.of(recorded.name).provenance)


def _clone(recorded: Provenance, clone: Path) -> None:
    """Clones the commit, with the JavaScript libraries of this folder."""
    if recorded.commit is None or recorded.modified:
        raise MillraceError(
            "provenance: expected results of a commit, found those of "
            + ("uncommitted changes." if recorded.commit else "code outside a git repository."),
            note="commit the code, and run the job again.",
        )
    for command in (
        ["clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone)],
        ["-C", str(clone), "checkout", "--quiet", recorded.commit],
    ):
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MillraceError(
                f"{ROOT}: expected the commit {recorded.commit}; git: {done.stderr.strip()}",
                note="fetch the branch that it is on.",
            )
    (clone / "web" / "node_modules").symlink_to(ROOT / "web" / "node_modules")


def _files(recorded: Provenance) -> dict[str, str]:
    """Returns the local inputs of the job with their checksums, without files from fetch."""
    raw = [file for file in recorded.data if file.path == file.source]
    return {**{file.path: file.sha256 for file in raw}, **recorded.files}


def _bring(file: Path, checksum: str, clone: Path) -> None:
    """Links a file into the clone, unless the commit contains it or the path is absolute."""
    source = clone / file if (clone / file).is_file() else ROOT / file
    found = sha256(source) if source.is_file() else None
    if found != checksum:
        raise MillraceError(
            f"{file}: expected the file with SHA-256 {checksum}, found "
            + (f"one with {found}." if found else "none."),
            note="`dvc pull` brings a file that DVC follows.",
        )
    if source == ROOT / file and not file.is_absolute():
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).symlink_to(source)


def differences(recorded: Provenance, made: Provenance) -> Iterator[str]:
    """Yields a line for each raw file and artifact that differs."""
    data = [{file.source: file.sha256 for file in of.data} for of in (recorded, made)]
    for before, after in (data, (recorded.artifacts, made.artifacts)):
        for path in sorted(before.keys() | after.keys()):
            if path not in after:
                yield f"{path}: was not made"
            elif path not in before:
                yield f"{path}: was not there before"
            elif before[path] != after[path]:
                yield f"{path}: SHA-256 {before[path][:12]}… before, {after[path][:12]}… now"


def circumstances(recorded: Provenance, made: Provenance) -> Iterator[str]:
    """Yields a line for each version and machine that differs."""
    before, after = _circumstances(recorded), _circumstances(made)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name)} before, {after.get(name)} now"


def _circumstances(of: Provenance) -> dict[str, object]:
    """Returns what may differ legitimately, and explain other differences."""
    machines = {
        f"{run} {key}": value
        for run, machine in of.hardware.items()
        for key, value in vars(machine).items()
    }
    return {"python": of.python, "platform": of.platform, **of.packages, **of.libraries} | machines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provenance", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    recorded = Provenance.load(arguments.provenance)
    temporary = Path(tempfile.mkdtemp(prefix="millrace-"))
    # As deep as this folder, so that relative paths such as ../table.csv stay inside.
    clone = temporary / ROOT.relative_to(ROOT.anchor)
    made = reproduce(recorded, clone, arguments.cores)
    for line in circumstances(recorded, made):
        print(f"different: {line}")
    different = list(differences(recorded, made))
    if different:
        shown = [*different[:SHOWN], *(["…"] if len(different) > SHOWN else [])]
        raise MillraceError(
            f"{len(different)} of {len(recorded.artifacts)} artifacts differ:\n" + "\n".join(shown),
            note=f"compare {arguments.provenance.parent} with {clone}",
        )
    shutil.rmtree(temporary)
    print(f"{len(recorded.artifacts)} artifacts of {made.commit:.12}: all reproduced")


if __name__ == "__main__":
    exit_with_status(main)
