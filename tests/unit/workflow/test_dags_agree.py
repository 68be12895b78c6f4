"""Snakefile and dvc.yaml describe one DAG: the same outputs, inputs, settings and command lines."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PARTS = ("Snakefile", "dvc.yaml", "rules", "scripts", "config", "envs", "profiles", "web")


@dataclass(frozen=True)
class Stage:
    """One job of the DAG, whichever driver runs it. Paths are relative to the project."""

    command: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    settings: frozenset[str]


def with_snakemake(folder: Path) -> set[Stage]:
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, DAGSettings, ResourceSettings

    with SnakemakeApi() as api, contextlib.redirect_stdout(io.StringIO()):
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        dag = workflow.dag(dag_settings=DAGSettings(forceall=True))
        dag.printrulegraph()  # the shortest way to have the DAG built
        return {
            Stage(
                command=re.sub(r" 2>&1 \| tee \S+$", "", " ".join(job.shellcmd.split())),
                inputs=frozenset(map(str, job.input)),
                outputs=frozenset(map(str, job.output)),
                settings=frozenset(job.params.get("uses", {})),
            )
            for job in workflow._workflow.dag.jobs
            if job.shellcmd
        }


def with_dvc(folder: Path) -> set[Stage]:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    def path(item: Any) -> str:
        return os.path.relpath(item.fs_path, folder)

    with Repo(str(folder)) as repo:
        stages = repo.index.stages
        made = {path(out) for stage in stages for out in stage.outs}
        return {
            Stage(
                command=" ".join(stage.cmd.split()),
                inputs=frozenset(
                    name
                    for dependency in stage.deps
                    if not isinstance(dependency, ParamsDependency)
                    for name in _within(path(dependency), made)
                ),
                outputs=frozenset(map(path, stage.outs)),
                settings=frozenset(
                    key
                    for dependency in stage.deps
                    if isinstance(dependency, ParamsDependency)
                    for key in dependency.params or _sections(folder)
                ),
            )
            for stage in stages
        }


def _within(dependency: str, made: set[str]) -> Iterator[str]:
    """A folder that no stage makes stands for what stages make in it."""
    inside = {name for name in made if name.startswith(f"{dependency}/")}
    yield from (inside if inside and dependency not in made else {dependency})


def _sections(folder: Path) -> list[str]:
    from millrace.config import load

    return list(load(folder / "config" / "config.yaml"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the two drivers read, in a git repository of its own."""
    for name in PARTS:
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("dvc.yaml", "config"):
        (tmp_path / name).unlink()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (tmp_path / "config" / "runs.json").write_text((ROOT / "config/runs.json").read_text())
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text())
    # Snakemake changes to its working directory and stays there.
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def write_runs() -> str:
    """Writes the runs of the config's models for DVC; returns what it said, if it refused."""
    command = [sys.executable, "-m", "millrace.workflow.drivers", "runs"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_both_drivers_run_the_same_stages(project: Path) -> None:
    stages = with_dvc(project)
    assert with_snakemake(project) == stages
    assert len(stages) == 20


def test_dvc_finds_every_setting_that_it_follows_in_the_config() -> None:
    """It commits no stage with one that is left at its default."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    followed = {
        key
        for stage in stages
        for params in stage.get("do", stage).get("params", [])
        for key in params["config/config.yaml"] or []
        if "$" not in key
    }
    assert {"data.sha256", "seed"} <= followed
    for key in followed:
        found = config
        for part in key.split("."):
            assert part in found, key
            found = found[part]


def test_they_agree_on_other_models_and_another_name(project: Path) -> None:
    config = project / "config" / "config.yaml"
    edit(config, "name: flights", "name: other")
    edit(config, "seed: 0", "seed: 5")
    edit(config, "  linear: {kind: linear}\n", "  one: {kind: linear}\n  two: {kind: linear}\n")
    assert not write_runs()
    stages = with_dvc(project)
    assert with_snakemake(project) == stages
    assert len(stages) == 22
    assert any("--model two" in stage.command for stage in stages)


def test_they_agree_on_seeds_folds_and_trials(project: Path) -> None:
    config = project / "config" / "config.yaml"
    edit(
        config,
        "  linear: {kind: linear}\n",
        "  linear: {kind: linear, seeds: 2, ensemble: true}\n"
        "  one: {kind: dnn, seeds: 3, tune: {trials: 5, space: {dropout: [0, 0.2]}}}\n",
    )
    config.write_text(
        re.sub(r"    by: time(\n    .*)+?test: .*", "    by: row", config.read_text())
    )
    edit(config, "folds: null", "folds: 2")
    assert not write_runs()
    stages = with_dvc(project)
    assert with_snakemake(project) == stages
    trainings = [stage for stage in stages if "scripts/train.py" in stage.command]
    # linear: itself, 2 seeds, 2 folds; one: 5 and 2 trials, 3 seeds, 2 folds; 3 others and 2 folds.
    assert len(trainings) == 5 + 12 + 9
    assert len(stages) == 12 + 5 + 12 + 9 + 5 + 5 + 9
    needed = {stage.command.split(" --model ")[1].split()[0]: stage.inputs for stage in trainings}
    models = "results/flights/models"
    assert {f"{models}/linear/seeds/{seed}/training" for seed in (0, 1)} <= needed["linear"]
    assert f"{models}/one/rungs/0/4/training" in needed["one/rungs/1/1"]
    assert f"{models}/one/rungs/1/1/training" in needed["one/seeds/2"] & needed["one/folds/0"]
    assert not any("rungs" in name for name in needed["one/rungs/0/0"])


def test_they_agree_on_the_users_own_files(project: Path) -> None:
    """In both, an edit of such a file runs the trainings again that read it, and no others."""
    config = project / "config" / "config.yaml"
    edit(
        config,
        "  linear: {kind: linear}\n",
        "  linear: {kind: linear}\n  mine: {kind: custom, path: 'mine.py:build', seeds: 2}\n",
    )
    edit(config, "training: {}", "training: {callbacks: 'calls.py:make'}")
    for name in ("mine.py", "calls.py"):
        (project / name).write_text("")
    assert not write_runs()
    trainings = [
        {stage for stage in stages if "scripts/train.py" in stage.inputs}
        for stages in (with_dvc(project), with_snakemake(project))
    ]
    assert trainings[0] == trainings[1]
    reading = {
        name: {
            stage.command.split(" --model ")[1].split()[0]
            for stage in trainings[0]
            if name in stage.inputs
        }
        for name in ("mine.py", "calls.py")
    }
    assert reading["mine.py"] == {"mine", "mine/seeds/1"}
    assert reading["calls.py"] == {"linear", "mine", "mine/seeds/1", "dnn", "boosted_trees", "tabm"}


def test_they_agree_on_several_parts(project: Path) -> None:
    edit(project / "config" / "config.yaml", "parts: [1]", "parts: [1, 2, 3]")
    stages = with_dvc(project)
    assert with_snakemake(project) == stages
    assert len(stages) == 22
    assert any("--part 3" in stage.command for stage in stages)


def test_they_agree_on_the_files_of_a_config_when_dvc_is_told_them(project: Path) -> None:
    config = project / "config" / "config.yaml"
    files = ("t.csv", "kept.json", "carriers.txt", "old.ckpt.index", "net.py")
    for file in files:
        (project / file).write_text("")
    edit(config, "bundled:flights", "t.csv")
    edit(config, "  label: late\n", "  label: late\n  schema: kept.json\n")
    edit(config, "carrier: vocabulary", "carrier: {kind: vocabulary, file: carriers.txt}")
    edit(
        config,
        "  linear: {kind: linear}\n",
        "  net: {kind: custom, path: 'net.py:build'}\n"
        "  old: {kind: tf1, checkpoint: old.ckpt, output: y}\n",
    )
    lacking = re.findall(r"^(\w+): ([\w.]+)$", write_runs(), re.MULTILINE)
    assert lacking == [
        ("fetch", "t.csv"),
        ("ingest", "kept.json"),
        ("preprocess", "carriers.txt"),
        ("train", "old.ckpt.index"),
        ("verify", "old.ckpt.index"),
    ]
    assert with_snakemake(project) != with_dvc(project)
    for stage, file in lacking:
        text = (project / "dvc.yaml").read_text()
        place = text.index("deps:\n", text.index(f"\n  {stage}:\n")) + len("deps:\n")
        indented = re.match(r" *- ", text[place:])
        assert indented
        (project / "dvc.yaml").write_text(f"{text[:place]}{indented[0]}{file}\n{text[place:]}")
    assert not write_runs()
    # A stage of dvc.yaml has the same inputs for all models.
    models = {"net.py", "old.ckpt.index"}
    assert {replace(stage, inputs=stage.inputs - models) for stage in with_dvc(project)} == {
        replace(stage, inputs=stage.inputs - models) for stage in with_snakemake(project)
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--champion results/${name}/champion.json", "--champion results/champion.json"),
        ("        - scripts/ingest.py\n", ""),
        ("      - results/${name}/rejected.csv\n", ""),
        ("          - data.sha256\n", ""),
        ("--model ${key}\n", "--model ${key} --verbose\n"),
    ],
    ids=["flag", "input", "output", "setting", "one flag more"],
)
def test_a_difference_is_found(project: Path, old: str, new: str) -> None:
    edit(project / "dvc.yaml", old, new)
    assert with_snakemake(project) != with_dvc(project)


@pytest.mark.slow
def test_a_difference_in_any_one_flag_is_found(project: Path) -> None:
    """Each flag of each command line in turn is given another name, in a job with all stages."""
    config = project / "config" / "config.yaml"
    edit(config, "linear: {kind: linear}", "linear: {kind: linear, seeds: 2, ensemble: true}")
    assert not write_runs()
    stages = with_snakemake(project)
    text = (project / "dvc.yaml").read_text()
    flags = list(re.finditer(r"--[a-z]+(-[a-z]+)*", text))
    assert len(flags) > 80
    for flag in flags:
        mutant = f"{text[: flag.end()]}x{text[flag.end() :]}"
        (project / "dvc.yaml").write_text(mutant)
        assert with_dvc(project) != stages, text[flag.start() : flag.end() + 40]
    (project / "dvc.yaml").write_text(text)
    assert with_dvc(project) == stages
