"""Two processes never get the same GPU. A fake nvidia-smi lists two GPUs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from millrace.training import devices
devices.claim(eval(sys.argv[1]))
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
input()
"""
Trainings = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def training(tmp_path: Path) -> Trainings:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf 'GPU-a\\nGPU-b\\n'\n")
    smi.chmod(0o755)

    def run(count: int | None, **environment: str) -> subprocess.Popen[str]:
        """Starts a process that claims this many GPUs and keeps them until it reads a line."""
        path = f"{tmp_path}:{os.environ['PATH']}"
        plain = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(count)],
            env=plain | {"PATH": path, "TMPDIR": str(tmp_path)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return run


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_each_has_one_and_the_third_waits_until_one_is_free(training: Trainings) -> None:
    first = training(1)
    assert said(first) == "GPU-a"
    second = training(1)
    assert said(second) == "GPU-b"
    third = training(1)
    assert said(third) == "waiting for 1 of 2 GPUs, held by other trainings"
    second.kill()
    second.wait()
    assert said(third) == "GPU-b"
    for process in (first, third):
        process.communicate("\n")


def test_without_a_number_it_takes_all_or_waits_for_all(training: Trainings) -> None:
    first = training(1)
    assert said(first) == "GPU-a"
    greedy = training(None)
    assert said(greedy).startswith("waiting for 2 of 2 GPUs")
    first.communicate("\n")
    assert said(greedy) == "GPU-a,GPU-b"
    greedy.communicate("\n")


@pytest.mark.parametrize(
    ("given", "taken"), [("1", "GPU-b"), ("GPU-b", "GPU-b"), ("1,0", "GPU-b,GPU-a"), ("-1", "-1")]
)
def test_what_the_scheduler_gave_is_all_there_is(
    training: Trainings, given: str, taken: str
) -> None:
    process = training(None, CUDA_VISIBLE_DEVICES=given)
    assert said(process) == taken
    process.communicate("\n")
