"""Hyperparameter search: trials spread evenly over a space, with successive halving.

The trials follow from the seed alone, so that both drivers know all jobs of a search beforehand:
points of a scrambled Halton sequence (Halton, 1960), in which more trials leave the first ones as
they are. On each rung the best third of the trials go on to the next, where they train three times
as long from the start (Jamieson and Talwalkar, 2016); the best of the last rung is the model's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from millrace.config.models import RangeConfig, TuneConfig
from millrace.errors import MillraceError
from millrace.files import read_json

# One trial of so many goes on to the next rung, where it trains so many times as long.
KEPT_OF = 3

Space: TypeAlias = Mapping[str, tuple[Any, ...] | RangeConfig]


def rungs(trials: int) -> list[int]:
    """Returns how many trials train on each rung, the lowest first; above them is the model."""
    sizes = []
    while trials > 1:
        sizes.append(trials)
        trials = math.ceil(trials / KEPT_OF)
    return sizes


Setting: TypeAlias = str | int | float | bool | list[str | int | float | bool] | None


@dataclass(frozen=True)
class Trial:
    """What a search tried.

    Attributes:
        number: which of its trials it is, from 0.
        settings: what it changed of the model's settings, by dotted key.
    """

    number: int
    settings: dict[str, Setting]


def proposed(search: TuneConfig, seed: int, number: int) -> Trial:
    """Returns a trial.

    Args:
        search: `tune` of a model.
        seed: the config's.
        number: which of the trials, from 0.
    """
    from scipy.stats import qmc  # takes a second to import, and planning has no need of it

    space = search.space
    point = qmc.Halton(len(space), rng=seed).random(number + 1)[number].tolist()
    values = (_at(values, place) for values, place in zip(space.values(), point, strict=True))
    return Trial(number, dict(zip(space, values, strict=True)))


def _at(values: tuple[Any, ...] | RangeConfig, place: float) -> Any:
    """Returns what lies at a place in [0, 1) of a list or a range."""
    if not isinstance(values, RangeConfig):
        return values[int(place * len(values))]
    low, high = values.low, values.high
    whole = isinstance(low, int) and isinstance(high, int)
    # Each whole number has a share of its own, the last one too.
    end = high + 1 if whole else high
    value = low * (end / low) ** place if values.log else low + (end - low) * place
    return min(math.floor(value), high) if whole else float(f"{value:.4g}")


def best(rung: Path) -> list[Trial]:
    """Returns the trials of a rung, the lowest validation loss first.

    Raises MillraceError when none of them has a loss.
    """
    trained = [read_json(path) for path in rung.glob("*/training/training.json")]
    there = [(x["val_loss"], Trial(**x["trial"])) for x in trained if x["val_loss"] is not None]
    if not there:
        raise MillraceError(
            f"{rung}: expected a trial whose loss stays finite, found none.",
            note="leave out the highest learning rates of the space.",
        )
    ranked = sorted(there, key=lambda x: (x[0], x[1].number))
    # Where fewer are left than go on, the best goes on more than once.
    return [trial for _, trial in ranked] + [ranked[0][1]] * (len(trained) - len(ranked))


def override(settings: dict[str, Any], changes: Mapping[str, Setting]) -> dict[str, Any]:
    """Returns a copy of nested settings with other values under dotted keys."""
    changed = dict(settings)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        changed[first] = override(changed.get(first, {}), {rest: value}) if rest else value
    return changed


def edges(space: Space, where: str) -> Iterator[tuple[str, Any]]:
    """Yields each dotted key with every value of its list, or both ends of its range.

    Raises MillraceError, which begins with `where`, when a range is empty.
    """
    for key, values in space.items():
        if not isinstance(values, RangeConfig):
            yield from ((key, value) for value in values)
            continue
        low, high = values.low, values.high
        if not (low < high and (low > 0 or not values.log)):
            above = " above 0" if values.log else ""
            raise MillraceError(
                f"{where}.{key}: expected low{above} and a higher high, found {low} and {high}.",
                note="change low or high.",
            )
        yield from ((key, low), (key, high))
