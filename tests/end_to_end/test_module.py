"""Another workflow uses this one as a module, with its own paths and config."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import CONFIG, ROOT, snakemake, write_table

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

WORKFLOW = """
configfile: "settings.yaml"

rule ours:
    input:
        "{prefix}results/made/leaderboard.csv",
    output:
        "best.txt",
    shell:
        "sed -n 2p {{input}} > {{output}}"

rule table:
    output:
        "table.csv",
    shell:
        "cp raw.csv {{output}}"

module millrace:
    snakefile:
        "{root}/Snakefile"
    config:
        config["flight model"]
    {with_prefix}

use rule * from millrace as millrace_*
"""


def make_workflow(folder: Path, prefix: str = "") -> Path:
    """Creates a folder with a workflow that only knows the path of this project."""
    folder.mkdir()
    write_table(folder / "raw.csv", "binary")
    indented = "".join(f"  {line}\n" for line in CONFIG.strip().splitlines())
    (folder / "settings.yaml").write_text(f"samples: [a, b]\nflight model:\n{indented}")
    with_prefix = f'prefix: "{prefix}"' if prefix else ""
    text = WORKFLOW.format(
        root=ROOT, with_prefix=with_prefix, prefix=f"{prefix}/" if prefix else ""
    )
    (folder / "Snakefile").write_text(text)
    return folder


def test_a_module_makes_what_the_importing_workflow_asks_for(tmp_path: Path) -> None:
    folder = make_workflow(tmp_path / "theirs")
    snakemake(folder)
    rank, model, *_ = (folder / "best.txt").read_text().split(",")
    assert (rank, model) == ("1", "small")
    # Its first rule is still the target, and nothing was written outside its folder.
    assert not (folder / "results/made/export").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"theirs"}
    assert "Nothing to be done" in snakemake(folder)


def test_all_of_a_module_is_a_target_too_also_under_a_prefix(tmp_path: Path) -> None:
    folder = make_workflow(tmp_path / "theirs", prefix="flights")
    plan = snakemake(folder, "--dry-run", "--printshellcmds", "millrace_all")
    assert "--output flights/results/made/raw " in plan
    assert "--models flights/results/made/models " in plan
    assert "--results flights/results/made " in plan
    assert f"python {ROOT}/scripts/verify.py" in plan


def test_a_run_finds_those_before_it_under_a_prefix(tmp_path: Path) -> None:
    folder = make_workflow(tmp_path / "theirs", prefix="flights")
    path = folder / "settings.yaml"
    plain = "linear: {kind: linear}"
    assert plain in path.read_text()
    path.write_text(
        path.read_text().replace(plain, "linear: {kind: linear, seeds: 2, ensemble: true}")
    )
    models = "flights/results/made/models"
    snakemake(folder, f"{models}/linear/metrics.json")
    written = json.loads((folder / models / "linear" / "training" / "training.json").read_text())
    assert len(written["settings"]["members"]) == 2


def test_a_mistake_in_a_modules_config_is_one_clear_error(tmp_path: Path) -> None:
    folder = make_workflow(tmp_path / "theirs")
    path = folder / "settings.yaml"
    path.write_text(path.read_text().replace("epochs: 15", "epoches: 15"))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "unknown key 'epoches'" in done.stderr
    assert "Traceback" not in done.stderr
