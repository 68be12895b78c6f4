"""Counts of floats, compared with NumPy."""

import numpy as np
import pytest

from millrace.statistics import float_counts

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "values",
    [
        # All bit patterns: NaN with payloads, infinities, subnormal numbers.
        RNG.integers(0, 2**32, 20_000, np.uint32).view(np.float32),
        RNG.normal(size=20_000).astype(np.float32).round(2),
        np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45, 3.4e38], np.float32),
        np.array([np.nan], np.float32),
        np.empty(0, np.float32),
    ],
    ids=["bits", "ties", "special", "nan", "none"],
)
def test_counts_are_those_of_numpy(values: np.ndarray) -> None:
    found, counts = float_counts.count(values)
    expected = np.unique(values[~np.isnan(values)] + np.float32(0), return_counts=True)
    assert found.tobytes() == expected[0].tobytes()
    assert counts.tolist() == expected[1].tolist()
    assert (found.dtype, counts.dtype) == (np.float32, np.int64)
