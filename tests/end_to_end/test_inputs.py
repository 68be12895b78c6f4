"""Each stage reads only the inputs that its rule declares, and its code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.workflow.code import Code
from tests.helpers.synthetic_jobs import (
    CONFIG_FILE,
    PlannedJob,
    all_jobs,
    environment,
    git,
    hashes,
    run,
)

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def run_alone(job: PlannedJob, project: Path, folder: Path) -> dict[str, str]:
    """Runs a job with only its rule's inputs; returns the hashes of its outputs."""
    (folder / "config").mkdir(parents=True)
    shutil.copy(project / CONFIG_FILE, folder / CONFIG_FILE)
    (folder / "scripts").symlink_to(project / "scripts")
    for name in job.inputs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, folder / name)
    given = hashes(folder).keys()
    done = subprocess.run(
        [sys.executable, *job.command[1:]],
        cwd=folder,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{job.rule}: {done.stdout}{done.stderr}"
    made = hashes(folder)
    return {name: made[name] for name in made.keys() - given}


def test_no_stage_reads_what_its_rule_does_not_declare(repository: Path, tmp_path: Path) -> None:
    git(repository, "reset", "--quiet", "--soft", "HEAD~1")  # the commit that made the results
    jobs = all_jobs(repository)
    expected = hashes(repository)
    assert len(jobs) == 18
    for number, job in enumerate(jobs):
        made = run_alone(job, repository, tmp_path / str(number))
        declared = {
            name
            for name in expected
            if any(name == path or name.startswith(f"{path}/") for path in job.outputs)
        }
        assert {name: made.get(name) for name in declared} == {
            name: expected[name] for name in declared
        }, job.rule


def test_dvc_runs_what_imports_an_edited_module(repository: Path) -> None:
    """As with Snakemake, a comment reruns only the stage that lists the code."""

    def stale_after(line: str) -> set[str]:
        path = repository / "src" / "millrace" / "evaluation" / "metrics.py"
        path.write_text(f"{path.read_text()}\n{line}\n")
        assert json.loads(run(repository, "dvc", "status", "--json")).keys() == {"code"}
        run(repository, "dvc", "repro", "--single-item", "code")
        return set(json.loads(run(repository, "dvc", "status", "--json")))

    assert stale_after("# A comment.") == set()
    code = Code()
    importing = {
        "-".join([job.rule, *job.command[5:6]]) if job.rule in ("train", "evaluate") else job.rule
        for job in all_jobs(repository)
        if any("evaluation.metrics " in line for line in code.of(repository / job.command[1]))
    }
    assert {"evaluate-linear", "evaluate-small", "select"} <= importing
    assert not importing & {"fetch", "ingest", "gather", "analyze"}
    assert stale_after("edited = 1") == importing
