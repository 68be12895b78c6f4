"""The runs of a job: their names and settings, and the division of examples into folds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from millrace.config import complete, runs
from millrace.config.job import JobConfig
from millrace.config.tuning import Trial
from millrace.config.values import plain_form
from millrace.errors import MillraceError
from millrace.files import json_fields

ROOT = Path(__file__).parents[3]
TUNE = {"trials": 4, "space": {"dropout": [0.0, 0.25, 0.5], "training.epochs": [9, 90]}}


def job(folds: int | None = None, **model: Any) -> JobConfig:
    return complete(
        {
            "name": "a",
            "seed": 5,
            "data": {"files": "t.csv", "label": "y"},
            "models": {"m": {"kind": "dnn", **model}},
            "selection": {"folds": folds},
        }
    )


def test_a_plain_model_is_one_run() -> None:
    assert runs.plan(job()) == {"m": runs.Run("m", "m", seed=5)}


def test_seeds_count_from_that_of_the_config_and_the_first_is_the_model() -> None:
    plan = runs.plan(job(seeds=3))
    assert {name: run.seed for name, run in plan.items()} == {
        "m": 5,
        "m/seeds/1": 6,
        "m/seeds/2": 7,
    }


def test_an_ensemble_comes_after_all_its_seeds() -> None:
    plan = runs.plan(job(seeds=2, ensemble=True))
    assert list(plan) == ["m", "m/seeds/0", "m/seeds/1"]
    assert plan["m"].members == ("m/seeds/0", "m/seeds/1")
    assert [run.name for run in runs.before(plan, plan["m"])] == ["m/seeds/0", "m/seeds/1"]
    assert [plan[f"m/seeds/{i}"].seed for i in range(2)] == [5, 6]


def across(*of: str, folds: int | None = None) -> JobConfig:
    """A job with an ensemble of some of its models, of all where none is named."""
    models: dict[str, Any] = {
        "one": {"kind": "linear"},
        "two": {"kind": "dnn", "seeds": 2, "tune": TUNE},
        "mean": {"kind": "tabm", "seeds": 2, "ensemble": True},
        "old": {"kind": "tf1", "saved_model": "old", "output": "y"},
        "both": {"kind": "ensemble", "of": [*of] or "auto"},
        "other": {"kind": "ensemble", "of": ["mean", "one"]},
    }
    if folds:
        del models["old"]
    data, selection = {"files": "t.csv", "label": "y"}, {"folds": folds}
    return complete({"name": "a", "data": data, "models": models, "selection": selection})


def test_an_ensemble_across_models_is_of_all_their_seeds_and_of_no_trial() -> None:
    plan = runs.plan(across())
    members = ("one", "two", "two/seeds/1", "mean/seeds/0", "mean/seeds/1")
    assert plan["both"] == runs.Run("both", "both", seed=0, members=members)
    assert plan["other"].members == ("mean/seeds/0", "mean/seeds/1", "one")
    assert tuple(run.name for run in runs.before(plan, plan["both"])) == members
    assert runs.plan(across("two"))["both"].members == ("two", "two/seeds/1")


def test_each_fold_has_an_ensemble_of_the_models_without_that_fold() -> None:
    plan = runs.plan(across(folds=2))
    for fold in range(2):
        members = tuple(f"{model}/folds/{fold}" for model in ("one", "two", "mean"))
        name = f"both/folds/{fold}"
        assert plan[name] == runs.Run(name, "both", seed=0, fold=fold, members=members)


@pytest.mark.parametrize(
    ("of", "folds", "message"),
    [
        (["one"], None, r"both\.of: expected at least two runs to average, found one\.\nNote: add"),
        (["two"], 2, r"both\.of: expected at least two runs to average, found two/folds/0\."),
        (["one", "both"], None, r"both\.of: .* one, two, mean; found 'both', the ensemble itself"),
        (["one", "other"], None, r"both\.of: .* found 'other', whose kind is ensemble"),
        (["one", "old"], None, r"both\.of: .* found 'old', whose kind is tf1"),
        (["one", "none"], None, r"both\.of: .* found 'none'\.\nNote: name models of the config"),
        (["one", "two/folds/1"], 2, r"both\.of: .* found 'two/folds/1'.*; seeds and folds come"),
        (["one", "one"], None, r"both\.of: expected different items"),
    ],
)
def test_impossible_members_are_refused(of: list[str], folds: int | None, message: str) -> None:
    with pytest.raises(MillraceError, match=f"(?s){message}"):
        across(*of, folds=folds)


def test_an_ensemble_of_all_models_needs_two() -> None:
    models = {"one": {"kind": "linear"}, "all": {"kind": "ensemble"}}
    with pytest.raises(MillraceError, match="expected at least two runs to average, found one"):
        complete({"name": "a", "data": {"files": "t.csv", "label": "y"}, "models": models})


def test_rungs_get_smaller_and_longer_and_the_model_comes_after_the_last() -> None:
    plan = runs.plan(job(folds=2, seeds=2, tune=TUNE | {"trials": 9}))
    by_rung = [[run for run in plan.values() if run.rung == rung] for rung in range(2)]
    assert [len(found) for found in by_rung] == [9, 3]
    assert {run.after for run in by_rung[0]} == {None}
    assert {run.after for run in by_rung[1]} == {"m/rungs/0"}
    assert [by_rung[0][0].budget(90), by_rung[1][0].budget(90)] == [10, 30]
    assert by_rung[0][0].budget(2) == 1
    for name in ("m", "m/seeds/1", "m/folds/0", "m/folds/1"):
        assert (plan[name].after, plan[name].share) == ("m/rungs/1", 1.0)
    assert [plan[f"m/folds/{fold}"].fold for fold in range(2)] == [0, 1]


def test_a_run_that_is_not_there_is_named() -> None:
    with pytest.raises(MillraceError, match=r"expected one of \['m', 'm/seeds/1'\], found 'm/2'"):
        runs.named(job(seeds=2), "m/2")


def test_a_plain_run_is_trained_with_its_seed_and_the_settings_of_its_model(tmp_path: Path) -> None:
    config = job(seeds=2, dropout=0.5)
    settled = runs.settle(config, runs.plan(config)["m/seeds/1"], tmp_path)
    plain = {"hidden_units": [256, 128], "activation": "auto", "dropout": 0.5}
    assert settled.settings.json_form() == {"kind": "dnn", "target": "none", **plain}
    assert (settled.trial, settled.tuned) == (None, "")


def test_the_best_trial_of_a_rung_goes_on_and_can_be_put_into_the_config(tmp_path: Path) -> None:
    config = job(seeds=2, tune=TUNE)
    plan = runs.plan(config)
    trials = {}
    for place, loss in enumerate((0.5, None, 0.3, 0.4)):
        settled = runs.settle(config, plan[f"m/rungs/0/{place}"], tmp_path)
        assert settled.trial
        assert settled.trial.number == place
        trials[place] = settled.trial.settings
        write_training(tmp_path / "m" / "rungs" / "0" / str(place), loss, settled.trial)
    for place, trial in enumerate((2, 3)):
        settled = runs.settle(config, plan[f"m/rungs/1/{place}"], tmp_path)
        assert settled.trial == Trial(trial, trials[trial])
        write_training(tmp_path / "m" / "rungs" / "1" / str(place), 0.4 - place / 10, settled.trial)
    best = runs.settle(config, plan["m"], tmp_path)
    written = best.settings.json_form()
    assert written["dropout"] == trials[3]["dropout"]
    assert written["training"] == {"epochs": trials[3]["training.epochs"]}
    pasted = complete({**plain_form(config), **yaml.safe_load(best.tuned)})
    assert pasted.models["m"].seeds == 2
    again = runs.settle(pasted, runs.plan(pasted)["m"], tmp_path)
    assert again.settings.json_form() == written


def test_a_rung_without_any_finite_loss_is_one_clear_error(tmp_path: Path) -> None:
    config = job(tune=TUNE)
    write_training(tmp_path / "m" / "rungs" / "0" / "0", None, Trial(0, {}))
    with pytest.raises(MillraceError, match="expected a trial whose loss stays finite, found none"):
        runs.settle(config, runs.plan(config)["m/rungs/1/0"], tmp_path)


def write_training(run: Path, loss: float | None, trial: Trial | None) -> None:
    (run / "training").mkdir(parents=True)
    written = json.dumps({"val_loss": loss, "trial": trial}, default=json_fields)
    (run / "training" / "training.json").write_text(written)


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_folds_divide_the_examples_and_their_labels_evenly(folds: int) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(1000) < 0.1).astype(np.float32)
    found = runs.fold_rows(labels, folds, seed=1)
    assert sorted(np.concatenate(found)) == list(range(1000))
    assert {len(fold) for fold in found} <= {1000 // folds, 1000 // folds + 1}
    positive = [int(labels[fold].sum()) for fold in found]
    assert max(positive) - min(positive) <= 1
    again = runs.fold_rows(labels, folds, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    assert not np.array_equal(found[0], runs.fold_rows(labels, folds, seed=2)[0])


@pytest.mark.parametrize(
    ("model", "folds", "message"),
    [
        ({"ensemble": True}, None, r"models\.m\.ensemble: expected seeds of at least 2, found 1"),
        ({"seeds": 0}, None, r"models\.m\.seeds: expected a number of at least 1, found 0"),
        ({}, 1, r"selection\.folds: expected a number of at least 2"),
        (
            {"kind": "dnn", "target": "log", "warm_start": {"checkpoint": "old"}},
            None,
            r"models\.m\.target: expected none for a model with weights of an old one",
        ),
        (
            {"kind": "tf1", "saved_model": "old", "output": "y"},
            2,
            r"models\.m: expected a model that is trained, found an old one",
        ),
    ],
)
def test_impossible_runs_are_refused(
    model: dict[str, Any], folds: int | None, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        job(folds, **model)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            {"smallest_within": 0.01, "smallest_not_significantly_worse": True},
            "expected one of smallest_within and smallest_not_significantly_worse, found both",
        ),
        (
            {"slice_gates": {"town": 0.6, "street": 0.6}},
            r"slice_gates: expected columns of evaluation.slices, \['town'\]; found 'street'",
        ),
    ],
)
def test_impossible_choices_are_refused(selection: dict[str, Any], message: str) -> None:
    plain = {
        "name": "a",
        "data": {"files": "x.csv", "label": "y"},
        "models": ["linear"],
        "evaluation": {"slices": ["town"]},
        "selection": selection,
    }
    with pytest.raises(MillraceError, match=message):
        complete(plain)


def test_folds_of_what_is_divided_by_time_are_refused() -> None:
    config = plain_form(job()) | {"selection": {"folds": 3}}
    config["data"]["split"] = {"by": "group", "column": "customer"}
    with pytest.raises(MillraceError, match=r"selection\.folds: expected rows that are divided by"):
        complete(config)
