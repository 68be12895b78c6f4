"""Each driver takes over the results of the other without running anything."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import (
    CONFIG_FILE,
    call,
    edit,
    git,
    hashes,
    planned,
    run,
    snakemake,
)

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def stale_in_dvc(folder: Path) -> set[str]:
    return set(json.loads(run(folder, "dvc", "status", "--json")))


def change(folder: Path, old: int, new: int) -> None:
    """Changes a setting that every evaluate job depends on, and no stage before it."""
    edit(folder / CONFIG_FILE, f"bootstrap: {old}", f"bootstrap: {new}")


def refuses(folder: Path, direction: str, message: str) -> None:
    refused = call(folder, "millrace.workflow.drivers", direction)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "evaluat" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture(scope="module")
def known_to_dvc(finished_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished job, which DVC has taken over from Snakemake, for tests to change."""
    folder = tmp_path_factory.mktemp("drivers") / "job"
    return shutil.copytree(finished_repository, folder, symlinks=True)


def test_both_drivers_score_new_rows(known_to_dvc: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(known_to_dvc, tmp_path / "job", symlinks=True)
    (folder / "new").mkdir()
    new = Path(shutil.copy(folder / "table.csv", folder / "new" / "a.csv"))
    with (folder / CONFIG_FILE).open("a") as file:
        file.write("score: {files: ['new/*.csv'], model: float32, format: parquet}\n")
    run(folder, "millrace.workflow.drivers", "dvc")
    assert planned(folder, "all", "scores") == {"report", "provenance", "score", "scores"}
    snakemake(folder, "all", "scores")
    run(folder, "millrace.workflow.drivers", "to-dvc")
    assert not stale_in_dvc(folder)
    new.write_text("".join(new.read_text().splitlines(keepends=True)[:100]))
    output = run(folder, "dvc", "repro")
    assert re.findall(r"Running stage '(.*)'", output) == ["score-a"]
    assert "99 rows = 99 scored, 0 rejected" in output
    run(folder, "millrace.workflow.drivers", "to-snakemake")
    assert not planned(folder, "all", "scores")


def test_after_snakemake_dvc_has_nothing_to_do(known_to_dvc: Path) -> None:
    assert not stale_in_dvc(known_to_dvc)
    assert "Data and pipelines are up to date" in run(known_to_dvc, "dvc", "repro")
    assert not planned(known_to_dvc)


def test_neither_takes_over_what_is_stale(known_to_dvc: Path) -> None:
    lock = (known_to_dvc / "dvc.lock").read_bytes()
    change(known_to_dvc, 20, 21)
    refuses(known_to_dvc, "to-dvc", "error: snakemake: expected nothing to do, found jobs:\n")
    assert (known_to_dvc / "dvc.lock").read_bytes() == lock
    refuses(known_to_dvc, "to-snakemake", "error: dvc: expected every stage up to date, found ch")
    assert "evaluate" in planned(known_to_dvc)


def test_after_snakemake_of_a_change_dvc_has_nothing_to_do(known_to_dvc: Path) -> None:
    """Uses the change that the previous test made."""
    snakemake(known_to_dvc)
    assert "evaluate-linear" in stale_in_dvc(known_to_dvc)
    run(known_to_dvc, "millrace.workflow.drivers", "to-dvc")
    assert not stale_in_dvc(known_to_dvc)
    assert not planned(known_to_dvc)


@pytest.fixture(scope="module")
def pulled(known_to_dvc: Path) -> Path:
    """A clone of the job, with its data pulled from a remote."""
    clone = known_to_dvc.parent / "clone"
    run(known_to_dvc, "dvc", "remote", "add", "--default", "store", "../store")
    run(known_to_dvc, "dvc", "push")
    git(known_to_dvc, "add", "--all")
    git(known_to_dvc, "commit", "--quiet", "--message", "job")
    git(known_to_dvc.parent, "clone", "--quiet", str(known_to_dvc), str(clone))
    (clone / "web" / "node_modules").symlink_to(known_to_dvc / "web" / "node_modules")
    run(clone, "dvc", "pull")
    run(clone, "millrace.workflow.drivers", "to-snakemake")
    return clone


def test_after_a_clone_and_a_pull_both_have_nothing_to_do(known_to_dvc: Path, pulled: Path) -> None:
    assert hashes(pulled) == hashes(known_to_dvc)
    assert not stale_in_dvc(pulled)
    assert not planned(pulled)


def test_a_change_after_a_pull_is_seen_by_both(pulled: Path) -> None:
    """Snakemake has run nothing there, yet knows the settings of the pulled results."""
    change(pulled, 21, 22)
    assert "evaluate" in planned(pulled)
    refuses(pulled, "to-dvc", "error: snakemake: expected nothing to do, found jobs:\n")
    refuses(pulled, "to-snakemake", "error: dvc: expected every stage up to date, found changed: ")


def test_after_dvc_repro_of_a_change_snakemake_has_nothing_to_do(pulled: Path) -> None:
    """Uses the change that the previous test made."""
    output = run(pulled, "dvc", "repro")
    assert "Running stage 'evaluate-linear'" in output
    assert "Running stage 'train-linear'" not in output
    run(pulled, "millrace.workflow.drivers", "to-snakemake")
    assert not planned(pulled)
    assert not stale_in_dvc(pulled)


def test_dvc_takes_over_no_results_of_another_config(pulled: Path) -> None:
    """Also if Snakemake has no record of the earlier run, and so sees no difference."""
    change(pulled, 22, 23)
    shutil.rmtree(pulled / ".snakemake" / "metadata")
    assert not planned(pulled)
    refuses(pulled, "to-dvc", "found those of another config, which differs in: evaluation.\n")
