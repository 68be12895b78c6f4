"""Writes the tables in docs/feature-columns.md from benchmarks/feature_columns.json.

python benchmarks/feature_columns_table.py
"""

import json
from pathlib import Path
from typing import Any

import pages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "feature-columns.md"


def main() -> None:
    """Writes the tables."""
    pages.fill(PAGE, "feature_columns_table.py", tables())


def tables() -> str:
    """Returns the costs of learning, encoding and reading, as Markdown."""
    found = json.loads(Path(__file__).with_name("feature_columns.json").read_text())
    learn, adapt, rates = found["learn"], found["adapt"], found["encode"]
    lines = ["", f"| learning from {found['rows']:,} rows | CPU s | s | MiB |", "|---|--:|--:|--:|"]
    for name, result in (("Millrace", learn), ("Keras `adapt()`", adapt)):
        figures = f"{result['cpu_seconds']:.1f} | {result['wall_seconds']:.1f}"
        lines.append(f"| {name} | {figures} | {result['peak_mib']} |")
    ratios = (adapt[key] / learn[key] for key in ("cpu_seconds", "wall_seconds"))
    lines.append("| Keras / Millrace | {:.1f} | {:.1f} | |".format(*ratios))
    lines += ["", "| | rows per CPU second |", "|---|--:|"]
    lines += [f"| {name} | {x['rows_per_cpu_second']:,} |" for name, x in rates.items()]
    lines += ["", _share(rates), ""]
    return "\n".join(lines)


def _share(rates: dict[str, Any]) -> str:
    """Returns a sentence on the cost of encoding in every training step."""
    encode, step = (
        1 / rates[name]["rows_per_cpu_second"] for name in ("all 15", "a training step of dnn")
    )
    read = 1 / rates["reading encoded/ back"]["rows_per_cpu_second"]
    return (
        f"Encoding the 15 raw columns in every step would take {encode / (encode + step):.0%} of "
        "the time of a step with a `dnn`. It is done once per job instead, for all models, seeds "
        f"and trials; reading the encoded examples takes {read / step:.1%} of a step."
    )


if __name__ == "__main__":
    main()
