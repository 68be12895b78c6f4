"""Permutation importance: how much a model relies on each raw column."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from millrace.artifacts.diagnostics import Importance
from millrace.progress import Progress

REPEATS = 3

# Enough rows to permute for a stable order of the columns.
ROWS_TO_PERMUTE = 5000

# Each column is permuted in rows that hold all the others. With more columns than 200 there are
# fewer rows, down to LEAST_ROWS, so that the time stays proportional to the number of columns.
CELLS_TO_PERMUTE = 1_000_000
LEAST_ROWS = 500


def draw(rows: int, columns: int, seed: int) -> np.ndarray:
    """Draws the rows in which to permute so many columns, in their order."""
    most = min(ROWS_TO_PERMUTE, max(LEAST_ROWS, CELLS_TO_PERMUTE // max(columns, 1)))
    chosen = np.random.default_rng(seed).choice(rows, min(rows, most), replace=False)
    return np.sort(chosen)


def importance(
    predict: Callable[[str, np.ndarray], np.ndarray],
    columns: Sequence[str],
    rows: int,
    score: Callable[[np.ndarray], float],
    seed: int,
) -> list[Importance]:
    """Returns how much worse the predictions get when one raw column's values change places.

    Permutation importance (Breiman 2001): `drop` is the mean over three permutations, `low` and
    `high` are the least and the most of them. The most important column comes first. Empty when
    the score of these rows is not defined.

    Args:
        predict: from a raw column and an order of its values, int [rows], to predictions.
        columns: the raw columns that the model reads.
        rows: how many rows there are.
        score: from predictions to a figure that is higher for better ones.
        seed: fixes the permutations.
    """
    rng = np.random.default_rng(seed)
    if not columns or np.isnan(whole := score(predict(columns[0], np.arange(rows)))):
        return []
    found = []
    with Progress(len(columns), "columns", "permute") as progress:
        for name in columns:
            drops = [whole - score(predict(name, rng.permutation(rows))) for _ in range(REPEATS)]
            found.append(Importance(name, sum(drops) / REPEATS, min(drops), max(drops)))
            progress.update()
    return sorted(found, key=lambda entry: (-entry.drop, entry.column))
