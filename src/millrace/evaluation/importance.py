"""Permutation importance: how much a model relies on each raw column."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from millrace.artifacts.diagnostics import Importance
from millrace.progress import Progress

REPEATS = 3

# Enough rows for a stable order of the columns.
ROWS_TO_PERMUTE = 5000

# With more than 200 columns fewer rows are used, down to LEAST_ROWS, so that the time stays
# proportional to the number of columns.
CELLS_TO_PERMUTE = 1_000_000
LEAST_ROWS = 500


def draw(rows: int, columns: int, seed: int) -> np.ndarray:
    """Draws the rows in which to permute columns; returns sorted indices."""
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
    """Returns how much the score drops when the values of one raw column are permuted.

    `drop` is the mean over three permutations, `low` and `high` their minimum and maximum. The most
    important column comes first. Empty if the score is not defined on these rows. Source:
    permutation importance in Breiman, Random Forests, 2001.

    Args:
        predict: returns predictions, given a raw column and a permutation, int [rows].
        columns: the raw columns that the model reads.
        rows: the number of rows.
        score: returns a score of predictions, higher for better ones.
        seed: the seed of the permutations.
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
