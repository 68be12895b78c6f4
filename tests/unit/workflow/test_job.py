import datetime
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millrace.config import complete, load
from millrace.workflow.job import Job, command, prepare
from millrace.workflow.resources import grows

CONFIG = """
name: made
data: {files: [t.csv, "more/*.csv", absent.csv], label: y}
training: {learning_rate: 0.01}
models: {small: {kind: dnn, hidden_units: [4]}, linear: {kind: linear}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    for name in ("t.csv", "more/b.csv", "more/a.csv"):
        (tmp_path / name).write_text("x,y\n1,0\n")
    (tmp_path / "job.yaml").write_text(CONFIG)
    return tmp_path


def as_snakemake_merges_it(folder: Path) -> dict[str, Any]:
    import yaml

    merged = yaml.safe_load((folder / "job.yaml").read_text())
    assert isinstance(merged, dict)
    return merged


def test_one_config_file_is_passed_on_as_it_is(folder: Path) -> None:
    job = prepare(as_snakemake_merges_it(folder), [folder / "job.yaml"])
    assert job.path == "job.yaml"
    assert job.config == load(folder / "job.yaml")
    assert (job.name, str(job.results.folder)) == ("made", "results/made")
    assert list(job.runs) == ["small", "linear"]
    assert not (folder / "results").exists()


def test_an_override_makes_a_file_of_the_merged_config(folder: Path) -> None:
    merged = as_snakemake_merges_it(folder) | {"seed": 3}
    job = prepare(merged, ["job.yaml"])
    assert job.path == "results/made/config.yaml"
    assert load(Path(job.path)) == job.config == complete(merged)
    before = Path(job.path).stat().st_mtime_ns
    assert prepare(merged, ["job.yaml"]) == job
    assert Path(job.path).stat().st_mtime_ns == before


@pytest.mark.parametrize("files", [[], ["job.yaml", "job.yaml"]], ids=["none", "two"])
def test_a_config_that_no_single_file_holds_is_written_down(folder: Path, files: list[str]) -> None:
    job = prepare(as_snakemake_merges_it(folder), files)
    assert load(Path(job.path)) == job.config
    assert job.path == "results/made/config.yaml"


def test_a_date_that_snakemake_parsed_is_the_text_in_the_file(folder: Path) -> None:
    split = "{by: time, column: d, validation: 2013-10-01, test: 2013-11-01}"
    text = CONFIG.replace("label: y", f"label: y, split: {split}")
    (folder / "job.yaml").write_text(text)
    merged = as_snakemake_merges_it(folder)
    assert merged["data"]["split"]["test"] == datetime.date(2013, 11, 1)
    assert prepare(merged, ["job.yaml"]).path == "job.yaml"


def test_files_are_read_anew_with_what_the_command_line_changes(folder: Path) -> None:
    """Snakemake reads 1e-3 as text, and takes the last of two equal keys."""
    (folder / "job.yaml").write_text(CONFIG.replace("0.01", "1e-3"))
    merged = as_snakemake_merges_it(folder)
    job = prepare(merged, ["job.yaml"], overrides={"seed": 3})
    assert (job.config.training.learning_rate, job.config.seed) == (0.001, 3)
    (folder / "job.yaml").write_text(CONFIG + "seed: 1\nseed: 2\n")
    with pytest.raises(SystemExit, match="expected each key once, found 'seed' again"):
        prepare(merged, ["job.yaml"], overrides={})


def test_local_files_are_those_that_exist_with_globs_expanded(folder: Path) -> None:
    job = prepare(as_snakemake_merges_it(folder), ["job.yaml"])
    assert job.local_files == ["t.csv", "more/a.csv", "more/b.csv"]


def test_depends_on_changes_with_the_parts_named_and_nothing_else(folder: Path) -> None:
    keys = ("seed", "models.small.hidden_units", "selection.none")

    def uses(**changes: Any) -> dict[str, str]:
        return prepare(as_snakemake_merges_it(folder) | changes, []).depends_on(*keys)

    before = uses()
    assert list(before) == list(keys)
    assert uses(training={"epochs": 7}) == before
    assert uses(seed=1) == before | {"seed": uses(seed=1)["seed"]} != before
    models = {"small": {"kind": "dnn", "hidden_units": [5]}, "linear": {"kind": "linear"}}
    assert uses(models=models)[keys[1]] != before[keys[1]]


def test_no_text_of_a_config_comes_into_the_metadata_and_the_report(folder: Path) -> None:
    """Snakemake shows parameters there as they are."""
    secret = "https://example.org/abc</script><script>alert(1)</script>"
    merged = as_snakemake_merges_it(folder)
    merged["data"] |= {"files": secret, "positive": secret}
    job = prepare(merged, [])
    assert "abc" not in str([job.depends_on(*job.plain), job.run_depends_on("small", "models")])


def test_more_seeds_and_folds_leave_the_runs_that_are_there_as_they_are(folder: Path) -> None:
    def uses(run: str, seeds: int, folds: int, **model: Any) -> dict[str, Any]:
        config = as_snakemake_merges_it(folder) | {"selection": {"folds": folds}}
        config["models"]["small"] |= {"seeds": seeds, **model}
        job = prepare(config, [])
        return job.run_depends_on(run, "models", "seed", "selection.folds")

    for run in ("small", "small/seeds/1"):
        assert uses(run, 2, 2) == uses(run, 3, 4) != uses(run, 2, 2, dropout=0.5)
    assert uses("small/folds/0", 2, 2) == uses("small/folds/0", 3, 2) != uses("small/folds/0", 2, 3)
    assert list(uses("linear", 2, 2)) == ["seed", "selection.folds", "models.linear"]


def test_more_seeds_leave_a_rehearsal_as_it_is(folder: Path) -> None:
    def uses(seeds: int, build: str = "mine.py:build") -> dict[str, str]:
        config = as_snakemake_merges_it(folder)
        config["models"] = {"mine": {"kind": "custom", "path": build, "seeds": seeds}}
        return prepare(config, []).rehearsal_depends_on("mine")

    assert uses(2) == uses(3) != uses(2, "mine.py:other")


def test_files_in_finds_what_a_part_of_the_config_names(folder: Path) -> None:
    config = as_snakemake_merges_it(folder)
    config["data"]["schema"] = "kept/schema.json"
    config["features"] = {"x": {"kind": "vocabulary", "file": "words.txt", "column": "more"}}
    config["models"] = {
        "mine": {"kind": "custom", "path": "models/mine.py:build"},
        "old": {"kind": "tf1", "saved_model": "models/old"},
        "older": {"kind": "tf1", "checkpoint": "models/older/model.ckpt-9", "output": "y"},
    }
    for name in (
        "kept/schema.json",
        "words.txt",
        "models/mine.py",
        "models/old/saved_model.pb",
        "models/older/model.ckpt-9.index",
        "models/older/model.ckpt-9.data-00000-of-00001",
        "models/older/model.ckpt-99.index",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    job = prepare(config, [])
    assert job.files_in("data.schema") == ["kept/schema.json"]
    assert job.files_in("features") == ["words.txt"]
    assert job.files_in("models.mine") == ["models/mine.py"]
    assert job.files_in("models.old") == ["models/old/saved_model.pb"]
    assert job.files_in("models.older") == [
        "models/older/model.ckpt-9.data-00000-of-00001",
        "models/older/model.ckpt-9.index",
    ]
    assert job.files_in("seed", "training") == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "A B"}, "error: job.yaml: name: expected text that matches"),
        ({"data": {"files": "none/*.csv", "label": "y"}}, "expected files that match none/*.csv"),
        ({"data": {"files": "a{b}.csv", "label": "y"}}, "expected names without {b}, which Snake"),
    ],
)
def test_bad_input_ends_the_process_with_one_clear_text(
    folder: Path, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        prepare(as_snakemake_merges_it(folder) | change, ["job.yaml"])
    assert expected in str(ended.value.code)
    assert json.dumps(sorted(path.name for path in folder.iterdir())) == (
        '["job.yaml", "more", "t.csv"]'
    )


def test_a_config_file_of_another_workflow_does_not_count(folder: Path) -> None:
    """A module's config is what the importing workflow passes, not that workflow's file."""
    (folder / "theirs.yaml").write_text("samples: [a, b]\n")
    job = prepare(as_snakemake_merges_it(folder), ["theirs.yaml"])
    assert job.path == "results/made/config.yaml"
    assert load(Path(job.path)) == job.config


def test_a_script_is_called_from_where_the_project_lies(folder: Path) -> None:
    merged = as_snakemake_merges_it(folder)
    for where in (folder, folder / "more"):
        (where / "scripts").mkdir()
        (where / "scripts" / "one.py").write_text("x = 1")
    here, elsewhere = (
        prepare(merged, [], where, python="py") for where in (folder, folder / "more")
    )

    def filled(job: Job, name: str) -> object:
        value = job.script("one")[name]
        return value(None, None) if callable(value) else value

    assert filled(here, "program") == ["py", "scripts/one.py"]
    assert filled(elsewhere, "program") == ["py", str(folder / "more" / "scripts" / "one.py")]
    assert filled(here, "config") == "results/made/config.yaml"
    assert filled(here, "code 0") == filled(elsewhere, "code 0")
    (folder / "scripts" / "one.py").write_text("x = 2")
    assert prepare(merged, [], folder).script("one")["code 0"] != here.script("one")["code 0"]


def test_a_resource_grows_with_the_input_and_each_attempt(folder: Path) -> None:
    (folder / "encoded").mkdir()
    (folder / "encoded" / "train.tfrecord").write_bytes(bytes(3_000_000))
    (folder / "p.json").write_bytes(bytes(500_000))
    memory = grows(1000, 10)
    listing = (folder / "encoded").stat().st_size / 1e6
    assert memory(None, ["encoded", "p.json"], 1) == round(1000 + 10 * (3.5 + listing))
    assert memory(None, ["encoded", "p.json"], 3) == pytest.approx(3 * 1035, abs=3)
    with pytest.raises(FileNotFoundError):
        memory(None, ["absent"], 1)


def test_only_models_trained_in_steps_have_several_workers(folder: Path) -> None:
    merged = as_snakemake_merges_it(folder) | {
        "training": {"workers": 2},
        "models": {
            "net": {"kind": "dnn"},
            "trees": {"kind": "boosted_trees"},
        },
    }
    job = prepare(merged, [])
    assert (job.workers("net"), job.workers("trees")) == (2, None)
    assert prepare(as_snakemake_merges_it(folder), []).workers("small") is None


def test_in_a_module_a_missing_file_is_for_another_rule_to_make(folder: Path) -> None:
    merged = as_snakemake_merges_it(folder)
    merged["data"]["files"] = ["made_later.csv", "bundled:flights", "https://example.org/t.csv"]
    assert prepare(merged, [], folder).local_files == []
    assert prepare(merged, [], folder / "more").local_files == ["made_later.csv"]


@pytest.mark.parametrize(
    ("said", "status"),
    [("", 0), ("W0000 port.cc:1] AVX\nerror: no oneDNN\n", 1), ("trained\n", 0)],
)
def test_a_stage_shows_and_logs_all_but_noise(tmp_path: Path, said: str, status: int) -> None:
    noise = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:1.2 99 port.cc:153] oneDNN custom operations are on. You may see\n"
    )
    program = f"import sys; sys.stderr.write({noise + said!r}); sys.exit({status})"
    quoted = {"params.program": sys.executable, "log": str(tmp_path / "stage.log")}
    shell = command(f"-c {shlex.quote(program)}")
    for name, value in quoted.items():
        shell = shell.replace(f"{{{name}:q}}", shlex.quote(value))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", shell], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, said, "")
    assert (tmp_path / "stage.log").read_text() == said
