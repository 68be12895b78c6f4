import json
from collections.abc import Iterator
from typing import Any

from millrace.config import SCHEMA_PATH
from millrace.config.reference import PAGE, reference

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def keys(schema: Any) -> Iterator[str]:
    """Returns every key that the schema describes."""
    if isinstance(schema, dict):
        for name, subschema in schema.get("properties", {}).items():
            if subschema is not True:
                yield name
        for value in schema.values():
            yield from keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keys(value)


def test_every_key_has_its_row() -> None:
    text = reference(SCHEMA)
    for key in set(keys(SCHEMA)) - {"kind"}:
        assert f"| `{key}` |" in text or f"`{key}`" in text, key


def test_a_row_says_what_may_stand_there() -> None:
    text = reference(SCHEMA)
    assert "| `label` | string | required | The column to predict. |" in text
    assert "| `seed` | integer ≥ 0 | `0` |" in text
    assert "| `threshold` | number ≥ 0, ≤ 1 or `max_f1` | `0.5` |" in text


def test_the_committed_reference_is_the_current_one() -> None:
    """Update it with `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == reference(SCHEMA)
