"""Runs the real workflow on a small synthetic job, in a folder of its own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
ROWS = 2500
UNLABELLED = 25
CONFIG_FILE = "config/config.yaml"
# Has the keys that DVC tracks: it can only track keys that exist.
CONFIG = """
name: made
seed: 0
data: {files: table.csv, label: label, sha256: {}, database: null, parts: [1]}
features:
  size: {kind: numeric, column: size (mm)}
  rooms: vocabulary
  city: vocabulary
  size_bucket: {kind: bucketized, column: size (mm), quantiles: 5}
  city_by_size: {kind: crossed, keys: [city, size_bucket]}
  city_embedding: {kind: embedding, of: city, dimension: 3}
models:
  linear: {kind: linear}
  small: {kind: dnn, hidden_units: [16]}
training: {epochs: 15, learning_rate: 0.01}
evaluation: {bootstrap: 20}
selection: {metric: auto, folds: null}
export: {}
parity: {rows: 200}
"""


def write_table(path: Path, task: str) -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "size (mm)": rng.normal(30, 8, ROWS).round(2),
            "rooms": rng.integers(1, 5, ROWS),
            "city": rng.choice(["Aarhus", "Zürich", "São Paulo", "東京, 日本"], ROWS),
        }
    )
    score = (table["size (mm)"] - 30) / 8 + table["rooms"] + 2 * (table["city"] == "Zürich")
    score += rng.normal(0, 0.5, ROWS)
    label: Any = score * 100
    if task == "binary":
        label = np.where(score > 3, "yes", "no")
    if task == "multiclass":
        label = np.select([score < 2, score < 4], ["low", "middle"], "high")
    table["label"] = label
    table.loc[rng.random(ROWS) < 0.1, "size (mm)"] = np.nan
    table.loc[rng.random(ROWS) < 0.05, "city"] = None
    table.loc[: UNLABELLED - 1, "label"] = None
    table.to_csv(path, index=False, na_rep="NA")


def make_folder(folder: Path, task: str) -> Path:
    """Creates a folder for a job: the table, the config, and the project's files."""
    (folder / "config").mkdir(parents=True)
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    write_table(folder / "table.csv", task)
    (folder / CONFIG_FILE).write_text(CONFIG, encoding="utf-8")
    return folder


# The files of the project that a job, git and DVC need.
PROJECT = (
    *("Snakefile", "pyproject.toml", "config/schema.json", "LICENSE"),
    *("envs", "profiles", "rules", "scripts", "src", "web"),
    *(".dvc", ".dvcignore", ".gitignore"),
)


def make_repository(folder: Path) -> Path:
    """Creates a git repository with the project and a binary job, whose table DVC tracks."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PROJECT]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / "web" / "node_modules").symlink_to(ROOT / "web" / "node_modules")
    write_table(folder / "table.csv", "binary")
    (folder / CONFIG_FILE).write_text(CONFIG, encoding="utf-8")
    run(folder, "millrace.workflow.drivers", "dvc")
    git(folder, "init", "--quiet")
    run(folder, "dvc", "add", "--quiet", "table.csv")
    commit(folder, "job")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def call(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python module as a program, in a folder."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, *command: str) -> str:
    """Runs a program that must succeed, and returns its output."""
    done = call(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a job: this Python, and the folder's code if it has a copy."""
    own = {"PYTHONPATH": str(folder / "src")} if (folder / "src").is_dir() else {}
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | own


def start(
    folder: Path, *arguments: str, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def snakemake(folder: Path, *arguments: str) -> str:
    """Runs the workflow in a folder, checks that it succeeds, and returns its output."""
    process = start(folder, *arguments)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def planned(folder: Path, *arguments: str) -> set[str]:
    """Returns the rules that the next run would execute."""
    output = snakemake(folder, "--dry-run", *arguments)
    return set(re.findall(r"^(\w+) +\d+$", output, re.MULTILINE)) - {"total", "all"}


@dataclass(frozen=True)
class PlannedJob:
    """A job that Snakemake would run: its rule, its command's words, and its declarations."""

    rule: str
    command: list[str]
    inputs: list[str]
    outputs: list[str]


PLAN = """
import json
from millrace.workflow import dvc_yaml
jobs = [[job.rule, job.command, job.inputs, job.outputs] for job in dvc_yaml.planned()]
print(json.dumps(jobs))
"""


def all_jobs(folder: Path) -> list[PlannedJob]:
    """Returns the jobs of a complete run, in the order of the rules."""
    command = [sys.executable, "-c", PLAN]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=True
    )
    return [PlannedJob(*job) for job in json.loads(done.stdout)]


def hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every artifact, without Snakemake's timestamps."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file() and path.name != ".snakemake_timestamp"
    }
