"""Errors of the drivers: damaged files, a bad config, a lock of another run."""

import json
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import CONFIG_FILE, call, edit, hashes, run

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def stale_in_dvc(folder: Path) -> set[str]:
    return set(json.loads(run(folder, "dvc", "status", "--json")))


def test_snakemake_takes_over_no_file_that_is_not_the_one_that_was_made(repository: Path) -> None:
    """DVC itself has no objection, since the change was committed with `dvc commit`."""
    metrics = repository / "results" / "made" / "models" / "small" / "metrics.json"
    text = metrics.read_text()
    metrics.unlink()  # DVC's files are read-only
    metrics.write_text(text.replace("0.", "1.", 1))
    run(repository, "dvc", "commit", "--force")
    refused = call(repository, "millrace.workflow.drivers", "to-snakemake")
    assert refused.returncode == 1
    assert (
        "error: results/made: expected the files that provenance.json lists, found 1 other: "
        "results/made/models/small/metrics.json.\n" in refused.stderr
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "epochs: 15",
            "epochs: 1e1",
            "training.epochs: expected 'auto' or an integer",
        ),
        ("seed: 0", "seed: 0\ncolour: red", "unknown key 'colour'; allowed: name"),
        ("{epochs: 15,", "{epochs: 15, epochs: [", "unable to read: 'config/config.yaml'"),
    ],
    ids=["wrong type", "unknown key", "no YAML"],
)
def test_dvc_runs_nothing_with_a_config_that_does_not_validate(
    clone: Path, old: str, new: str, message: str
) -> None:
    edit(clone / CONFIG_FILE, old, new)
    done = call(clone, "dvc", "repro")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    # Only the list of code was written.
    made = {path.parent.name for path in (clone / "results").rglob("*") if path.is_file()}
    assert made <= {"code"}


def test_a_lock_held_by_another_run_is_named_and_nothing_changes(repository: Path) -> None:
    from dvc.repo import Repo

    edit(repository / CONFIG_FILE, "bootstrap: 20", "bootstrap: 21")
    before = hashes(repository)
    with Repo(str(repository)) as other, other.lock:
        done = call(repository, "dvc", "repro")
    assert done.returncode != 0
    assert "Unable to acquire lock" in done.stderr
    assert "Traceback" not in done.stderr
    assert hashes(repository) == before
    edit(repository / CONFIG_FILE, "bootstrap: 21", "bootstrap: 20")
    assert not stale_in_dvc(repository)

    locks = repository / ".snakemake" / "locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/made/report.html\n")
    done = call(repository, "millrace.workflow.drivers", "to-snakemake")
    assert done.returncode == 1
    assert "Directory cannot be locked" in done.stderr
    assert "Traceback" not in done.stderr


def test_usage_statistics_are_off(finished_repository: Path) -> None:
    assert run(finished_repository, "dvc", "config", "core.analytics").strip() == "false"
