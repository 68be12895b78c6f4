"""Comparing an experiment with its predecessor: metrics, params, and plots that open offline."""

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.browser import drive, needs_chromium
from tests.helpers.synthetic_jobs import run

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture(scope="module")
def experiment(finished_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished job, after an experiment with one setting of one model."""
    folder = tmp_path_factory.mktemp("experiment") / "job"
    shutil.copytree(finished_repository, folder, symlinks=True)
    setting = "config/config.yaml:models.small.hidden_units=[8]"
    output = run(folder, "dvc", "exp", "run", "--name", "narrow", "--set-param", setting)
    assert "Running stage 'train-small'" in output
    assert "Running stage 'train-linear'" not in output
    assert "Running stage 'preprocess'" not in output
    return folder


def test_an_experiment_trains_with_the_setting(experiment: Path) -> None:
    training = experiment / "results" / "made" / "models" / "small" / "training" / "training.json"
    assert json.loads(training.read_text())["settings"]["hidden_units"] == [8]
    assert run(experiment, "dvc", "exp", "list", "--name-only").split() == ["narrow"]


def test_its_code_counts_as_that_of_the_commit(experiment: Path) -> None:
    """The config differs from the commit's, and provenance.json contains all of it."""
    found = json.loads((experiment / "results" / "made" / "provenance.json").read_text())
    assert found["modified"] is False
    assert found["config"]["models"]["small"]["hidden_units"] == [8]


def test_metrics_and_params_are_compared(finished_repository: Path, experiment: Path) -> None:
    (params,) = json.loads(run(experiment, "dvc", "params", "diff", "--json")).values()
    assert params == {"models.small.hidden_units": {"old": "[16]", "new": "[8]"}}
    scores = [
        json.loads((folder / "results" / "made" / "scores.json").read_text())["auc"]["small"]
        for folder in (finished_repository, experiment)
    ]
    (metrics,) = json.loads(run(experiment, "dvc", "metrics", "diff", "--json")).values()
    assert metrics.keys() == {"auc.small"}
    assert [metrics["auc.small"][version] for version in ("old", "new")] == scores


@needs_chromium
@pytest.mark.parametrize("command", ["show", "diff"])
def test_plots_open_without_a_network(experiment: Path, tmp_path: Path, command: str) -> None:
    run(experiment, "dvc", "plots", command, "--out", str(tmp_path))
    found = drive("open_plots.mjs", tmp_path / "index.html", tmp_path / "plots.png")
    versions = {"show": {"workspace"}, "diff": {"HEAD", "workspace"}}[command]
    assert {"linear", "small", *versions} <= set(found["texts"])
    charts = {"True by false positive rate", "Precision by recall", "Validation loss by epoch"}
    assert charts <= set(found["texts"])
    # Each of the five charts has a line for each model and version.
    assert found["lines"] == 5 * 2 * len(versions)
