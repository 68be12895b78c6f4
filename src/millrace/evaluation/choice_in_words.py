"""Describes how the champion was chosen, for the log, the summary, the report and the card."""

from collections.abc import Iterator, Sequence

from millrace.artifacts.champion import Champion


def lines(champion: Champion, metric: str) -> Iterator[str]:
    """Yields sentences about the choice, its reliability, and models that are not separable.

    Args:
        champion: the champion.
        metric: the display name of the selection metric.
    """
    choice, next_ = champion.choice, champion.runner_up
    if next_ is None:
        yield f"{champion.model} is the only model, so nothing was chosen."
        return
    interval = "" if choice.low is None else f" (95 %: {choice.low:.4g} to {choice.high:.4g})"
    yield (
        f"Chosen by the {metric} on {_rows(champion)}: {champion.model} has "
        f"{choice.value:.4g}{interval} and is {choice.rule}"
        f"{'' if choice.best == champion.model else f', {choice.best}'}."
    )
    used = f"the same rows also {_listed(choice.also)}, and " if choice.also else ""
    yield (
        f"This figure is optimistic: {used}the best of several is partly lucky. The test rows had "
        "no part in the choice."
    )
    yield _lead(champion, metric, next_.model)
    others = [name for name in choice.not_separable if name != next_.model]
    if others and choice.low is not None:
        yield f"Nor can it be told apart from {_listed(others)}."


def _rows(champion: Champion) -> str:
    choice = champion.choice
    if choice.compared_on == "folds":
        return f"{choice.rows:,} training rows, each predicted by a model of the other folds"
    return f"{choice.rows:,} validation rows"


def _lead(champion: Champion, metric: str, other: str) -> str:
    margin, low, high = champion.margin, champion.margin_low, champion.margin_high
    if margin is None or low is None or high is None:
        return f"Too few rows to say whether {champion.model} and {other} differ."
    of = f"{abs(margin):.2g} {metric} (95 % of the paired differences: {low:.2g} to {high:.2g})"
    if low <= 0 <= high:
        return f"{champion.model} and {other} cannot be told apart: they differ by {of}."
    return f"{champion.model} is {'better' if margin > 0 else 'worse'} than {other} by {of}."


def _listed(names: Sequence[str]) -> str:
    """Returns names as a list in words: a, b and c."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
