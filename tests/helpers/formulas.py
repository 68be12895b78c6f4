"""Formulas in NumPy, as published."""

import numpy as np


def smelu(x: np.ndarray, half_width: float = 0.05) -> np.ndarray:
    """Returns SmeLU, case by case.

    Shamir et al., 2020, "Smooth activations and reproducibility in deep networks".
    """
    corner = (x + half_width) ** 2 / (4 * half_width)
    return np.where(x <= -half_width, 0, np.where(x >= half_width, x, corner))
