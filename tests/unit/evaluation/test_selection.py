"""Ranking, margins and gates of hand-made metrics."""

from typing import Any

import pytest

from millrace.artifacts.champion import Champion, RunnerUp
from millrace.artifacts.leaderboard import Entry
from millrace.artifacts.metrics import Interval, Metrics
from millrace.errors import MillraceError
from millrace.evaluation import selection
from tests.helpers.artifacts import metrics_of, trained


def model(
    name: str, value: float | None, metric: str = "auc", task: str = "binary", **more: Any
) -> selection.Candidate:
    return selection.Candidate(evaluated(name, value, metric, task, **more))


def evaluated(
    name: str, value: float | None, metric: str = "auc", task: str = "binary", **more: Any
) -> Metrics:
    measured = None if value is None else Interval(value, value - 0.1, value + 0.1)
    return metrics_of(name, {metric: measured}, task=task, **more)


def test_higher_is_better_for_auc_and_lower_for_rmse() -> None:
    metric, ranked = selection.rank([model("a", 0.6), model("b", 0.7)], "auto")
    assert (metric, [m.name for m in ranked]) == ("auc", ["b", "a"])
    models = [model(n, v, "rmse", "regression") for n, v in [("a", 0.7), ("b", 0.6)]]
    metric, ranked = selection.rank(models, "auto")
    assert (metric, [m.name for m in ranked]) == ("rmse", ["b", "a"])


def test_equally_good_models_are_ranked_by_name() -> None:
    _, ranked = selection.rank([model("wide", 0.7), model("deep", 0.7)], "auc")
    assert [m.name for m in ranked] == ["deep", "wide"]


def test_leaderboard() -> None:
    common = {"kind": "dnn", "over": "rows", "runs": 1, "parameters": 12, "bytes": 48, "epochs": 3}
    found = selection.leaderboard([model("b", 0.75), model("a", None)])
    assert found.entries == [
        Entry(rank=1, model="b", metrics={"auc": Interval(0.75, 0.65, 0.85)}, **common),
        Entry(rank=2, model="a", metrics={"auc": None}, **common),
    ]


def test_champion_with_its_margin() -> None:
    winner = selection.champion("auc", [model("b", 0.75), model("a", 0.5)], gate=0.75)
    assert winner == Champion(
        model="b",
        kind="dnn",
        metric="auc",
        value=0.75,
        low=0.65,
        high=0.85,
        over="rows",
        runner_up=RunnerUp("a", 0.5),
        margin=0.25,
        gate=winner.gate,
    )
    assert winner.gate.passed
    assert [check.expected for check in winner.gate.checks] == [0.5, 0.75]
    selection.require_gate(winner)


def test_the_margin_is_positive_when_lower_is_better() -> None:
    models = [model(n, v, "rmse", "regression") for n, v in [("a", 0.25), ("b", 0.375)]]
    assert selection.champion("rmse", models, None).margin == 0.125


def test_a_single_model_has_no_runner_up() -> None:
    winner = selection.champion("auc", [model("a", 0.75)], None)
    assert (winner.runner_up, winner.margin) == (None, None)


@pytest.mark.parametrize(
    ("metric", "task", "value", "gate", "message"),
    [
        ("auc", "binary", 0.5, None, "better than that of a model .*, 0.5; found 0.5"),
        ("auc", "binary", 0.6, 0.7, "auc not worse than selection.gate, 0.7; found 0.6"),
        ("rmse", "regression", 0.6, None, "rmse better than that of a model"),
        ("rmse", "regression", 0.4, 0.3, "rmse not worse than selection.gate, 0.3; found 0.4"),
    ],
)
def test_a_gate_that_is_not_passed(
    metric: str, task: str, value: float, gate: float | None, message: str
) -> None:
    winner = selection.champion(metric, [model("a", value, metric, task)], gate)
    assert not winner.gate.passed
    with pytest.raises(MillraceError, match=message):
        selection.require_gate(winner)


@pytest.mark.parametrize(
    ("models", "setting", "message"),
    [
        ([model("a", 0.6)], "rmse", "selection.metric: expected a metric of a binary task"),
        ([model("a", 0.6), model("b", None)], "auc", r"found no value for \['b'\]"),
        ([model("a", 0.6), model("b", 0.6, rows=99)], "auc", "the same rows for all models"),
        (
            [model("a", 0.6), model("b", 0.6, "rmse", "regression")],
            "auto",
            "the same task for all models, found {'a': 'binary', 'b': 'regression'}",
        ),
    ],
)
def test_models_that_cannot_be_compared(
    models: list[selection.Candidate], setting: str, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        selection.rank(models, setting)


def test_other_seeds_give_the_mean_and_students_interval() -> None:
    seeds = [evaluated("a", value) for value in (0.72, 0.74)]
    candidate = selection.Candidate(evaluated("a", 0.7), seeds=seeds)
    # scipy: stats.t.interval(.95, 2, .72, stats.sem([.7, .72, .74]))
    measured = candidate.measured("auc")
    assert measured is not None
    assert (measured.value, measured.low, measured.high) == pytest.approx(
        (0.72, 0.6703172, 0.7696828), abs=1e-6
    )
    _, ranked = selection.rank([candidate, model("b", 0.71)], "auc")
    winner = selection.champion("auc", ranked, gate=None)
    assert (winner.model, winner.over) == ("a", "seeds")
    assert winner.margin == pytest.approx(0.01)
    assert [(row.over, row.runs) for row in selection.leaderboard(ranked).entries] == [
        ("seeds", 3),
        ("rows", 1),
    ]


def test_folds_decide_and_the_gate_is_about_the_test() -> None:
    candidates = [
        selection.Candidate(
            evaluated(name, test), folds=[evaluated(name, x, rows=50) for x in folds]
        )
        for name, test, folds in [("a", 0.9, (0.6, 0.7)), ("b", 0.8, (0.7, 0.8))]
    ]
    _, ranked = selection.rank(candidates, "auc")
    winner = selection.champion("auc", ranked, gate=0.8)
    assert (winner.model, winner.over) == ("b", "folds")
    assert winner.margin == pytest.approx(0.1)
    # What is told of the exported model is what it does on the test.
    assert (winner.value, winner.runner_up) == (0.8, RunnerUp("a", 0.9))
    assert winner.gate.passed


@pytest.mark.parametrize(
    ("within", "expected", "margin"),
    [(0.0, "large", 0.01), (0.005, "large", 0.01), (0.02, "small", -0.01), (0.2, "tiny", -0.1)],
)
def test_the_smallest_within_a_margin_of_the_best(
    within: float, expected: str, margin: float
) -> None:
    models = [
        model("large", 0.8, training=trained("large", 100)),
        model("small", 0.79, training=trained("small", 10)),
        model("tiny", 0.7, training=trained("tiny", 1)),
    ]
    winner = selection.champion("auc", models, None, within)
    assert (winner.model, winner.margin) == (expected, pytest.approx(margin))
