import importlib.metadata
import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from millrace import config
from millrace.report import provenance

JOB = config.complete({"name": "made", "seed": 7, "data": {"files": "x.csv", "label": "y"}})


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_clean_repository(repository: Path) -> None:
    (repository / "untracked").write_text("results are not code")
    head = git(repository, "rev-parse", "HEAD")
    assert provenance.git_state(repository) == (head, False)


def test_changed_file_shows(repository: Path) -> None:
    (repository / "file").write_text("two")
    assert provenance.git_state(repository)[1] is True


def test_what_is_recorded_otherwise_is_no_change_of_the_code(repository: Path) -> None:
    recorded = ["config/a.yaml", "data/a.csv.dvc", "dvc.lock", ".dvc/config"]
    for name in [*recorded, "config/schema.json"]:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("one")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "second")
    for name in recorded:
        (repository / name).write_text("two")
    assert provenance.git_state(repository)[1] is False
    (repository / "config/schema.json").write_text("two")
    assert provenance.git_state(repository)[1] is True


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    nothing = (None, None)
    assert provenance.git_state(tmp_path / "nowhere") == nothing
    git(tmp_path, "init", "--quiet")
    assert provenance.git_state(tmp_path) == nothing


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) == (None, None)


def test_collects_config_packages_and_data(tmp_path: Path) -> None:
    files = [{"path": "x.csv", "split": None, "sha256": "0" * 64, "bytes": 3, "source": "x.csv"}]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"files": files}))
    found = provenance.collect(JOB, manifest)
    assert [asdict(file) for file in found.data] == files
    assert found.seed == 7
    assert found.config_sha256 == config.digest(JOB)
    assert found.packages["keras"] == importlib.metadata.version("keras")
    assert found.libraries["@tensorflow/tfjs-core"] == "4.22.0"
    assert found == provenance.collect(JOB, manifest)


def test_without_a_manifest_there_is_no_data(tmp_path: Path) -> None:
    assert provenance.collect(JOB, tmp_path / "manifest.json").data == []
