"""Ranking, margins and gates, from handwritten metrics."""

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from millrace.artifacts.champion import Champion, RunnerUp
from millrace.artifacts.diagnostics import Slice
from millrace.artifacts.leaderboard import Entry
from millrace.artifacts.metrics import Interval, Metrics
from millrace.config import complete
from millrace.config.assessment import SelectionConfig
from millrace.errors import MillraceError
from millrace.evaluation import bootstrap, metrics, selection
from millrace.evaluation.candidates import Candidate
from tests.helpers.artifacts import comparison_of, metrics_of, trained

NO_RULE = SelectionConfig()


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1)


def model(
    name: str, value: float | None, metric: str = "auc", task: str = "binary", **more: Any
) -> Candidate:
    return Candidate(evaluated(name, value, metric, task, **more))


def evaluated(
    name: str, value: float | None, metric: str = "auc", task: str = "binary", **more: Any
) -> Metrics:
    measured = None if value is None else interval(value)
    return metrics_of(name, {metric: measured}, task=task, **more)


def compared(name: str, value: float, resampled: list[float], **more: Any) -> Candidate:
    """Returns a model with these bootstrap samples of its AUC on the validation rows."""
    comparison = comparison_of({"auc": interval(value)}, resampled=resampled)
    return model(name, value, comparison=comparison, **more)


def test_higher_is_better_for_auc_and_lower_for_rmse() -> None:
    metric, ranked = selection.rank([model("a", 0.6), model("b", 0.7)], "auto")
    assert (metric, [m.name for m in ranked]) == ("auc", ["b", "a"])
    models = [model(n, v, "rmse", "regression") for n, v in [("a", 0.7), ("b", 0.6)]]
    metric, ranked = selection.rank(models, "auto")
    assert (metric, [m.name for m in ranked]) == ("rmse", ["b", "a"])


def test_equally_good_models_are_ranked_by_name() -> None:
    _, ranked = selection.rank([model("wide", 0.7), model("deep", 0.7)], "auc")
    assert [m.name for m in ranked] == ["deep", "wide"]


def test_validation_decides_and_the_test_is_what_is_told() -> None:
    models = [
        model(name, test, comparison=comparison_of({"auc": interval(validation)}))
        for name, test, validation in [("a", 0.9, 0.7), ("b", 0.8, 0.75)]
    ]
    metric, ranked = selection.rank(models, "auc")
    winner = selection.champion(metric, ranked, NO_RULE)
    assert (winner.model, winner.value, winner.choice.value) == ("b", 0.8, 0.75)
    assert winner.runner_up == RunnerUp("a", 0.9, 0.7)
    assert winner.margin == pytest.approx(0.05)
    board = selection.leaderboard(metric, ranked).entries
    assert [entry.metrics["auc"] for entry in board] == [interval(0.8), interval(0.9)]
    assert [entry.ranking for entry in board] == [interval(0.75), interval(0.7)]
    assert selection.scores(metric, ranked, ["a", "b"]).models == {"a": 0.7, "b": 0.75}


def test_leaderboard() -> None:
    common = {"kind": "dnn", "ranked_by": "auc", "ranked_on": "validation", "over": "rows"}
    sizes = {"runs": 1, "parameters": 12, "bytes": 48, "epochs": 3}
    found = selection.leaderboard("auc", [model("b", 0.75), model("a", 0.5)])
    assert found.entries == [
        Entry(
            rank=rank,
            model=name,
            metrics={"auc": interval(value)},
            ranking=interval(value),
            behind=behind,
            **common,
            **sizes,
        )
        for rank, name, value, behind in [
            (1, "b", 0.75, None),
            (2, "a", 0.5, Interval(0.25, None, None)),
        ]
    ]


