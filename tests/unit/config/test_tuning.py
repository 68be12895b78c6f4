"""The search for settings: invalid spaces, and trials that are spread out and reproducible."""

from typing import Any

import numpy as np
import pytest

from millrace.config import complete, tuning
from millrace.config.models import TrainedConfig, TuneConfig
from millrace.errors import MillraceError


def search(space: dict[str, Any], trials: int = 27) -> TuneConfig:
    config = complete(
        {
            "name": "a",
            "data": {"files": "t.csv", "label": "y"},
            "models": {"m": {"kind": "tabm", "tune": {"trials": trials, "space": space}}},
        }
    )
    model = config.models["m"]
    assert isinstance(model, TrainedConfig) and model.tune
    return model.tune


def values(space: dict[str, Any], key: str, trials: int = 27, seed: int = 0) -> list[Any]:
    settings = search(space)
    return [tuning.proposed(settings, seed, i).settings[key] for i in range(trials)]


@pytest.mark.parametrize(
    ("trials", "expected"),
    [(2, [2]), (3, [3]), (4, [4, 2]), (9, [9, 3]), (27, [27, 9, 3]), (28, [28, 10, 4, 2])],
)
def test_a_third_of_the_trials_goes_on(trials: int, expected: list[int]) -> None:
    assert tuning.rungs(trials) == expected


def test_every_value_of_a_list_has_its_share() -> None:
    space = {"hidden_units": [[8], [16], [32]], "dropout": {"low": 0, "high": 0.5}}
    found = values(space, "hidden_units")
    assert all(8 <= found.count([units]) <= 10 for units in (8, 16, 32))


def test_a_range_is_covered_evenly_by_difference_or_by_ratio() -> None:
    space = {
        "dropout": {"low": 0.2, "high": 0.6},
        "training.learning_rate": {"low": 1.0e-4, "high": 1.0e-1, "log": True},
    }
    for key, low, high, scale in (
        ("dropout", 0.2, 0.6, np.asarray),
        ("training.learning_rate", -4, -1, np.log10),
    ):
        places = (scale(values(space, key)) - low) / (high - low)
        counts, _ = np.histogram(places, bins=3, range=(0, 1))
        assert counts.sum() == 27
        assert all(8 <= count <= 10 for count in counts), key


def test_whole_numbers_reach_both_ends() -> None:
    found = values({"members": {"low": 2, "high": 5}}, "members", trials=40)
    assert set(found) == {2, 3, 4, 5}
    assert all(isinstance(value, int) for value in found)


def test_more_trials_leave_the_first_as_they_are_and_another_seed_does_not() -> None:
    space = {"dropout": {"low": 0, "high": 0.5}}
    few = tuning.proposed(search(space, trials=4), 0, 3)
    assert tuning.proposed(search(space, trials=40), 0, 3) == few
    assert tuning.proposed(search(space), 1, 3) != few
    assert few.number == 3


def test_an_override_reaches_into_sections_and_leaves_the_rest() -> None:
    settings = {"kind": "dnn", "training": {"epochs": 3, "patience": 2}}
    changed = tuning.override(settings, {"training.epochs": 9, "dropout": 0.1})
    assert changed == {"kind": "dnn", "training": {"epochs": 9, "patience": 2}, "dropout": 0.1}
    assert settings["training"]["epochs"] == 3


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"colour": ["red"]}, r"m\.tune\.space: unknown key 'colour'; allowed: .*dropout"),
        ({"training.colour": [1]}, "unknown key 'training.colour'"),
        ({"kind": ["dnn"]}, "unknown key 'kind'"),
        ({"seeds": [2]}, "unknown key 'seeds'"),
        ({}, r"m\.tune\.space: expected at least 1 of them"),
        ({"dropout": []}, r"space\.dropout: expected at least 1 of them, found \[\]"),
        ({"dropout": {"low": 0.5, "high": 0.5}}, "expected low and a higher high, found 0.5 and"),
        ({"dropout": {"low": 0, "high": 1, "log": True}}, "expected low above 0 and a higher"),
        ({"dropout": {"low": 0.1}}, "expected the key 'high', found none"),
        ({"dropout": [0.1, 2]}, "dropout: expected a number below 1, found 2"),
        ({"members": {"low": 0, "high": 8}}, "members: expected a number of at least 1, found 0"),
        ({"members": [2.5]}, "members.*: expected an integer, found 2.5"),
        ({"training.learning_rate": ["1e-3"]}, "write 0.001"),
    ],
)
def test_a_space_with_no_trials_in_it_is_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        search(space)
