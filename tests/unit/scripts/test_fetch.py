"""fetch: the manifest of a job's raw files."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "fetch.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.csv").write_text("a,b\n1,2\n")
    Path("test.csv").write_text("a,b\n3,4\n")
    return tmp_path


def fetch(
    monkeypatch: pytest.MonkeyPatch,
    files: Any,
    sha256: dict[str, str] | None = None,
    output: str = "results/made/raw",
) -> int:
    """Runs the script in this process; returns its exit code."""
    data = {"files": files, "label": "b", "sha256": sha256 or {}}
    Path("config.yaml").write_text(json.dumps({"name": "made", "data": data}))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--config", "config.yaml", "--output", output])
    code = compile(SCRIPT.read_text(), str(SCRIPT), "exec")
    with pytest.raises(SystemExit) as end:
        exec(code, {"__name__": "__main__"})
    return int(end.value.code or 0)


def test_the_manifest_says_what_the_files_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    files = {"train": "train.csv", "test": str(folder / "test.csv")}
    assert fetch(monkeypatch, files, {"train.csv": digest}) == 0
    manifest = json.loads(Path("results/made/raw/manifest.json").read_text())
    test = hashlib.sha256(b"a,b\n3,4\n").hexdigest()
    assert manifest == {
        "files": [
            {
                "path": "train.csv",
                "split": "train",
                "sha256": digest,
                "bytes": 8,
                "source": "train.csv",
            },
            {
                "path": f"{folder}/test.csv",
                "split": "test",
                "sha256": test,
                "bytes": 8,
                "source": f"{folder}/test.csv",
            },
        ]
    }


@pytest.mark.parametrize(
    ("files", "sha256", "message"),
    [
        ("tran.csv", {}, "tran.csv: expected a file, found none.\nNote: the same folder holds"),
        ("train.csv", {"train.csv": "0" * 64}, "train.csv: expected SHA-256 000"),
        ("train.csv", {"x.csv": "0" * 64}, "expected files out of data.files, found ['x.csv']"),
    ],
)
def test_mistakes_leave_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: str,
    sha256: dict[str, str],
    message: str,
) -> None:
    assert fetch(monkeypatch, files, sha256) == 1
    assert message in capsys.readouterr().err
    assert not list(Path("results").rglob("*"))[1:]


def test_a_failed_fetch_leaves_the_last_one_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(monkeypatch, "train.csv")
    before = Path("results/made/raw/manifest.json").read_bytes()
    assert fetch(monkeypatch, "none.csv") == 1
    assert Path("results/made/raw/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ("data/raw/made/table.csv", "data/raw/made"),
        ("data/raw/*/table.csv", "data/raw/made"),
        ("link.csv", "data/raw"),
        ("train.csv", "data/raw/made"),
    ],
)
def test_nobody_elses_table_is_deleted(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: str,
    output: str,
) -> None:
    table = Path("data/raw/made/table.csv")
    table.parent.mkdir(parents=True)
    table.write_text("a,b\n1,2\n")
    Path("link.csv").symlink_to(table)
    assert fetch(monkeypatch, files, output=output) == 1
    assert "expected a" in capsys.readouterr().err
    assert table.read_text() == "a,b\n1,2\n"
    # Tables may be anywhere; fetched files are in another folder.
    assert fetch(monkeypatch, "data/raw/made/table.csv") == 0
    assert table.read_text() == "a,b\n1,2\n"