def test_champion_with_its_margin() -> None:
    models = [compared("b", 0.75, [0.75] * 50), compared("a", 0.5, [0.5] * 50)]
    winner = selection.champion("auc", models, SelectionConfig(gate=0.75), ["ended the training"])
    assert winner == Champion(
        model="b",
        kind="dnn",
        metric="auc",
        value=0.75,
        low=0.65,
        high=0.85,
        choice=winner.choice,
        runner_up=RunnerUp("a", 0.5, 0.5),
        margin=0.25,
        margin_low=0.25,
        margin_high=0.25,
        gate=winner.gate,
    )
    choice = winner.choice
    assert (choice.compared_on, choice.rows, choice.over) == ("validation", 100, "rows")
    assert (choice.best, choice.rule, choice.also) == ("b", "the best", ["ended the training"])
    assert winner.gate.passed
    assert [check.expected for check in winner.gate.checks] == [0.5, 0.75]
    selection.require_gate(winner)


def test_the_margin_is_positive_when_lower_is_better() -> None:
    models = [model(n, v, "rmse", "regression") for n, v in [("a", 0.25), ("b", 0.375)]]
    assert selection.champion("rmse", models, NO_RULE).margin == 0.125


def test_a_single_model_has_no_runner_up() -> None:
    winner = selection.champion("auc", [model("a", 0.75)], NO_RULE)
    assert (winner.runner_up, winner.margin, winner.choice.warning) == (None, None, None)


def predictions(task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    if task == "regression":
        y = rng.normal(size=200)
        return y, y + rng.normal(size=200) * 0.4, y + rng.normal(size=200) * 0.5
    y = (rng.random(200) < 0.3).astype(float)
    scores = [1 / (1 + np.exp(-(y + rng.normal(size=200) * x))) for x in (1.0, 1.3)]
    return y, *scores


@pytest.mark.parametrize(
    ("task", "metric", "oracle"),
    [
        ("binary", "auc", sk.roc_auc_score),
        ("regression", "rmse", sk.root_mean_squared_error),
    ],
)
def test_leads_are_paired_differences_on_the_same_rows(task: str, metric: str, oracle: Any) -> None:
    y, one, other = predictions(task)

    def candidate(name: str, predicted: np.ndarray) -> Candidate:
        measure = metrics.measure(task, y, predicted)
        drawn = bootstrap.resample(measure, len(y), 100, seed=3)[metric]
        figure = {metric: interval(oracle(y, predicted))}
        comparison = comparison_of(figure, resampled=drawn.tolist())
        return Candidate(metrics_of(name, figure, task=task, comparison=comparison))

    winner = selection.champion(metric, [candidate("one", one), candidate("other", other)], NO_RULE)
    sign = 1 if metric == "auc" else -1
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, len(y), len(y)) for _ in range(100)]
    differences = [sign * (oracle(y[r], one[r]) - oracle(y[r], other[r])) for r in rows]
    low, high = np.percentile(differences, [2.5, 97.5], method="weibull")
    expected = (sign * (oracle(y, one) - oracle(y, other)), low, high)
    assert (winner.margin, winner.margin_low, winner.margin_high) == pytest.approx(expected)


