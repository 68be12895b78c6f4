"""dvc.yaml matches the rules: DVC reads the jobs that Snakemake would run."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.errors import MillraceError
from millrace.workflow import drivers, dvc_yaml

ROOT = Path(__file__).parents[3]
PARTS = ("Snakefile", "rules", "scripts", "envs", "profiles", "web", "src")
Stage = tuple[str, frozenset[str], frozenset[str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies the files that both drivers read into a new git repository."""
    for name in PARTS:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text())
    # Snakemake changes the working directory and does not change it back.
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_snakemake() -> set[Stage]:
    """Returns the command, inputs and outputs of each job that Snakemake plans."""
    return {
        (" ".join(job.command), frozenset(job.inputs), frozenset(job.outputs))
        for job in dvc_yaml.planned()
    }


def with_dvc(folder: Path) -> set[Stage]:
    """Returns the same for each stage in dvc.yaml except the one that lists the code."""
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    def path(item: Any) -> str:
        return os.path.relpath(item.fs_path, folder)

    with Repo(str(folder)) as repo:
        stages = [stage for stage in repo.index.stages if stage.name != "code"]
        made = {path(out) for stage in stages for out in stage.outs}
        return {
            (
                " ".join(stage.cmd.split()),
                frozenset(
                    name
                    for dependency in stage.deps
                    if not isinstance(dependency, ParamsDependency)
                    for name in _within(path(dependency), made)
                    if "/code/" not in name
                ),
                frozenset(map(path, stage.outs)),
            )
            for stage in stages
        }


def _within(dependency: str, made: set[str]) -> Iterator[str]:
    """A folder that no stage creates is replaced by the stages' outputs in it."""
    inside = {name for name in made if name.startswith(f"{dependency}/")}
    yield from (inside if inside and dependency not in made else {dependency})


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def stages() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(dvc_yaml.generated())["stages"]
    return found


