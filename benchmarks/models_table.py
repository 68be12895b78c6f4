"""Writes the tables in docs/models.md from benchmarks/models.json and benchmarks/sizes.json.

python benchmarks/models_table.py
"""

import json
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
START, END = "<!-- made by benchmarks/models_table.py -->\n", "<!-- end -->"
ORDER = [
    "linear",
    "dnn",
    "wide_deep",
    "dcn",
    "tabm",
    "boosted_trees",
    "lightgbm",
    "lightgbm_tuned",
    "xgboost",
    "catboost",
]

Entry = dict[str, Any]


def main() -> None:
    """Replaces what stands between the marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}{tables()}{END}{after}", encoding="utf-8")


def tables() -> str:
    """Returns the tables of scores and of costs, as Markdown."""
    entries = json.loads(Path(__file__).with_name("models.json").read_text())
    sets = list(dict.fromkeys(entry["set"] for entry in entries))
    models = [model for model in ORDER if any(entry["model"] == model for entry in entries)]
    cells = {
        (name, model): [x for x in entries if (x["set"], x["model"]) == (name, model)]
        for name in sets
        for model in models
    }
    fewest, *_, most = sorted(len(found) for found in cells.values() if found)
    of = "One seed" if most == 1 else f"Mean of {fewest} to {most} seeds"
    lines = [
        "",
        f"{of}; the best in bold.",
        "",
        *_table("AUC or RMSE", sets, models, cells, _score),
        "",
        *_table("CPU seconds", sets, models, cells, lambda found: _mean(found, "cpu_seconds")),
        "",
        *_table("peak MiB", sets, models, cells, lambda found: _mean(found, "peak_mb")),
        "",
        *_sizes(json.loads(Path(__file__).with_name("sizes.json").read_text())),
        "",
    ]
    return "\n".join(lines)


def _sizes(found: dict[str, Any]) -> list[str]:
    """Returns the table of how large and how fast each model is, and what is said before it."""
    said = (
        "On a made table of 6 numbers, 4 categories with 4 to 300 levels, a bucketized "
        f"number and two crosses, with missing values (`benchmarks/sizes.py`). A row is a single "
        "one in TF Lite, float32, one thread, from its strings to the prediction. The largest "
        f"difference from Keras, of SavedModel, TF Lite and TF.js on cpu and wasm, is over "
        f"{found['rows']:,} rows, the certificate's made ones among them."
    )
    titles = [
        "parameters",
        "SavedModel",
        "TF Lite",
        "dynamic range",
        "TF.js",
        "a row",
        "difference",
    ]
    lines = [said, "", f"| | {' | '.join(titles)} |", "|---" + "|--:" * len(titles) + "|"]
    for model, entry in found["models"].items():
        forms = ("saved_model", "tflite", "dynamic_range", "tfjs")
        kilobytes = [f"{entry[f'{form}_bytes'] / 1000:,.0f} kB" for form in forms]
        furthest = max(entry["max_difference"].values())
        row = [f"{entry['parameters']:,}", *kilobytes, f"{entry['tflite_microseconds']:.0f} µs"]
        lines.append(f"| {model} | {' | '.join(row)} | {furthest:.1e} |")
    return lines


def _table(title: str, sets: list[str], models: list[str], cells: Any, show: Any) -> list[str]:
    lines = [f"| {title} | {' | '.join(models)} |", "|---" * (len(models) + 1) + "|"]
    for name in sets:
        best = _best([cells[name, model] for model in models]) if show is _score else None
        shown = [show(cells[name, model]) if cells[name, model] else "" for model in models]
        row = [
            f"**{x}**" if cells[name, m] is best else x for x, m in zip(shown, models, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return lines


def _score(found: list[Entry]) -> str:
    metric = _metric(found)
    return f"{mean(entry[metric] for entry in found):.4g}"


def _best(rows: list[list[Entry]]) -> list[Entry]:
    there = [found for found in rows if found]
    metric = _metric(there[0])
    pick = max if metric == "auc" else min
    return pick(there, key=lambda found: mean(entry[metric] for entry in found))


def _metric(found: list[Entry]) -> str:
    return "auc" if "auc" in found[0] else "rmse"


def _mean(found: list[Entry], key: str) -> str:
    values = [entry[key] for entry in found if key in entry]
    return f"{mean(values):.0f}" if values else ""


if __name__ == "__main__":
    main()
