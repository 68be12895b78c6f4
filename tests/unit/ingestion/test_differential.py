"""Synthetic tables: every cell follows by a rule from the text that other readers find.

`python benchmarks/differential.py` reads thousands of them; docs/testing.md has the figures.
"""

from pathlib import Path

import pytest

from tests.helpers.differential import Findings, compare, explain, make_table


@pytest.mark.parametrize("seed", range(0, 40, 10))
def test_every_cell_is_explained(seed: int, tmp_path: Path) -> None:
    found = Findings()
    for each in range(seed, seed + 10):
        compare(make_table(each), tmp_path / str(each), found)
    assert found.faults == []
    assert not found.refused
    assert sum(found.rules.values()) > 1000
    assert {name: count for name, count in found.readers.items() if count} == {}


@pytest.mark.parametrize(
    ("text", "value", "type_", "kind"),
    [
        ("NA", "NA", "string", "word"),
        ("a", None, "string", "word"),
        ("1", 2, "int64", "whole"),
        ("0.1", 0.2, "float32", "real"),
        ("$1,234.50", 1.2345, "float64", "money"),
        ("(3.00)", 3.0, "float64", "debt"),
        ("1,25", 125, "int64", "comma"),
    ],
)
def test_what_no_rule_explains_is_a_fault(text: str, value: object, type_: str, kind: str) -> None:
    assert explain(text, value, type_, kind) is None
