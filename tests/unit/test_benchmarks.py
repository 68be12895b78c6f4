"""The figures in the docs match the committed results."""

import ast
import importlib
import itertools
import json
from pathlib import Path

import pages
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    ["honest_auc_table", "models_table", "feature_columns_table", "ingestion_table", "choice"],
)
def test_the_tables_are_made_from_the_results(name: str) -> None:
    module = importlib.import_module(name)
    assert pages.filled(module.PAGE, f"{name}.py") == module.tables()


def test_the_targets_are_met_where_the_page_says_so() -> None:
    """Computes the figures from the results with pandas, independently of the page's code."""
    entries = pd.read_json(ROOT / "benchmarks" / "models.json")
    # It has the rows of the flights, split in a way that the docs warn about.
    entries = entries[entries["set"] != "flights_random"]
    means = entries.groupby(["set", "model"]).mean(numeric_only=True).unstack("model")
    auc, share = means["auc"], means["rmse"].div(means["rmse"]["lightgbm"], axis=0)

    def near(model: str, by: float) -> int:
        return int((auc[model] >= auc["lightgbm"] - by).sum() + (share[model] <= 1.02).sum())

    better = int((auc["tabm"] > auc["lightgbm"]).sum() + (share["tabm"] < 1).sum())
    expected = [
        (near("tabm", 0.002) >= 6, f"on {near('tabm', 0.002)} of 8"),
        (better >= 3, f"on {better}:"),
        (means["accuracy"]["tabm"]["adult"] >= 0.87, ""),
        (means["rmse"]["tabm"]["california_housing"] <= 0.46, ""),
        (near("boosted_trees", 0.003) == 8, f"on {near('boosted_trees', 0.003)} of 8"),
        (means["cpu_seconds"]["tabm"]["adult"] <= 25, ""),
    ]
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = page.partition("| target | met | measured |")[2].splitlines()[2:]
    for (holds, found), row in zip(expected, rows, strict=False):
        assert f"| {'yes' if holds else 'no'} | {found}" in row


def test_the_tables_of_the_training_are_made_from_its_results() -> None:
    module = importlib.import_module("training")
    results = json.loads(module.RESULT.read_text(encoding="utf-8"))
    assert pages.filled(module.PAGE, "training.py: speed") == module.table(results)
    assert pages.filled(module.PAGE, "training.py: replicas") == module.replicas_table(results)


def test_the_table_of_scoring_is_made_from_its_results() -> None:
    module = importlib.import_module("scoring")
    results = json.loads(module.RESULT.read_text(encoding="utf-8"))
    assert pages.filled(module.PAGE, "scoring.py") == module.table(results)


def test_a_page_without_its_marks_is_refused_and_left(tmp_path: Path) -> None:
    (page := tmp_path / "page.md").write_text("<!-- made by benchmarks/other.py -->\n")
    with pytest.raises(
        SystemExit, match=r"page\.md: expected <!-- made by benchmarks/mine\.py -->"
    ):
        pages.fill(page, "mine.py", "text")
    assert page.read_text() == "<!-- made by benchmarks/other.py -->\n"


def test_the_proof_of_adopted_estimators_is_told_as_it_came_out() -> None:
    proof = json.loads((ROOT / "benchmarks" / "tf1" / "proof.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "from-tensorflow-1.md").read_text(encoding="utf-8")
    for model, found in proof["logits"].items():
        assert f"| {model} | {found['rows']:,} | {found['largest_difference']:.1e} | 0 |" in page
    assert set(proof["rows_with_another_bucket"].values()) == {0}
    for runtime in ("tf1 session", "tflite float32", "tfjs cpu", "tfjs wasm"):
        assert f"| {runtime} | {proof['certificate'][runtime]:.1e} |" in page


def test_ingestion_is_as_fast_as_it_is_to_be() -> None:
    found = json.loads((ROOT / "benchmarks" / "ingestion_scaling.json").read_text())
    stage = {name: row for name, row in found["configs"].items() if name != "limit"}
    over = [name for name, row in stage.items() if row["times the limit"] > 3]
    assert over == ["by time, shares given"]  # reads the table twice
    for part in ("csv", "parquet"):
        assert found[part]["4 times the rows"]["CPU"] <= 4.4
        assert found[part]["4 times the rows"]["peak memory"] <= 1.15
        assert found[part]["rate of 2 processes"] >= 1.6
    loop, encoder, stage_of_tfx = json.loads((ROOT / "benchmarks" / "ingestion.json").read_text())[
        "ratios"
    ].values()
    assert (loop >= 20, encoder >= 2, stage_of_tfx >= 50) == (True, True, True)


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda x: x.name)
def test_what_is_measured_has_the_settings_of_the_stages(path: Path) -> None:
    """millrace sets the variables, and TensorFlow reads them when imported."""
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    packages = [str(name).split(".")[0] for name in imported]
    if {"keras", "tensorflow"} & set(packages):
        assert "millrace" in itertools.takewhile(
            lambda x: x not in ("keras", "tensorflow"), packages
        )


def test_the_differential_test_is_on_its_page() -> None:
    differential = importlib.import_module("differential")
    kept = json.loads(differential.RESULT.read_text(encoding="utf-8"))
    assert pages.filled(differential.PAGE, "differential.py") == differential.table(kept)
    assert kept["faults"] == []


def test_the_figures_of_the_fuzzing_are_on_their_page() -> None:
    fuzz = importlib.import_module("fuzz")
    kept = json.loads(fuzz.RESULT.read_text(encoding="utf-8"))
    assert kept.keys() == fuzz.TARGETS.keys()
    assert pages.filled(fuzz.PAGE, "fuzz.py") == fuzz.table(kept)


def test_the_figures_of_the_chaos_are_on_their_page() -> None:
    chaos = importlib.import_module("chaos")
    counts = chaos.Counts.load(chaos.RESULT)
    assert pages.filled(chaos.PAGE, "chaos.py") == chaos.table(counts)
