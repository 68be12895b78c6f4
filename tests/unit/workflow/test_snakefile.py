"""The Snakefile and rules: linted, fast to plan, with the right dependencies."""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from millrace.fetching.own_inputs import directories
from millrace.results import RawFolder, Results
from millrace.workflow.job import command
from tests.helpers import synthetic_jobs

ROOT = Path(__file__).parents[3]
STAGES = {
    "fetch",
    "ingest",
    "gather",
    "analyze",
    "preprocess",
    "rehearse",
    "train",
    "evaluate",
    "select",
    "export",
    "convert_tflite",
    "convert_tfjs",
    "convert_onnx",
    "verify",
    "report",
    "provenance",
}
# Stages that are not part of `all`.
BESIDE = {"score", "bless", "push"}
# Scripts that are no stages.
TOOLS = {"upgrade", "monitor"}


def run_in(
    folder: Path, command: list[str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder, with this Python's programs in PATH."""
    return subprocess.run(
        command,
        cwd=folder,
        env=synthetic_jobs.environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def call(*command: str) -> subprocess.CompletedProcess[str]:
    return run_in(ROOT, [sys.executable, "-m", *command])


@pytest.mark.parametrize(
    "command",
    [
        ["snakemake", "--lint"],
        ["snakefmt", "--check", "Snakefile", "rules"],
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_sources_are_clean(command: list[str]) -> None:
    done = call(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def plan(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Lets Snakemake plan, or run, in an empty folder."""
    for name in ("Snakefile", "rules", "scripts", "config", "envs", "profiles", "web"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    if "--cores" not in arguments:
        arguments = ("--dry-run", *arguments)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plan_holds_every_stage_and_every_model(tmp_path: Path) -> None:
    done = plan(tmp_path)
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    models = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["models"]
    assert set(counts) == STAGES | {"all", "total"}
    for stage in STAGES:
        expected = len(models) if stage in ("train", "evaluate") else 1
        assert int(counts[stage]) == expected


def test_new_rows_are_scored_when_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("1.csv", "2.jsonl.gz"):
        (tmp_path / "new" / name).write_text("")
    config = (ROOT / "config" / "config.yaml").read_text()
    (tmp_path / "job.yaml").write_text(f"{config}score: {{files: [new]}}\n")
    counts = []
    for targets in ([], ["scores"], ["results/flights/scored/2.parquet"]):
        done = plan(tmp_path, *targets, "--configfile", "job.yaml")
        assert done.returncode == 0, done.stderr
        counts.append(dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)).get("score"))
    assert counts == [None, "2", "1"]
    (tmp_path / "new" / "1.csv.gz").write_text("")
    done = plan(tmp_path, "--configfile", "job.yaml")
    assert "error: score.files: expected files of different names, found new/1.csv" in done.stderr


def test_planning_imports_nothing_slow(tmp_path: Path) -> None:
    """Importing TensorFlow takes seconds, and plans are made often."""
    spy = tmp_path / "spy"
    spy.mkdir()
    for name in ("tensorflow", "keras", "numba", "duckdb"):
        (spy / f"{name}.py").write_text(f"raise ImportError('{name} was imported')")
    done = plan(tmp_path, environment={"PYTHONPATH": f"{spy}:{ROOT / 'src'}"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_declares_what_lint_and_a_cluster_want() -> None:
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text()
        for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
            for directive in ("input", "output", "log", "benchmark", "conda", "resources"):
                assert f"\n    {directive}:" in rule, f"{path.name}: {rule.split(':')[0]}"
            assert "mem_mb=" in rule
            assert "runtime=" in rule


def test_all_that_reaches_a_shell_is_quoted() -> None:
    """File names, including the config's, may contain any character."""
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    shells = [
        shell
        for path in rules
        for shell in re.findall(r"^    shell:\n((?:        .*\n|\n)+)", path.read_text(), re.M)
    ]
    assert len(shells) == len(STAGES | BESIDE)
    for shell in [*shells, command("")]:
        for placeholder in re.findall(r"{([^{}]*)}", shell):
            assert placeholder.endswith(":q"), placeholder
    for shell in shells:
        assert shell.strip().startswith("command(")


NASTY = "a $(touch x)`touch x`; touch x & 'b' \"c\" {{d}} {} {params} -n *.yaml"


def test_a_name_is_no_command(tmp_path: Path) -> None:
    """The config and the table may have any name; `touch x` is never run."""
    for name in ("Snakefile", "rules", "scripts", "config", "envs", "profiles", "web"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / "$(touch x)"
    folder.mkdir()
    # Snakemake cannot name files with a wildcard's braces.
    table = re.sub(r"{\w+}|{{\w}}|\*", "", NASTY).replace(".yaml", ".csv")
    (folder / table).write_text("x,y\n1,0\n")
    (folder / NASTY).write_text(
        yaml.safe_dump({"name": "made", "data": {"files": f"$(touch x)/{table}", "label": "y"}})
    )
    options = ["--cores", "1", "--configfile", f"$(touch x)/{NASTY}", "--until", "fetch"]
    done = run_in(tmp_path, [sys.executable, "-m", "snakemake", *options])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results/made/raw/manifest.json").is_file()
    assert not list(tmp_path.rglob("x"))


def test_make_quotes_what_it_is_given(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    given = re.findall(r"^(\w+) \?= ", makefile, re.M)
    assert {"CONFIG", "OF", "CORES"} <= set(given)
    recipes = "\n".join(re.findall(r"^\t.*", makefile, re.M))
    for name in ("CONFIG", "OF", "CORES", "SRC", "DST"):
        assert f"$({name})" not in recipes.replace(f"{name}=$({name})", ""), name
    command = ["make", "--file", str(ROOT / "Makefile"), "run", f"CONFIG={NASTY}", "INSTALLED="]
    done = run_in(tmp_path, command)
    assert f"error: {NASTY}: expected a config file, found none." in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_stages_run_with_the_interpreter_of_snakemake(tmp_path: Path) -> None:
    """Also if no environment is activated, as with `.venv/bin/snakemake`."""
    done = plan(tmp_path, "--printshellcmds", environment={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"^Shell command: (.*)$", done.stdout, re.M)
    programs = [shlex.split(command)[0] for command in commands if command != "None"]
    assert len(programs) > len(STAGES)
    assert set(programs) == {sys.executable}


def test_every_stage_has_one_script_and_its_tests() -> None:
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert scripts - TOOLS == STAGES - {"select"} | {"select_champion"} | BESIDE
    tested = {path.stem for path in (ROOT / "tests" / "unit" / "scripts").glob("test_*.py")}
    assert {f"test_{script}" for script in scripts - TOOLS} <= tested


def test_every_stage_declares_the_settings_that_it_reads() -> None:
    """If a rule did not declare a setting, its change would not rerun the stage."""
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    for rule in re.split(r"^rule ", rules, flags=re.MULTILINE)[1:]:
        stage = rule.split(":")[0]
        script = "select_champion" if stage == "select" else stage
        text = (ROOT / "scripts" / f"{script}.py").read_text()
        read = set(re.findall(r"(?:\bjob|config\.load\([^)]*\))\.(\w+)", text)) - {"name"}
        uses = "".join(re.findall(r"uses=(.*?\n)(?:    message|        \w+=)", rule, re.DOTALL))
        declared = {key.split(".")[0] for key in re.findall(r'"([\w.{}]+)"', uses)}
        assert "job.plain" in uses or read <= declared, stage


def test_no_script_hides_a_module_of_the_standard_library() -> None:
    """A script's folder is first in sys.path: a select.py would break subprocess."""
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert not scripts & set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "name: a\ndata: {files: t.csv}\n",
            "error: job.yaml: data: expected the key 'label', found none.",
        ),
        (
            "name: a\ncolour: red\ndata: {files: t.csv, label: y}\n",
            "unknown key 'colour'; allowed: name",
        ),
        (
            "name: a\ndata: {files: 'none/*.csv', label: y}\n",
            "error: data.files: expected files that match none/*.csv, found none.",
        ),
    ],
    ids=["no label", "unknown key", "glob"],
)
def test_a_bad_config_ends_in_one_error_before_anything_runs(
    tmp_path: Path, config: str, expected: str
) -> None:
    (tmp_path / "job.yaml").write_text(config)
    done = plan(tmp_path, "--configfile", "job.yaml")
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert "File " not in done.stderr
    assert not (tmp_path / "results").exists()


LAUGHS = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: a\ndata:\n\tfiles: t.csv\n", "line 3, column 1: expected YAML, found a mistake"),
        ("name: \N{LATIN SMALL LETTER E WITH ACUTE}\n".encode("latin-1"), "expected YAML in UTF-8"),
        (f"x0: &x0 [a]\n{LAUGHS}".encode(), "expected at most 1,000,000 values, found more"),
    ],
    ids=["tab", "latin", "laughs"],
)
def test_a_config_is_checked_before_snakemake_reads_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """Snakemake's own parser never terminates on the last of them."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_bytes(content)
    make = ["make", "--file", str(ROOT / "Makefile"), "run", "INSTALLED="]
    snakemake = [sys.executable, "-m", "snakemake", "-n", "-s", str(ROOT / "Snakefile")]
    for driver in (make, snakemake):
        done = run_in(tmp_path, driver, seconds=100)
        assert done.returncode
        assert f"error: config/config.yaml: {message}" in done.stderr
        assert "Traceback" not in done.stderr
    assert [item.name for item in tmp_path.iterdir() if item.name != ".snakemake"] == ["config"]


def test_another_config_inherits_nothing_from_the_default_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n")
    (tmp_path / "job.yaml").write_text("name: mine\ndata: {files: t.csv, label: y}\n")
    done = plan(tmp_path, "--configfile", "job.yaml")
    assert done.returncode == 0, done.stderr
    assert "--config job.yaml " in done.stdout
    assert "results/mine/" in done.stdout
    assert "flights" not in done.stdout


def test_a_profile_says_why_for_each_of_its_entries() -> None:
    for path in (ROOT / "profiles").glob("*/config.yaml"):
        lines = path.read_text().splitlines()
        for before, line in pairwise(lines):
            if re.match(r"[a-z]", line):
                assert before.startswith("#"), f"{path}: {line}"


@pytest.mark.parametrize(
    ("table", "files", "message"),
    [
        ("raw", "results/own/raw/table.csv", "expected a path outside results/own"),
        ("web", "results/*/web/*.csv", "which contains that folder"),
        ("examples", "other.csv", "examples: expected a directory that Millrace made, found"),
    ],
)
def test_nobody_elses_file_is_deleted(tmp_path: Path, table: str, files: str, message: str) -> None:
    """Snakemake empties a rule's output directory before the script can refuse."""
    theirs = tmp_path / "results" / "own" / table / "table.csv"
    theirs.parent.mkdir(parents=True)
    for path in (theirs, tmp_path / "other.csv"):
        path.write_text("x,y\n1,0\n")
    (tmp_path / "job.yaml").write_text(f"name: own\ndata: {{files: '{files}', label: y}}\n")
    targets = ["results/own/raw", "results/own/examples"]
    done = plan(tmp_path, "--configfile", "job.yaml", "--cores", "1", *targets)
    assert done.returncode != 0
    assert message in done.stderr
    assert theirs.read_text() == "x,y\n1,0\n"


def test_the_guard_knows_every_directory_that_a_rule_writes(tmp_path: Path) -> None:
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    declared = re.findall(r"\bdirectory\((.+)\),", rules)
    known = {"R": Results(tmp_path), "job": SimpleNamespace(raw=RawFolder(Results(tmp_path).raw))}
    made = [str(eval(name, known)).format(part=1, model="tabm/seeds/1") for name in declared]
    for path in made:
        Path(path).mkdir(parents=True)
    assert len(made) == len(re.findall(r"\bdirectory\(", rules))
    assert sorted(made) == sorted(map(str, directories(Results(tmp_path))))


@pytest.mark.slow
def test_the_error_of_a_stage_is_the_last_thing_on_the_screen(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    config = {"name": "made", "data": {"files": "t.csv", "label": "z"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(config))
    plan(tmp_path)  # creates the links
    command = ["snakemake", "--cores", "1", "--configfile", "job.yaml"]
    done = run_in(tmp_path, [sys.executable, "-m", *command])
    assert done.returncode == 1
    shown = done.stderr.rpartition("At least one job did not complete successfully.")[2].split("\n")
    assert shown[2:4] == [
        "logs/made/ingest.1.log:",
        "error: data.label: expected a column of the table, found 'z'.",
    ]
    assert len(shown) == 6  # the comment and its line end
