"""Hyperparameter search: trials spread evenly over a space, with successive halving.

The trials depend on the seed alone, so both drivers know all jobs of a search beforehand. They are
points of a scrambled Halton sequence (Halton, 1960), in which adding trials does not change the
earlier ones. On each rung the best third of the trials is promoted to the next rung, where they
train from scratch three times as long (Jamieson and Talwalkar, 2016). The model gets the best
settings of the last rung.
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

# One in KEPT_OF trials is promoted to the next rung, where it trains KEPT_OF times as long.
KEPT_OF = 3

Space: TypeAlias = Mapping[str, tuple[Any, ...] | RangeConfig]


def rungs(trials: int) -> list[int]:
    """Returns the number of trials on each rung, lowest first; the model itself is above them."""
    sizes = []
    while trials > 1:
        sizes.append(trials)
        trials = math.ceil(trials / KEPT_OF)
    return sizes


Setting: TypeAlias = str | int | float | bool | list[str | int | float | bool] | None


@dataclass(frozen=True)
class Trial:
    """A trial of a search.

    Attributes:
        number: its number, from 0.
        settings: the settings of the model that it changes, by dotted key.
    """

    number: int
    settings: dict[str, Setting]


def proposed(search: TuneConfig, seed: int, number: int) -> Trial:
    """Returns a trial.

    Args:
        search: `tune` of a model.
        seed: the seed of the config.
        number: the number of the trial, from 0.
    """
    from scipy.stats import qmc  # takes a second to import, and planning does not need it

    space = search.space
    point = qmc.Halton(len(space), rng=seed).random(number + 1)[number].tolist()
    values = (_at(values, place) for values, place in zip(space.values(), point, strict=True))
    return Trial(number, dict(zip(space, values, strict=True)))


def _at(values: tuple[Any, ...] | RangeConfig, place: float) -> Any:
    """Returns the value of a list or a range at a position in [0, 1)."""
    if not isinstance(values, RangeConfig):
        return values[int(place * len(values))]
    low, high = values.low, values.high
    whole = isinstance(low, int) and isinstance(high, int)
    # Each whole number, including the last, gets an interval of equal width.
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
    # If too many trials diverged, the best one fills the remaining places.
    return [trial for _, trial in ranked] + [ranked[0][1]] * (len(trained) - len(ranked))


def override(settings: dict[str, Any], changes: Mapping[str, Setting]) -> dict[str, Any]:
    """Returns a copy of nested settings with the values under dotted keys replaced."""
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
