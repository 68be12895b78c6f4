"""provenance.json suffices to reproduce all results."""

import json
from pathlib import Path

import pytest

from tests.helpers.synthetic_jobs import git, run

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def test_a_clean_clone_makes_the_same_files(finished_repository: Path) -> None:
    """Checks out the commit before the results; the raw table is in no commit."""
    path = finished_repository / "results" / "made" / "provenance.json"
    recorded = json.loads(path.read_text())
    assert recorded["commit"] == git(finished_repository, "rev-parse", "HEAD~1")
    assert recorded["modified"] is False
    assert not git(finished_repository, "ls-files", "table.csv")
    output = run(finished_repository, "millrace.console.reproduce", "--provenance", str(path))
    number = len(recorded["artifacts"])
    assert f"{number} artifacts of {recorded['commit'][:12]}: all reproduced\n" in output
    assert "different: " not in output
