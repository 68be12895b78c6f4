"""The figures in the docs are those of the committed results."""

import importlib.util
import json
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


def test_the_proof_of_adopted_estimators_is_told_as_it_came_out() -> None:
    proof = json.loads((ROOT / "benchmarks" / "tf1" / "proof.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "from-tensorflow-1.md").read_text(encoding="utf-8")
    for model, found in proof["logits"].items():
        assert f"| {model} | {found['rows']:,} | {found['largest_difference']:.1e} | 0 |" in page
    assert set(proof["rows_with_another_bucket"].values()) == {0}
    for runtime in ("tf1 session", "tflite float32", "tfjs cpu", "tfjs wasm"):
        assert f"| {runtime} | {proof['certificate'][runtime]:.1e} |" in page
