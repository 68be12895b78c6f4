"""After a module is edited, the stages that import it are rerun, with that as the reason."""

import re
from pathlib import Path

import pytest

from millrace.workflow.code import Code
from tests.helpers.synthetic_jobs import (
    PlannedJob,
    all_jobs,
    make_repository,
    planned,
    snakemake,
)

ROOT = Path(__file__).parents[3]
# One module of each room that stages use; `workflow` and `console` are used by none.
MODULES = [
    "errors",
    "files",
    "config.runs",
    "tfrecord.framing",
    "fetching.downloads",
    "ingestion.delimited",
    "statistics.tallies",
    "features.feature_columns.dates",
    "models.tabm",
    "training.loop",
    "evaluation.metrics",
    "export.parity",
    "export.runtimes.tflite",
    "export.onnx_emitter.operations",
    "report.page",
    "tf1.vocabulary_rows",
    "tf1.upgrade",
]
Jobs = list[PlannedJob]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Jobs]:
    """A copy of the project whose outputs exist, with Snakemake's record of how they were made."""
    folder = make_repository(tmp_path_factory.mktemp("reruns") / "job")
    jobs = all_jobs(folder)
    for path in (folder / output for job in jobs for output in job.outputs):
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    snakemake(folder, "--touch", "--forceall")
    assert not planned(folder)
    return folder, jobs


def importing(folder: Path, jobs: Jobs, module: str) -> set[str]:
    """Returns the rules of the stages that use a module; test_code.py checks `Code` itself.

    A rehearsal is repeated only with its trainings.
    """
    code = Code()
    return {
        job.rule
        for job in jobs
        if any(
            line.split()[0] == module
            for line in code.of(folder / job.command[1].replace("rehearse", "train"))
        )
    }


def and_behind(jobs: Jobs, rules: set[str]) -> set[str]:
    """Returns these rules and all that depend on them."""
    stale: set[str] = set()
    while True:
        made = {path for job in jobs if job.rule in rules - {"rehearse"} for path in job.outputs}
        rules = rules | {job.rule for job in jobs if made & set(job.inputs)}
        if rules == stale:
            return rules
        stale = rules


def after(path: Path, text: str) -> str:
    """Returns the plan while a file has another content."""
    before = path.read_text()
    path.write_text(text)
    try:
        return snakemake(path.parents[[*path.parts][::-1].index("src")], "--dry-run")
    finally:
        path.write_text(before)


def rules_in(plan: str) -> set[str]:
    return set(re.findall(r"^(\w+) +\d+$", plan, re.MULTILINE)) - {"total", "all"}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_an_edit_runs_what_imports_the_module_and_what_follows(
    project: tuple[Path, Jobs], module: str
) -> None:
    folder, jobs = project
    path = folder / "src" / "millrace" / Path(*module.split(".")).with_suffix(".py")
    # Modules that are run by path and imported by none are named by their path.
    names = f"millrace.{module}", path.relative_to(folder).as_posix()
    direct = set().union(*(importing(folder, jobs, name) for name in names))
    plan = after(path, f"{path.read_text()}\nedited = 1\n")
    assert rules_in(plan) == and_behind(jobs, direct)
    if direct:
        assert re.search(rf"Reason: Params have changed .*{path.stem}", plan)


@pytest.mark.slow
def test_comments_docstrings_and_layout_run_nothing(project: tuple[Path, Jobs]) -> None:
    path = project[0] / "src" / "millrace" / "errors.py"
    text = path.read_text()
    assert text.startswith('"""')
    for edited in ("# A comment.\n" + text, text.replace('"""', '"""Otherwise: ', 1)):
        assert not rules_in(after(path, edited))


def test_early_stages_run_no_code_of_late_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected stages are written by hand."""
    monkeypatch.chdir(ROOT)
    code = Code()
    late = ("models", "training", "evaluation", "export", "report", "tf1", "workflow", "console")
    for script in ("fetch", "ingest", "gather", "analyze"):
        for line in code.of(Path("scripts", f"{script}.py")):
            assert not line.startswith(tuple(f"millrace.{room}" for room in late)), script
    train = [line.split()[0] for line in code.of(Path("scripts/train.py"))]
    assert {"millrace.models.tabm", "millrace.training.loop"} <= set(train)
    assert not any(name.startswith(("millrace.report", "millrace.workflow")) for name in train)
