"""The figures in the docs are those of the committed results."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["models_table", "feature_columns_table"])
def test_the_tables_are_made_from_the_results(name: str) -> None:
    script = ROOT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.PAGE.read_text(encoding="utf-8")
    between = page.partition(module.START)[2].partition(module.END)[0]
    assert between == module.tables()
