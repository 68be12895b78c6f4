"""A finished job in a repository of git and DVC, made once for all tests of versions."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import commit, git, make_repository, run, snakemake


@pytest.fixture(scope="session")
def finished_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose job Snakemake has run and DVC has taken over; tests leave it as it is.

    pytest-xdist's workers share it: the first to need it makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / "drivers" / "job", shared / "drivers.finished"
    with (shared / "drivers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            make_finished(folder)
            finished.touch()
    return folder


def make_finished(folder: Path) -> None:
    make_repository(folder)
    snakemake(folder)
    run(folder, "millrace.workflow.drivers", "to-dvc")
    run(folder, "millrace.workflow.dvc_plots")
    commit(folder, "results")


@pytest.fixture
def repository(finished_repository: Path, tmp_path: Path) -> Path:
    """A copy of the repository, which a test may change."""
    shutil.copytree(finished_repository, tmp_path / "job", symlinks=True)
    return tmp_path / "job"


@pytest.fixture
def clone(finished_repository: Path, tmp_path: Path) -> Path:
    """A clone of the repository, with the raw table but without results."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(finished_repository), str(folder))
    (folder / "web" / "node_modules").symlink_to(finished_repository / "web" / "node_modules")
    shutil.copy(finished_repository / "table.csv", folder)
    return folder
