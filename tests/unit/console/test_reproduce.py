"""Reproducing results: errors, and how differences are reported. See also tests/end_to_end."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.artifacts.hardware import Hardware
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.provenance import Provenance
from millrace.console import reproduce
from millrace.errors import MillraceError

MACHINE = Hardware("fast", 2, [], [], 1)


RECORDED = Provenance(
    name="made",
    commit="c0ffee",
    modified=False,
    config_sha256="99" * 32,
    seed=0,
    python="3.11.7",
    platform="Linux x86_64",
    packages={"keras": "3.15.1"},
    libraries={"d3": "7.9.0"},
    data=[RawFile("t.csv", None, "aa" * 32, 4096, "t.csv")],
    config={},
    files={},
    hardware={"linear": MACHINE},
    artifacts={"parity.json": "bb" * 32, "schema.json": "cc" * 32},
)


def recorded(**changes: Any) -> Provenance:
    return replace(RECORDED, **changes)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """Creates a repository in place of the project's; returns its commit."""
    root = tmp_path / "project"
    (root / "web").mkdir(parents=True)
    (root / "web" / "page.html").write_text("page")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    monkeypatch.setattr(reproduce, "ROOT", root)
    return root, head.stdout.strip()


def test_equal_results_have_no_differences() -> None:
    assert not [*reproduce.differences(recorded(), recorded())]
    assert not [*reproduce.circumstances(recorded(), recorded())]


def test_every_difference_is_named() -> None:
    made = recorded(
        data=[RawFile("t.csv", None, "dd" * 32, 4096, "t.csv")],
        artifacts={"schema.json": "ee" * 32, "scores.json": "ff" * 32},
    )
    assert [*reproduce.differences(recorded(), made)] == [
        "t.csv: SHA-256 aaaaaaaaaaaa… before, dddddddddddd… now",
        "parity.json: was not made",
        "schema.json: SHA-256 cccccccccccc… before, eeeeeeeeeeee… now",
        "scores.json: was not there before",
    ]


def test_other_versions_and_machines_are_told_apart_from_differences() -> None:
    made = recorded(
        python="3.12.1",
        packages={"keras": "3.16.0"},
        hardware={"linear": replace(MACHINE, cores=64)},
    )
    assert not [*reproduce.differences(recorded(), made)]
    assert [*reproduce.circumstances(recorded(), made)] == [
        "python: 3.11.7 before, 3.12.1 now",
        "keras: 3.15.1 before, 3.16.0 now",
        "linear cores: 2 before, 64 now",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modified": True}, "expected results of a commit, found those of uncommitted changes."),
        ({"commit": None, "modified": None}, "found those of code outside a git repository."),
        ({"commit": "c0ffee"}, "expected the commit c0ffee"),
    ],
    ids=["modified", "no commit", "unknown commit"],
)
def test_what_no_commit_holds_is_refused(
    project: tuple[Path, str], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        reproduce.reproduce(recorded(**changes), tmp_path / "clone", cores=1)


@pytest.mark.parametrize("content", [None, "other"], ids=["missing", "changed"])
def test_a_raw_file_that_is_not_the_one_is_refused(
    project: tuple[Path, str], tmp_path: Path, content: str | None
) -> None:
    root, head = project
    if content:
        (root / "t.csv").write_text(content)
    found = hashlib.sha256(b"other").hexdigest() if content else "none"
    message = f"t.csv: expected the file with SHA-256 {'aa' * 32}, found .*{found}"
    with pytest.raises(MillraceError, match=message):
        reproduce.reproduce(recorded(commit=head), tmp_path / "clone", cores=1)