def test_the_committed_file_is_what_the_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make dvc` writes it."""
    monkeypatch.chdir(ROOT)
    assert Path("dvc.yaml").read_text(encoding="utf-8") == dvc_yaml.generated()


def test_dvc_reads_the_jobs_of_snakemake(project: Path) -> None:
    found = with_dvc(project)
    assert with_snakemake() == found
    assert len(found) == 22


def test_an_experiment_may_set_the_name_and_the_parts(project: Path) -> None:
    """Does not need `make dvc`: they are variables in dvc.yaml."""
    config = project / "config" / "config.yaml"
    edit(config, "name: flights", "name: other")
    edit(config, "parts: [1]", "parts: [1, 2, 3]")
    found = with_dvc(project)
    assert with_snakemake() == found
    assert len(found) == 24
    assert any("--part 3 --output results/other/parts/3" in command for command, _, _ in found)


def test_files_of_new_rows_are_stages_where_the_config_lists_them(project: Path) -> None:
    config = project / "config" / "config.yaml"
    (project / "new").mkdir()
    for name in ("january.csv.gz", "february.parquet"):
        (project / "new" / name).write_text("")
    config.write_text(
        config.read_text() + "score: {files: ['new/*', 'later/*.csv'], format: csv}\n"
    )
    dvc_yaml.write()
    found = with_dvc(project)
    assert with_snakemake() == found
    assert len(found) == 24
    written = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    scored = {name: stage for name, stage in written.items() if name.startswith("score-")}
    assert scored.keys() == {"score-february", "score-january"}
    assert "new/january.csv.gz" in scored["score-january"]["deps"]
    assert drivers._targets() == ["all", "scores"]
    assert "results/${name}/scored/january.csv" in scored["score-january"]["outs"]


def test_bless_and_push_are_stages_where_the_config_says_so(project: Path) -> None:
    config = project / "config" / "config.yaml"
    config.write_text(config.read_text() + "push: {automatic: true}\n")
    dvc_yaml.write()
    found = with_dvc(project)
    assert with_snakemake() == found
    written = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    before = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert written.keys() - before.keys() == {"bless", "push"}
    assert written["push"]["outs"] == ["results/${name}/pushed.json"]
    assert drivers._targets() == ["all", "push"]


def test_every_training_is_a_stage_with_what_it_reads(project: Path) -> None:
    """Seeds, folds, trials and the user's files only affect the stages that read them."""
    config = project / "config" / "config.yaml"
    files = ("t.csv", "kept.json", "carriers.txt", "old.ckpt.index", "mine.py", "calls.py")
    for file in files:
        (project / file).write_text("")
    edit(config, "bundled:flights", "t.csv")
    edit(config, "  label: late\n", "  label: late\n  schema: kept.json\n")
    edit(config, "carrier: vocabulary", "carrier: {kind: vocabulary, file: carriers.txt}")
    edit(
        config,
        "  linear: {kind: linear}\n",
        "  linear: {kind: linear, seeds: 2, ensemble: true}\n"
        "  one: {kind: dnn, seeds: 3, tune: {trials: 5, space: {dropout: [0, 0.2]}}}\n"
        "  mine: {kind: custom, path: 'mine.py:build', seeds: 2}\n"
        "  both: {kind: ensemble, of: [linear, one]}\n",
    )
    edit(config, "training: {}", "training: {callbacks: 'calls.py:make'}")
    config.write_text(
        re.sub(r"    by: time(\n    .*)+?test: .*", "    by: row", config.read_text())
    )
    dvc_yaml.write()
    assert with_snakemake() == with_dvc(project)
    written = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    trainings = {name: set(stage["deps"]) for name, stage in written.items() if "train" in name}
    # linear and 2 seeds; one, 5 and 2 trials and 2 more seeds; mine and a seed; both; 3 others.
    assert len(trainings) == 3 + 10 + 2 + 1 + 3
    models = "results/${name}/models"
    assert {f"{models}/linear/seeds/{n}/training" for n in (0, 1)} <= trainings["train-linear"]
    members = ("linear/seeds/0", "linear/seeds/1", "one", "one/seeds/1", "one/seeds/2")
    assert {path for path in trainings["train-both"] if path.startswith(models)} == {
        f"{models}/{run}/training" for run in members
    }
    assert f"{models}/one/rungs/0/4/training" in trainings["train-one-rungs-1-1"]
    assert not any("rungs" in name for name in trainings["train-one-rungs-0-0"])
    assert {name for name, read in trainings.items() if "mine.py" in read} == {
        "train-mine",
        "train-mine-seeds-1",
    }
    assert all("calls.py" in read for read in trainings.values())
    assert "t.csv" in written["fetch"]["deps"]
    assert "kept.json" in written["ingest"]["do"]["deps"]
    assert "carriers.txt" in written["preprocess"]["deps"]


def test_dvc_follows_a_section_where_a_key_is_left_at_its_default(project: Path) -> None:
    """DVC cannot track a key that the file lacks, yet must not miss its change."""
    config = project / "config" / "config.yaml"
    edit(config, "  sha256: {}\n", "")
    edit(config, "selection: {metric: auto, folds: null}", "selection: {metric: auto}")
    edit(config, "parity: {}\n", "")

    def followed(stage: str) -> object:
        (params,) = stages()[stage]["params"]
        return params["config/config.yaml"]

    assert followed("fetch") == ["data"]
    assert followed("evaluate-dnn") == ["evaluation", "seed", "selection"]
    assert followed("verify") is None
    assert followed("report") is None
    assert followed("train-dnn") == ["models.dnn", "seed", "selection", "training"]


def test_options_of_outputs_are_kept(project: Path) -> None:
    schema = "    - results/${name}/schema.json\n"
    gathered = f"    outs:\n    - results/${{name}}/examples\n{schema}"
    edit(project / "dvc.yaml", gathered, gathered.replace("examples", "examples: {push: false}"))
    assert stages()["gather"]["outs"] == [
        {"results/${name}/examples": {"push": False}},
        "results/${name}/schema.json",
        "results/${name}/ingest.json",
        "results/${name}/rejected.csv",
    ]


def test_a_raw_file_that_is_not_there_is_refused(project: Path) -> None:
    before = Path("dvc.yaml").read_bytes()
    edit(project / "config" / "config.yaml", "bundled:flights", "absent.csv")
    with pytest.raises(MillraceError, match=r"data\.files: expected the file absent\.csv"):
        dvc_yaml.write()
    assert Path("dvc.yaml").read_bytes() == before


def test_names_that_mean_something_to_a_shell_or_to_dvc_stay_as_they_are(project: Path) -> None:
    name = "a ${} $(touch x)'.csv"
    (project / name).write_text("")
    edit(project / "config" / "config.yaml", "bundled:flights", f'"{name}"')
    dvc_yaml.write()
    assert with_snakemake() == with_dvc(project)
    assert not (project / "x").exists()


def test_the_code_of_each_stage_is_an_input_of_it(project: Path) -> None:
    found = stages()
    listed = set(found["code"]["outs"])
    for name, stage in found.items():
        body = stage.get("do", stage)
        if name != "code":
            script = re.search(r"scripts/(\w+)\.py", body["cmd"])
            assert script
            assert f"results/${{name}}/code/{script[1]}" in body["deps"]
            assert f"results/${{name}}/code/{script[1]}" in listed
    assert found["code"]["cmd"].split()[3] == "results/${name}/code"
