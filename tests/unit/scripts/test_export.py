"""export, run on the synthetic job."""

import json
import subprocess
import sys
from pathlib import Path

from millrace.artifacts.champion import Check
from tests.helpers.artifacts import champion_of

ROOT = Path(__file__).parents[3]


def test_signature_says_what_the_model_takes_and_gives(made_job):
    job = made_job("binary").until("export")
    signature = json.loads((job.results / "export" / "signature.json").read_text())
    keys = ("name", "key", "type", "column_type")
    assert [[entry[key] for key in keys] for entry in signature["inputs"]] == [
        ["size (mm)", "size__mm_", "float32", "float32"],
        ["count", "count", "float32", "int64"],
        ["city", "city", "string", "string"],
    ]
    assert signature["classes"] == ["no", "yes"]
    assert signature["output"] == "predictions"
    assert signature["threshold"] == 0.5
    saved_model = job.results / "export" / "saved_model" / "1"
    assert sorted(path.name for path in saved_model.rglob("*") if path.is_file()) == [
        ".millrace",
        "saved_model.pb",
        "variables.data-00000-of-00001",
        "variables.index",
    ]


def test_a_champion_that_failed_its_gate_is_not_exported(tmp_path: Path) -> None:
    check = Check("auc not worse than selection.gate", expected=0.9, found=0.7, passed=False)
    champion_of("dnn", check).save(tmp_path / "champion.json")
    arguments = ["--champion", "champion.json", "--models", "models"]
    arguments += [
        "--preprocessing",
        "p.json",
        "--saved-model",
        "out/1",
        "--signature",
        "out/s.json",
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "export.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "auc not worse than selection.gate, 0.9; found 0.7." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
