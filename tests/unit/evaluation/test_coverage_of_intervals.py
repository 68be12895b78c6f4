"""The 95 % interval of the AUC covers the true AUC; benchmarks/intervals.py does more runs."""

import intervals
import pytest


@pytest.mark.parametrize("few", [False, True], ids=["continuous", "few distinct rows"])
def test_intervals_cover_the_truth(few: bool) -> None:
    # Of 60 intervals with a coverage of 95 %, at least 52 cover with a probability of 99.5 %.
    assert intervals.coverage(60, few) * 60 >= 52
