"""Malicious configs: each is rejected with one clear error, or read as its author meant it."""

from pathlib import Path

import pytest

from millrace.config import load
from millrace.errors import MillraceError
from tests.real_data.conftest import CASES

HOSTILE = CASES / "hostile" / "yaml"

# The only valid ones: a byte order mark, a date as label, a bounded number of aliases.
FINE = {"bom", "label_date", "laughs_in"}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"the cases are not at {HOSTILE}")
def test_every_hostile_config_is_refused_or_read_as_it_is_meant() -> None:
    taken = set()
    for path in sorted(HOSTILE.glob("*.yaml")):
        try:
            load(path)
        except MillraceError as error:
            assert str(error).startswith(str(path)), path.name
        else:
            taken.add(path.stem)
    assert taken == FINE


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("config.yaml", "line 10: expected each key once, found 'features' again"),
        ("config2.yaml", "line 7: expected each key once, found 'hour' again"),
    ],
)
def test_a_key_that_is_twice_is_named_with_its_lines(config: str, expected: str) -> None:
    path = Path(CASES) / "08-duplicate-yaml-keys" / config
    if not path.is_file():
        pytest.skip(f"the cases are not at {CASES}")
    with pytest.raises(MillraceError, match=expected):
        load(path)
