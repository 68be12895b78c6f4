"""Greedy selection with replacement of an ensemble's members, by their predictions.

Source: Caruana et al., 2004, "Ensemble selection from libraries of models".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millrace.training.validation_loss import Loss

# A weight is a multiple of 1 / round, so that more rounds would let in members that hardly count.
ROUNDS = 25


@dataclass(frozen=True)
class Selection:
    """What was selected.

    Attributes:
        weights: of each candidate, float64 [candidates]; they add up to 1.
        losses: of each candidate alone.
        loss: of the weighted mean.
    """

    weights: np.ndarray
    losses: list[float]
    loss: float


def select(predictions: np.ndarray, loss: Loss) -> Selection:
    """Adds in each round the candidate with which the mean of those added has the least loss.

    The weights are those of the round with the least loss; of equal candidates the first is added,
    of equal rounds the first counts.

    Args:
        predictions: of each candidate for the same rows, [candidates, n] or
            [candidates, n, classes].
        loss: that of predictions [n] or [n, classes].
    """
    candidates = predictions.astype(np.float64)
    total, counts = np.zeros(candidates.shape[1:]), np.zeros(len(candidates))
    rounds: list[tuple[float, np.ndarray]] = []
    for added in range(1, ROUNDS + 1):
        losses = [loss((total + candidate) / added) for candidate in candidates]
        if added == 1:
            alone = losses
        best = int(np.argmin(losses))
        total += candidates[best]
        counts[best] += 1
        rounds.append((losses[best], counts / added))
    least, weights = min(rounds, key=lambda found: found[0])
    return Selection(weights, alone, least)
