"""Follows the recipes of CONTRIBUTING.md in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.artifacts.statistics import (
    LabelStatistics,
    SplitStatistics,
    Statistics,
    TextStatistics,
)

ROOT = Path(__file__).parents[2]
STEP = re.compile(
    r"in `([^`]+)`, (a new file|at the end|(?:after|before) the line `([^`]+)`):\n\n"
    r"```(?:python|text)\n(.*?)^```$",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
TRIAL = re.compile(r"^Try it:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipe(title: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.partition(f"## Recipe: {title}\n")[2].partition("\n## ")[0]


def carry_out(folder: Path, text: str) -> None:
    """Copies the project and makes a recipe's changes in the copy."""
    for name in ("src", "scripts", "rules", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "envs", "profiles", "web", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    steps = STEP.findall(text)
    blocks = len(re.findall("^```(?:python|text)$", text, re.MULTILINE))
    assert len(steps) == blocks - len(TRIAL.findall(text)) > 0
    for name, where, line, block in steps:
        change(folder / name, where, line, block)


def change(path: Path, where: str, line: str, block: str) -> None:
    if where == "a new file":
        assert not path.exists(), path
        path.write_text(block, encoding="utf-8")
        return
    old = path.read_text(encoding="utf-8")
    if where == "at the end":
        path.write_text(old + block, encoding="utf-8")
        return
    assert old.count(f"\n{line}\n") == 1, (path, line)
    new = f"\n{line}\n{block}" if where.startswith("after") else f"\n{block}{line}\n"
    path.write_text(old.replace(f"\n{line}\n", new), encoding="utf-8")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("title", ["a feature column", "a kind of model"])
def test_a_recipe_ends_in_what_it_tries(tmp_path: Path, title: str) -> None:
    text = recipe(title)
    carry_out(tmp_path, text)
    (trial,) = TRIAL.findall(text)
    run(tmp_path, "-c", trial)


def test_the_recipe_of_a_stage_runs_and_is_planned(tmp_path: Path) -> None:
    carry_out(tmp_path, recipe("a stage and its artifact"))
    added = (tmp_path / "rules/features.smk").read_text().partition("rule count_labels:")[2]
    # As every rule; see test_snakefile.py.
    assert "mem_mb=" in added
    assert "runtime=" in added
    label = TextStatistics("string", rows=5, missing=0, distinct=2, values=[("no", 3), ("yes", 2)])
    split = SplitStatistics(rows=5, columns={"late": label})
    described = Statistics({"train": split}, LabelStatistics("late", "binary", ["no", "yes"]))
    described.save(tmp_path / "statistics.json")
    files = ["--statistics", "statistics.json", "--output", "counts.json"]
    run(tmp_path, "scripts/count_labels.py", *files)
    assert json.loads((tmp_path / "counts.json").read_text()) == {"counts": {"no": 3, "yes": 2}}
    plan = run(tmp_path, "-m", "snakemake", "-n", "results/flights/label_counts.json")
    assert re.search(r"^count_labels +1$", plan, re.MULTILINE), plan
