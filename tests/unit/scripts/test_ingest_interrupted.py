"""ingest, interrupted: half-written files are never taken for complete."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millrace.artifacts.manifest import Manifest, RawFile

SCRIPT = Path(__file__).parents[3] / "scripts" / "ingest.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job whose examples take about 20 MB."""
    folder = tmp_path_factory.mktemp("job")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(100_000, 8)).round(3)).add_prefix("x")
    table["label"] = rng.integers(0, 2, len(table))
    table.to_csv(folder / "table.csv", index=False)
    file = RawFile(str(folder / "table.csv"), None, "0" * 64, bytes=0, source="table.csv")
    (folder / "raw").mkdir()
    Manifest([file]).save(folder / "raw" / "manifest.json")
    config = {"name": "made", "data": {"files": "table.csv", "label": "label"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    return folder


def command(folder: Path, results: Path) -> list[str]:
    arguments = ["--config", str(folder / "config.yaml"), "--raw", str(folder / "raw")]
    arguments += ["--part", "1", "--output", str(results / "part")]
    return [sys.executable, str(SCRIPT), *arguments]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".partial" not in str(path)
    }


def test_killed_and_run_again(folder: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(command(folder, tmp_path), stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(".part.*/train-*")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert contents(tmp_path) == {}
    subprocess.run(command(folder, tmp_path), check=True, capture_output=True)
    subprocess.run(command(folder, tmp_path / "other"), check=True, capture_output=True)
    expected = contents(tmp_path / "other")
    assert len(expected) == 10
    found = {name: data for name, data in contents(tmp_path).items() if "other" not in name}
    assert found == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_full_disk_is_said_and_nothing_is_left(
    folder: Path, small_disk: Path, compression: str
) -> None:
    config = json.loads((folder / "config.yaml").read_text())
    config["data"]["compression"] = compression
    changed = folder / f"{compression}.yaml"
    changed.write_text(json.dumps(config))
    arguments = [
        text.replace("/config.yaml", f"/{changed.name}") for text in command(folder, small_disk)
    ]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"error: {small_disk / 'part'}: No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
    assert list(small_disk.iterdir()) == []
