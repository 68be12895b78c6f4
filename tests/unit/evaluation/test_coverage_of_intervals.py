"""The 95 % interval of the AUC covers the true AUC; benchmarks/intervals.py is the long form."""

import intervals
import pytest


@pytest.mark.parametrize("few", [False, True], ids=["continuous", "few distinct rows"])
def test_intervals_cover_the_truth(few: bool) -> None:
    # Of 60 intervals that cover with 95 %, 52 or more do in 99.5 of 100 cases.
    assert intervals.coverage(60, few) * 60 >= 52
