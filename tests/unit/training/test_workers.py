"""Starting several processes. tests/end_to_end has a training in them, and a real SLURM."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millrace.config import complete
from millrace.training import workers
from tests.helpers.configs import model_settings

# In place of scripts/train.py: starts two copies of itself; argv names one that fails.
PROGRAM = """
import json, os, sys
from millrace.errors import exit_with_status
from millrace.training import workers
if "TF_CONFIG" in os.environ:
    print(os.environ["TF_CONFIG"] + "\\n", end="", flush=True)
    sys.exit(3 if str(json.loads(os.environ["TF_CONFIG"])["task"]["index"]) == sys.argv[1] else 0)
exit_with_status(lambda: workers.start(2))
"""


def train(
    folder: Path, failing: str = "none", program: str = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(program)
    return subprocess.run(
        [sys.executable, "train.py", failing],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_worker_is_told_of_all_and_which_it_is(tmp_path: Path) -> None:
    done = train(tmp_path)
    assert done.returncode == 0, done.stderr
    one, other = (json.loads(line) for line in done.stdout.splitlines())
    assert one["cluster"] == other["cluster"]
    assert len(set(one["cluster"]["worker"])) == 2
    assert {one["task"]["index"], other["task"]["index"]} == {0, 1}


def test_a_worker_that_fails_is_named(tmp_path: Path) -> None:
    done = train(tmp_path, failing="1")
    assert done.returncode == 1
    assert "expected all 2 to finish, found worker 1 with status 3." in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    program = PROGRAM.replace(
        'print(os.environ["TF_CONFIG"]', 'workers.end_with_starter(); print("up"'
    )
    program = program.replace("sys.exit(", "import time; time.sleep(120); sys.exit(")
    (tmp_path / "train.py").write_text(program)
    starter = subprocess.Popen(
        [sys.executable, "train.py", "none"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert [starter.stdout.readline() for _ in range(2)] == ["up\n"] * 2  # type: ignore[union-attr]
    starter.kill()
    # They have the other end of the pipe, which is closed when both are gone.
    assert starter.communicate(timeout=60)[0] == ""


def test_a_worker_that_nobody_started_here_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(workers.STARTER, raising=False)
    workers.end_with_starter()


def test_slurm_starts_one_on_each_node(tmp_path: Path) -> None:
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\nexit $SRUN_STATUS\n')
    srun.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = train(tmp_path, **slurm, SRUN_STATUS="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("--nodes=2 --ntasks=2 ")
    assert done.stdout.endswith(f"{sys.executable} train.py none\n")
    assert "found that srun ended with status 9" in train(tmp_path, **slurm, SRUN_STATUS="9").stderr


def test_workers_on_one_machine_divide_its_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stages run by earlier tests have hidden this process's GPUs.
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf 'GPU-a\\nGPU-b\\nGPU-c\\n'\n")
    smi.chmod(0o755)
    program = PROGRAM.replace(
        'print(os.environ["TF_CONFIG"]', 'print(os.environ["CUDA_VISIBLE_DEVICES"]'
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = train(tmp_path, program=program, PATH=path)
    assert sorted(done.stdout.split()) == ["GPU-a,GPU-c", "GPU-b"]
    done = train(tmp_path, program=program, PATH=path, CUDA_VISIBLE_DEVICES="0")
    assert "expected a GPU for each of 2, found 1." in done.stderr


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"kind": "dnn"}, 3),
        ({"kind": "boosted_trees"}, 1),
        ({"kind": "tf1", "saved_model": "old"}, 1),
    ],
)
def test_what_is_not_trained_in_steps_is_left_to_one(model: dict[str, Any], expected: int) -> None:
    job = {"name": "a", "data": {"files": "t.csv", "label": "y"}}
    settings = model_settings(**model)
    assert workers.needed(complete(job | {"training": {"workers": 3}}), settings) == expected
    assert workers.needed(complete(job), settings) == 1
