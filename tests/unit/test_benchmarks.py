"""The figures in the docs are those of the committed results."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_of_models_are_made_from_the_results() -> None:
    script = ROOT / "benchmarks" / "models_table.py"
    spec = importlib.util.spec_from_file_location("models_table", script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.PAGE.read_text(encoding="utf-8")
    between = page.partition(module.START)[2].partition(module.END)[0]
    assert between == module.tables()
