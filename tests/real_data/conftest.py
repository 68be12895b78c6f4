"""Real files that are not part of the project; without them, their tests are skipped."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
CASES = SHARED / "cases"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public data sets next to the clone."""
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not at {DATA}")
    return DATA
