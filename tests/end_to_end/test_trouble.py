"""Failures around a workflow: a clear error, nothing half-written, and the next run resumes."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import CONFIG_FILE, make_folder, planned, snakemake, start

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "job", "binary")


def fail(folder: Path, *arguments: str) -> str:
    """Runs the workflow in a folder, checks that it fails, and returns its output."""
    process = start(folder, *arguments)
    output, _ = process.communicate()
    assert process.returncode != 0, output
    return output


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".partial")]


def test_an_unknown_profile(folder: Path) -> None:
    output = fail(folder, "--profile", "profiles/cluster")
    assert "profile directory given (profiles/cluster), but no profile.yaml" in output
    assert "Traceback" not in output
    assert not (folder / "results").exists()


@pytest.mark.skipif(Path("/etc/slurm/slurm.conf").exists(), reason="there is a SLURM here")
def test_no_slurm(folder: Path) -> None:
    """Without the plugin Snakemake has no such executor; with it, SLURM is not available."""
    output = fail(folder, "--profile", "profiles/slurm")
    assert "invalid choice: 'slurm'" in output or "sbatch: " in output
    assert "Traceback" not in output
    assert not (folder / "results/made/examples").exists()


def test_a_lock_that_another_run_holds(folder: Path) -> None:
    first = start(folder, "--until", "preprocess")
    while not any((folder / ".snakemake").glob("locks/*")):
        assert first.poll() is None
        time.sleep(0.05)
    output = fail(folder, "--until", "preprocess")
    assert "Directory cannot be locked" in output
    assert "Traceback" not in output
    first.communicate()
    assert first.returncode == 0
    assert not planned(folder, "--until", "preprocess")


def test_one_model_is_a_target(folder: Path) -> None:
    target = "results/made/models/small/metrics.json"
    plan = snakemake(folder, "--dry-run", target)
    assert "--model small " in plan
    assert "--model linear " not in plan
    assert planned(folder, target) == {
        *("fetch", "ingest", "gather", "analyze", "preprocess"),
        *("rehearse", "train", "evaluate"),
    }
    assert planned(folder, "results/made/statistics.json") == {
        *("fetch", "ingest", "gather", "analyze"),
    }


def test_a_failed_gate_leaves_the_leaderboard_to_be_read(folder: Path) -> None:
    config = folder / CONFIG_FILE
    text = config.read_text(encoding="utf-8").replace("  linear: {kind: linear}\n", "")
    config.write_text(text.replace("metric: auto", "metric: auto, gate: 0.9999"), encoding="utf-8")
    output = fail(folder)
    assert "error: champion 'small': expected auc not worse than selection.gate, 0.9999;" in output
    assert (folder / "results/made/leaderboard.csv").read_text().count("\n") == 2
    assert not (folder / "results/made/export").exists()


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """Mounts a disk of 64 KiB for the results."""
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("needs root, to mount a small disk")
    results = folder / "results"
    results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", results], check=True)
    yield results
    subprocess.run(["umount", results], check=True)


def leave(disk: Path, kilobytes: int) -> None:
    """Resizes the disk so that only this much is free."""
    now = os.statvfs(disk)
    used = (now.f_blocks - now.f_bfree) * now.f_frsize // 1024
    option = f"remount,size={used + kilobytes}k"
    subprocess.run(["mount", "-o", option, disk], check=True)


def test_a_disk_that_fills_up(folder: Path, disk: Path) -> None:
    model = "results/made/models/small"
    for targets in (["--until", "ingest"], ["--until", "preprocess"], [f"{model}/training"]):
        output = fail(folder, *targets)
        assert "No space left on device" in output
        assert "error: " in output
        assert "Traceback" not in output
        assert not half_written(disk)
        leave(disk, 64_000)
        snakemake(folder, *targets)
        # Next are analyze and preprocess, then train.
        leave(disk, 12)
    leave(disk, 64_000)
    snakemake(folder, f"{model}/metrics.json")
    assert not planned(folder, f"{model}/metrics.json")
