"""A finished job in a git repository that DVC knows too, made once for all tests of versions."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import commit, git, make_repository, run, snakemake


@pytest.fixture(scope="session")
def finished_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose job Snakemake has run and DVC has taken over; tests leave it as it is."""
    folder = make_repository(tmp_path_factory.mktemp("drivers") / "job")
    snakemake(folder)
    run(folder, "millrace.workflow.drivers", "to-dvc")
    run(folder, "millrace.workflow.dvc_plots")
    commit(folder, "results")
    return folder


@pytest.fixture
def repository(finished_repository: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to change."""
    shutil.copytree(finished_repository, tmp_path / "job", symlinks=True)
    return tmp_path / "job"


@pytest.fixture
def clone(finished_repository: Path, tmp_path: Path) -> Path:
    """A clone of it, with the raw table, and nothing of what the job made."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(finished_repository), str(folder))
    (folder / "web" / "node_modules").symlink_to(finished_repository / "web" / "node_modules")
    shutil.copy(finished_repository / "table.csv", folder)
    return folder
