"""Switches between the drivers: records Snakemake's results in DVC, and the reverse.

Run as `python -m millrace.workflow.drivers to-dvc` or `to-snakemake`. No stage is rerun: both only
record that the present files are up to date. `dvc` writes dvc.yaml from the rules. The job is the
one in config/config.yaml.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from millrace import config
from millrace.artifacts.provenance import Provenance
from millrace.config import runs
from millrace.config.values import plain_form
from millrace.errors import MillraceError, exit_with_status
from millrace.files import sha256
from millrace.report import provenance
from millrace.results import Results
from millrace.workflow import dvc_yaml, new_rows

CONFIG = Path(dvc_yaml.CONFIG)
SHOWN = 5


def to_dvc() -> None:
    """Makes DVC up to date after `snakemake`.

    Raises MillraceError when Snakemake has jobs to run, or when the results are of another config,
    because Snakemake only knows the config of its own last run.
    """
    _require_snakemake_done()
    _require_config_as_made()
    dvc_yaml.write()
    # The only stage that Snakemake does not have: the list of code.
    _call("dvc", "repro", "--single-item", "code")
    _call("dvc", "commit", "--force")
    # DVC restored the files from its cache, with new timestamps.
    _touch()
    _require_dvc_done()


def to_snakemake() -> None:
    """Makes Snakemake up to date after `dvc repro` or `dvc pull`.

    Raises MillraceError when DVC has stages to run, or when a file differs from provenance.json:
    `dvc pull` trusts a remote unless configured to verify it.
    """
    _require_dvc_done()
    _require_files_as_made()
    _touch()


def _require_snakemake_done() -> None:
    plan = _call("snakemake", "--dry-run", *_targets(), "--quiet", "host", "reason")
    if "Nothing to be done" not in plan:
        raise MillraceError(
            f"snakemake: expected nothing to do, found jobs:\n{_table(plan)}",
            note=f"run `snakemake --cores 2 {' '.join(_targets())}` first.",
        )


def _touch() -> None:
    # All jobs, because Snakemake needs a record of their settings to detect changes.
    quiet = ("--quiet", "host", "rules", "progress")
    _call("snakemake", *_targets(), *quiet, "--cores", "1", "--touch", "--forceall")
    _require_snakemake_done()


def _targets() -> list[str]:
    """Returns the targets in dvc.yaml: the job, files of new rows, and an automatic push."""
    job = config.load(CONFIG)
    others = {"scores": new_rows.by_name(job.score.files), "push": job.push.automatic}
    return ["all", *(target for target, is_there in others.items() if is_there)]


def _table(plan: str) -> str:
    """Returns the lines of a dry run that count jobs by rule."""
    lines = plan.partition("Job stats:\n")[2].partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if not line.startswith(("all ", "total ", "---")))


def _require_dvc_done() -> None:
    changed = json.loads(_call("dvc", "status", "--json"))
    if changed:
        raise MillraceError(
            f"dvc: expected every stage up to date, found changed: {', '.join(changed)}.",
            note="run `dvc repro` first, or `dvc pull` to get pushed results.",
        )


def _require_config_as_made() -> None:
    job = config.load(CONFIG)
    path = Results.of(job.name).provenance
    recorded = Provenance.load(path).config
    other = [key for key, value in plain_form(job).items() if recorded.get(key) != value]
    if other:
        raise MillraceError(
            f"{path}: expected results of {CONFIG}, found those of another config, which differs "
            f"in: {', '.join(other)}.",
            note="restore the config, or run `dvc repro` to rebuild what differs.",
        )


def _require_files_as_made() -> None:
    job = config.load(CONFIG)
    results = Results.of(job.name)
    recorded = Provenance.load(results.provenance)
    found = provenance.artifacts(results, runs.artifacts(runs.plan(job).values(), results))
    names = found.keys() | recorded.artifacts.keys()
    other = [
        str(results.folder / name)
        for name in names
        if found.get(name) != recorded.artifacts.get(name)
    ]
    for file in recorded.data:
        if sha256(Path(file.path)) != file.sha256:
            other.append(file.path)
    if other:
        shown = ", ".join(sorted(other)[:SHOWN]) + (", …" if len(other) > SHOWN else "")
        raise MillraceError(
            f"{results.folder}: expected the files that provenance.json lists, "
            f"found {len(other)} other: {shown}.",
            note="a remote may hold a damaged object: `dvc remote modify NAME verify true`, remove "
            "the files and .dvc/cache, and `dvc pull` again.",
        )


def _call(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MillraceError(
            f"{program} {' '.join(arguments)} failed:\n{done.stderr.strip()}",
            note="fix what it says, and run the command again.",
        )
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = {"to-dvc": to_dvc, "to-snakemake": to_snakemake, "dvc": dvc_yaml.write}
    parser.add_argument("command", choices=commands)
    commands[parser.parse_args().command]()


if __name__ == "__main__":
    exit_with_status(main)
