"""Writes the table in docs/honest-auc.md from benchmarks/models.json.

python benchmarks/models.py --sets flights flights_random --models linear dnn --peers PYTHON
python benchmarks/honest_auc_table.py
"""

import json
from pathlib import Path
from statistics import mean

import pages

PAGE = Path(__file__).parents[1] / "docs" / "honest-auc.md"
SETS = ("flights", "flights_random")
MODELS = ("linear", "dnn", "tabm", "boosted_trees", "lightgbm")


def main() -> None:
    """Writes the tables."""
    pages.fill(PAGE, "honest_auc_table.py", tables())


def tables() -> str:
    """Returns the table as Markdown, with a row for each model that was trained on both splits."""
    found: dict[tuple[str, str], list[float]] = {}
    for entry in json.loads(Path(__file__).with_name("models.json").read_text()):
        if entry["set"] in SETS:
            found.setdefault((entry["model"], entry["set"]), []).append(entry["auc"])
    lines = ["| model | test: the last two months | test: random rows |", "|---|---|---|"]
    for model in MODELS:
        if all((model, name) in found for name in SETS):
            aucs = " | ".join(f"{mean(found[model, name]):.3f}" for name in SETS)
            lines.append(f"| {model} | {aucs} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
