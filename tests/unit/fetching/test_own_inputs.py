"""A job's inputs must not be among its outputs, and it only replaces its own files."""

from pathlib import Path
from typing import Any

import pytest

from millrace.config import complete
from millrace.errors import MillraceError
from millrace.fetching import own_inputs
from millrace.results import Results

WRITTEN = ["results/made", "logs/made"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("data/t.csv", "data/sub/t.csv", "results/made/raw/t.csv", "results/other/t.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x,y\n1,0\n")
    (tmp_path / "data/link.csv").symlink_to(tmp_path / "results/made/raw/t.csv")
    (tmp_path / "linked").symlink_to(tmp_path / "results")
    return tmp_path


def refuse(files: Any = "data/t.csv", **rest: Any) -> None:
    data = {"files": files, "label": "y"} | rest.pop("data", {})
    own_inputs.refuse_own(complete({"name": "made", "data": data, **rest}), WRITTEN)


MODEL = {"kind": "custom", "path": "results/made/mine.py:build"}


@pytest.mark.parametrize(
    ("key", "job"),
    [
        ("data.files", {"files": "results/made/raw/t.csv"}),
        ("data.files", {"files": "./data/../results/made/raw/none.csv"}),
        ("data.files", {"files": {"train": "data/t.csv", "test": ["linked/made/raw/t.csv"]}}),
        ("data.files", {"files": "data/l*.csv"}),
        ("data.files", {"files": "results/*/raw/*.csv"}),
        ("data.files", {"files": "results/made"}),
        ("data.files", {"files": "results"}),
        ("data.files", {"files": "."}),
        ("data.files", {"files": "**/t.csv"}),
        ("data.database", {"data": {"database": "results/made/x.duckdb"}}),
        ("data.database", {"data": {"database": "sqlite:///linked/made/x.sqlite"}}),
        ("data.schema", {"data": {"schema": "results/made/schema.json"}}),
        ("data.previous", {"data": {"previous": "linked/made/statistics.json"}}),
        ("models.mine.path", {"models": {"mine": MODEL}}),
        ("training.callbacks", {"training": {"callbacks": "results/made/mine.py:callbacks"}}),
        (
            "features.x.file",
            {"features": {"x": {"kind": "vocabulary", "file": "results/made/words.txt"}}},
        ),
    ],
)
def test_an_input_that_the_job_would_delete_is_refused(
    folder: Path, key: str, job: dict[str, Any]
) -> None:
    with pytest.raises(MillraceError, match=rf"^{key}: expected a path .*results/made"):
        refuse(**job)


@pytest.mark.parametrize(
    "job",
    [
        {"files": ["data/t.csv", "data/sub"]},
        {"files": "data/s*/*.csv"},
        {"files": "*/t.csv"},
        {"files": "results/other/t.csv"},
        {"files": "https://host/results/made/t.csv", "data": {"database": "sqlite:///x"}},
        {"features": {"x": {"kind": "sequence", "delimiter": "/", "max_length": 2}}},
        {"data": {"previous": "results/made-before/statistics.json"}},
    ],
)
def test_other_inputs_are_not(folder: Path, job: dict[str, Any]) -> None:
    refuse(**job)


def test_directories_of_somebody_else_are_not_replaced(folder: Path) -> None:
    with pytest.raises(MillraceError, match=r"results/made/raw: expected a directory that Mill"):
        own_inputs.refuse_foreign(Results.of("made"))
    (folder / "results/made/raw/.millrace").touch()
    (folder / "results/made/parts/1").mkdir(parents=True)
    own_inputs.refuse_foreign(Results.of("made"))
    (folder / "results/made/models/m/seeds/1/training").mkdir(parents=True)
    (folder / "results/made/models/m/seeds/1/training/notes.txt").touch()
    with pytest.raises(MillraceError, match=r"training: expected .*, found notes\.txt in it"):
        own_inputs.refuse_foreign(Results.of("made"))


@pytest.mark.usefixtures("folder")
def test_a_pattern_without_files_hides_no_input_behind_it() -> None:
    refuse(["none/*.csv", "data/t.csv"])
    with pytest.raises(MillraceError, match="expected a path apart from results/made"):
        refuse(["none/*.csv", "results/*/raw/*.csv"])