def test_who_cannot_be_told_apart() -> None:
    """The intervals of all three overlap; paired differences are more precise."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=200) * 0.05
    models = [
        compared("best", 0.8, list(0.8 + shared)),
        compared("close", 0.799, list(0.799 + shared + rng.normal(size=200) * 0.01)),
        compared("worse", 0.78, list(0.78 + shared + rng.normal(size=200) * 0.005)),
    ]
    choice = selection.champion("auc", models, NO_RULE).choice
    assert choice.not_separable == ["close"]
    board = selection.leaderboard("auc", models).entries
    behind = board[2].behind
    assert behind is not None and behind.low is not None and behind.low > 0


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
    settings = SelectionConfig(gate=gate)
    winner = selection.champion(metric, [model("a", value, metric, task)], settings)
    assert not winner.gate.passed
    with pytest.raises(MillraceError, match=message):
        selection.require_gate(winner)


@pytest.mark.parametrize(("gate", "passed"), [(0.6, True), (0.61, False)])
def test_a_slice_has_a_gate_of_its_own(gate: float, passed: bool) -> None:
    slices = [
        Slice("town", "large", 500, {"auc": Interval(0.8, 0.7, 0.9)}),
        Slice("town", "worst", 90, {"auc": Interval(0.6, 0.5, 0.7)}),
        Slice("town", "tiny", 3, {"auc": Interval(0.1, None, None)}),
        Slice("town", "of one class", 40, {"auc": None}),
        Slice("other", "x", 500, {"auc": Interval(0.2, 0.1, 0.3)}),
    ]
    settings = SelectionConfig(slice_gates={"town": gate})
    check = selection.champion("auc", [model("a", 0.8)], settings, (), slices).gate.checks[-1]
    assert (check.expected, check.found, check.passed) == (gate, 0.6, passed)
    assert check.check == (
        "auc on the worst of 2 slices by town (90 rows), 2 with too few rows left out, not worse "
        "than selection.slice_gates.town"
    )


def test_a_gate_of_slices_that_are_all_too_small_is_refused() -> None:
    settings = SelectionConfig(slice_gates={"town": 0.6})
    slices = [Slice("town", "tiny", 3, {"auc": Interval(0.9, None, None)})]
    with pytest.raises(MillraceError, match=r"slice_gates\.town: .*found 1 slices with too few"):
        selection.champion("auc", [model("a", 0.8)], settings, (), slices)


@pytest.mark.parametrize(
    ("models", "setting", "message"),
    [
        ([model("a", 0.6)], "rmse", "selection.metric: expected a metric of a binary task"),
        ([model("a", 0.6), model("b", None)], "auc", r"found no value for \['b'\]"),
        ([model("a", 0.6), model("b", 0.6, rows=99)], "auc", "the same rows for all models"),
        (
            [
                model("a", 0.6),
                model("b", 0.6, comparison=comparison_of({"auc": interval(0.6)}, rows=9)),
            ],
            "auc",
            "the same rows to compare by for all models, found {'a': 100, 'b': 9}",
        ),
        (
            [model("a", 0.6, comparison=comparison_of({"auc": None}))],
            "auc",
            r"auc to be defined on the validation rows, found no value for \['a'\]",
        ),
        (
            [model("a", 0.6), model("b", 0.6, "rmse", "regression")],
            "auto",
            "the same task for all models, found {'a': 'binary', 'b': 'regression'}",
        ),
    ],
)
def test_models_that_cannot_be_compared(
    models: list[Candidate], setting: str, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        selection.rank(models, setting)


def test_other_seeds_give_the_mean_and_students_interval() -> None:
    seeds = [evaluated("a", value) for value in (0.72, 0.74)]
    candidate = Candidate(evaluated("a", 0.7), seeds=seeds)
    # scipy: stats.t.interval(.95, 2, .72, stats.sem([.7, .72, .74]))
    for measured in (candidate.measured("auc"), candidate.tested("auc")):
        assert measured is not None
        assert (measured.value, measured.low, measured.high) == pytest.approx(
            (0.72, 0.6703172, 0.7696828), abs=1e-6
        )
    _, ranked = selection.rank([candidate, model("b", 0.71)], "auc")
    winner = selection.champion("auc", ranked, NO_RULE)
    assert (winner.model, winner.choice.over) == ("a", "seeds")
    assert winner.margin == pytest.approx(0.01)
    assert [(row.over, row.runs) for row in selection.leaderboard("auc", ranked).entries] == [
        ("seeds", 3),
        ("rows", 1),
    ]


def test_folds_decide_and_the_gate_is_about_the_test() -> None:
    def fold(name: str, value: float, resampled: list[float]) -> Metrics:
        of_fold = comparison_of({"auc": interval(value)}, rows=50, resampled=resampled)
        return evaluated(name, value, rows=50, comparison=of_fold)

    candidates = [
        Candidate(evaluated(name, test), folds=[fold(name, x, [x, x + spread]) for x in folds])
        for name, test, folds, spread in [
            ("a", 0.9, (0.6, 0.7), 0.02),
            ("b", 0.8, (0.7, 0.8), 0.04),
        ]
    ]
    _, ranked = selection.rank(candidates, "auc")
    winner = selection.champion("auc", ranked, SelectionConfig(gate=0.8))
    choice = winner.choice
    assert (winner.model, choice.compared_on, choice.over, choice.rows) == (
        "b",
        "folds",
        "folds",
        100,
    )
    assert winner.margin == pytest.approx(0.1)
    # The two samples of the difference, each the mean over the folds: .1 and .12.
    assert (winner.margin_low, winner.margin_high) == pytest.approx((0.1, 0.12))
    # The metrics of the exported model are those of the test rows.
    assert (winner.value, winner.runner_up) == (0.8, RunnerUp("a", 0.9, pytest.approx(0.65)))
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
    winner = selection.champion("auc", models, SelectionConfig(smallest_within=within))
    assert (winner.model, winner.margin) == (expected, pytest.approx(margin))
    assert winner.choice.best == "large"


@pytest.mark.parametrize(("spread", "expected"), [(0.1, "small"), (0.001, "large")])
def test_the_smallest_that_is_not_significantly_worse(spread: float, expected: str) -> None:
    drawn = np.random.default_rng(0).normal(size=200)
    models = [
        compared("large", 0.8, [0.8] * 200, training=trained("large", 100)),
        compared("small", 0.79, list(0.79 + spread * drawn), training=trained("small", 10)),
        compared("tiny", 0.2, list(0.2 + 0.001 * drawn), training=trained("tiny", 1)),
    ]
    settings = SelectionConfig(smallest_not_significantly_worse=True)
    winner = selection.champion("auc", models, settings)
    assert winner.model == expected
    assert winner.choice.rule == "the smallest that is not significantly worse than the best"


def test_too_few_rows_for_an_interval_make_no_smaller_model_the_champion() -> None:
    models = [
        model("large", 0.8, training=trained("large", 100)),
        model("small", 0.79, training=trained("small", 10)),
    ]
    settings = SelectionConfig(smallest_not_significantly_worse=True)
    winner = selection.champion("auc", models, settings)
    assert (winner.model, winner.choice.not_separable) == ("large", ["small"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Half of the gain of .8 over a constant prediction's .5 is .15.
        ({"metrics": {"auc": Interval(0.8, 0.73, 0.87)}}, None),
        (
            {"metrics": {"auc": Interval(0.8, 0.7, 0.9)}},
            "100 rows, on which the auc of a is 0.8, 95 %: 0.7 to 0.9, a constant prediction's "
            "0.5: models that differ by less than this interval cannot be told apart",
        ),
        (
            {"metrics": {"auc": Interval(0.8, None, None)}, "too_small": "9 rows, fewer than 30"},
            "9 rows, fewer than 30: no interval can be given, and the order of the models says "
            "little",
        ),
    ],
)
def test_too_few_rows_to_choose_by_are_a_warning(
    given: dict[str, Any], expected: str | None
) -> None:
    comparison = comparison_of(given.pop("metrics"), **given)
    models = [model(name, 0.8, comparison=comparison) for name in ("a", "b")]
    assert selection.champion("auc", models, NO_RULE).choice.warning == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["ended the training"]),
        (
            {
                "models": {
                    "linear": {"kind": "linear"},
                    "dnn": {"kind": "dnn", "tune": {"trials": 3, "space": {"dropout": [0, 0.1]}}},
                },
                "evaluation": {"threshold": "max_f1"},
            },
            ["ended the training", "chose among the trials", "set the decision threshold"],
        ),
        (
            {"models": ["linear", "dnn", "ensemble"], "training": {"calibration": "auto"}},
            [
                "ended the training",
                "weighted the members of an ensemble",
                "calibrated the probabilities",
            ],
        ),
        ({"selection": {"folds": 3}, "evaluation": {"threshold": "max_f1"}}, []),
    ],
)
def test_what_else_the_rows_were_used_for(settings: dict[str, Any], expected: list[str]) -> None:
    plain = {"name": "a", "data": {"files": "x.csv", "label": "y"}, "models": ["linear"]}
    assert selection.other_uses(complete(plain | settings, source="a")) == expected
