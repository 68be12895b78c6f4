"""push, run as a program."""

import subprocess
import sys
from pathlib import Path

from tests.unit.serving.test_pushing import Job

ROOT = Path(__file__).parents[3]
CONFIG = "name: a\ndata: {files: a.csv, label: y}\n"


def test_a_model_is_pushed_and_rolled_back_without_tensorflow(tmp_path: Path) -> None:
    job = Job(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    program = (
        "import runpy, sys\ntry:\n    runpy.run_path('scripts/push.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()\n"
    )
    command = [sys.executable, "-c", program, "--config", str(config)]
    command += ["--results", str(job.results.folder), "--serving", str(job.versions.folder)]

    def call(*more: str) -> str:
        done = subprocess.run(
            [*command, *more], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for number, content in enumerate(("one", "two"), start=1):
        job.train(content)
        assert f"version {number} is in use: {job.versions.folder}/{number}" in call()
    assert "version 2 is this model already" in call()
    assert "version 1 is in use; 2 is withdrawn" in call("--rollback")
    assert job.served()["saved_model.pb"].endswith("one")
