"""The main job's training, killed at random moments, ends with the weights of an undisturbed one.

The config is the main job's, its dnn with four epochs on all examples; with two workers, two epochs
on the first 60,000. It checkpoints after every call of the compiled steps, not, as in the main job,
every five minutes.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import CONFIG_FILE, ROOT, edit, environment, snakemake

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

RESULTS = "results/flights"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job, ready to train."""
    folder = tmp_path_factory.mktemp("flights")
    (folder / "config").mkdir()
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    config = folder / CONFIG_FILE
    config.write_text((ROOT / CONFIG_FILE).read_text(encoding="utf-8"), encoding="utf-8")
    edit(config, "training: {}", "training: {epochs: 4, checkpoint_minutes: 0}")
    snakemake(folder, f"{RESULTS}/encoded")
    return folder


@pytest.fixture
def chance() -> random.Random:
    """A new random generator for each run; pytest shows its seed if the test fails."""
    seed = int.from_bytes(os.urandom(2))
    print(f"seed {seed}")
    return random.Random(seed)


def train(folder: Path, output: str) -> subprocess.Popen[str]:
    """Starts the training of the dnn with its rule's command."""
    command = [sys.executable, "scripts/train.py", "--config", CONFIG_FILE, "--model", "dnn"]
    for name in ("preprocessing.json", "encoded"):
        command += [f"--{name.removesuffix('.json')}", f"{RESULTS}/{name}"]
    command += ["--models", output, "--output", f"{output}/training"]
    command += ["--hardware", f"{output}/hardware.json"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def await_checkpoints(process: subprocess.Popen[str], output: Path, count: int) -> None:
    """Waits until the training has written that many checkpoints."""
    record = output / "checkpoints" / "checkpoint"
    wanted = _last(record) + count
    while _last(record) < wanted:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)


def _last(record: Path) -> int:
    """The number of the last checkpoint, according to TensorFlow's index."""
    text = record.read_text() if record.exists() else ""
    found = re.match(r'model_checkpoint_path: ".*-(\d+)"', text)
    return int(found.group(1)) if found else 0


def files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output / "training").iterdir()}


def test_five_kills_at_random_moments_change_no_bit(folder: Path, chance: random.Random) -> None:
    """Waits for one to three checkpoints, then kills it while it computes or writes one."""
    finish(train(folder, "whole"))
    for _ in range(5):
        process = train(folder, "killed")
        await_checkpoints(process, folder / "killed", chance.randint(1, 3))
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (folder / "killed/training").exists()
    finish(train(folder, "killed"))
    assert files(folder / "killed") == files(folder / "whole")
    assert not (folder / "killed/checkpoints").exists()


def workers_of(process: subprocess.Popen[str]) -> dict[int, int]:
    """The process of each worker, by its index."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    task = re.compile(r'"task": \{"type": "worker", "index": (\d)\}')
    found = {}
    for child in children:
        index = task.search(Path(f"/proc/{child}/environ").read_text())
        assert index
        found[int(index.group(1))] = int(child)
    return found


def test_a_killed_worker_ends_the_training_which_goes_on_to_the_same_bits(
    folder: Path, chance: random.Random
) -> None:
    """Kills the chief, which writes the checkpoints; the unit tests kill the other worker."""
    settings = "training: {workers: 2, epochs: 2, debug: {rows: 60000}, checkpoint_minutes: 0}"
    config = folder / CONFIG_FILE
    config.write_text(re.sub(r"^training: .*", settings, config.read_text(), flags=re.MULTILINE))
    finish(train(folder, "pair"))
    process = train(folder, "broken_pair")
    await_checkpoints(process, folder / "broken_pair", chance.randint(1, 3))
    time.sleep(chance.uniform(0, 0.5))
    os.kill(workers_of(process)[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "training.workers: expected all 2 to finish, found worker 0 with status -9" in said
    assert re.search(r"worker 1: .*lost worker 0 \(127\.0\.0\.1:\d+\)", said)
    assert "Traceback" not in said
    finish(train(folder, "broken_pair"))
    assert files(folder / "broken_pair") == files(folder / "pair")
