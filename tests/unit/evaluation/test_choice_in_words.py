"""The sentences about a choice."""

from dataclasses import replace

import pytest

from millrace.artifacts.champion import Champion, RunnerUp
from millrace.evaluation import choice_in_words
from tests.helpers.artifacts import champion_of, choice_of


def champion(margin: float, low: float | None, high: float | None, /, **choice: object) -> Champion:
    """Returns the champion dnn, with linear as runner-up."""
    return replace(
        champion_of("dnn"),
        choice=choice_of(0.75, **choice),
        runner_up=RunnerUp("linear", 0.7, 0.74),
        margin=margin,
        margin_low=low,
        margin_high=high,
    )


def text(champion: Champion) -> str:
    return "\n".join(choice_in_words.lines(champion, "AUC"))


def test_what_decided_and_what_the_figure_is_worth() -> None:
    also = ["ended the training", "chose among the trials", "set the decision threshold"]
    assert text(champion(0.01, 0.005, 0.015, also=also)).splitlines() == [
        "Chosen by the AUC on 100 validation rows: dnn has 0.75 (95 %: 0.7 to 0.8) and is the "
        "best.",
        "This figure is optimistic: the same rows also ended the training, chose among the trials "
        "and set the decision threshold, and the best of several is partly lucky. The test rows "
        "had no part in the choice.",
        "dnn is better than linear by 0.01 AUC (95 % of the paired differences: 0.005 to 0.015).",
    ]


@pytest.mark.parametrize(
    ("margin", "low", "high", "expected"),
    [
        (0.0003, -0.001, 0.002, "dnn and linear cannot be told apart: they differ by 0.0003 AUC"),
        (-0.01, -0.02, -0.001, "dnn is worse than linear by 0.01 AUC"),
        (0.2, None, None, "Too few rows to say whether dnn and linear differ."),
    ],
)
def test_the_lead(margin: float, low: float | None, high: float | None, expected: str) -> None:
    assert expected in text(champion(margin, low, high))


def test_all_that_cannot_be_told_apart_are_named() -> None:
    found = text(champion(0.001, -0.01, 0.01, not_separable=["linear", "tabm", "trees"]))
    assert "Nor can it be told apart from tabm and trees." in found


def test_folds_and_a_smaller_model() -> None:
    rule = "the smallest within 0.02 of the best"
    of_folds = champion(
        -0.01, -0.02, 0.0, compared_on="folds", also=[], best="linear", rule=rule, low=None
    )
    found = text(of_folds)
    assert (
        "Chosen by the AUC on 100 training rows, each predicted by a model of the other folds: "
        "dnn has 0.75 and is the smallest within 0.02 of the best, linear." in found
    )
    assert "This figure is optimistic: the best of several is partly lucky" in found


def test_a_single_model_was_not_chosen() -> None:
    assert text(champion_of("dnn")) == "dnn is the only model, so nothing was chosen."
