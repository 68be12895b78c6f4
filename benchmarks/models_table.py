"""Writes the tables in docs/models.md from benchmarks/models.json and benchmarks/sizes.json.

python benchmarks/models_table.py
"""

import json
import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
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
Cells = dict[tuple[str, str], list[Entry]]


def main() -> None:
    """Writes the tables."""
    pages.fill(PAGE, "models_table.py", tables())


def tables() -> str:
    """Returns the tables of scores, bars and costs, as Markdown."""
    entries = json.loads(Path(__file__).with_name("models.json").read_text())
    entries = [entry for entry in entries if entry["set"] != "flights_random"]
    sets = list(dict.fromkeys(entry["set"] for entry in entries))
    models = [model for model in ORDER if any(entry["model"] == model for entry in entries)]
    cells = {
        (name, model): [x for x in entries if (x["set"], x["model"]) == (name, model)]
        for name in sets
        for model in models
    }
    fewest, *_, most = sorted(len(found) for found in cells.values() if found)
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    lines = [
        "",
        f"Mean and standard deviation over {seeds} seeds; the best in bold.",
        "",
        *_table("AUC or RMSE", sets, models, cells, _score),
        "",
        *_bars(sets, cells),
        "",
        *_table("CPU seconds", sets, models, cells, lambda found: _mean(found, "cpu_seconds")),
        "",
        *_table("peak MiB", sets, models, cells, lambda found: _mean(found, "peak_mb")),
        "",
        *_sizes(json.loads(Path(__file__).with_name("sizes.json").read_text())),
        "",
    ]
    return "\n".join(lines)


def _bars(sets: list[str], cells: Cells) -> list[str]:
    """Returns the table of targets, with whether each is met."""
    tabm, trees = (_behind(model, sets, cells) for model in ("tabm", "boosted_trees"))
    far, far_trees = _beyond(tabm, 0.002), _beyond(trees, 0.003)
    better = [name for name, by in tabm.items() if by.get("auc", by.get("rmse", 0.0)) < 0]
    accuracy = mean(entry["accuracy"] for entry in cells["adult", "tabm"])
    rmse = mean(entry["rmse"] for entry in cells["california_housing", "tabm"])
    seconds = mean(entry["cpu_seconds"] for entry in cells["adult", "tabm"])
    bars = [
        (
            "`tabm` at most .002 AUC or 2 % RMSE behind LightGBM's defaults on six of eight",
            len(tabm) - len(far) >= 6,
            "; ".join([f"on {len(tabm) - len(far)} of {len(tabm)}", *far]),
        ),
        (
            "`tabm` better than LightGBM's defaults on three of eight",
            len(better) >= 3,
            f"on {len(better)}: {', '.join(better)}",
        ),
        ("accuracy of `tabm` on adult at least .870", accuracy >= 0.87, f"{accuracy:.4f}"),
        ("RMSE of `tabm` on california_housing at most .46", rmse <= 0.46, f"{rmse:.4f}"),
        (
            "`boosted_trees` at most .003 AUC or 2 % RMSE behind LightGBM's defaults on all",
            not far_trees,
            "; ".join([f"on {len(trees) - len(far_trees)} of {len(trees)}", *far_trees]),
        ),
        ("CPU seconds of `tabm` on adult at most 25", seconds <= 25, f"{seconds:.1f}"),
    ]
    rows = [f"| {bar} | {'yes' if holds else 'no'} | {found} |" for bar, holds, found in bars]
    return ["| target | met | measured |", "|---|---|---|", *rows]


def _behind(model: str, sets: list[str], cells: Cells) -> dict[str, dict[str, float]]:
    """Returns by how much a model is worse than LightGBM on each set, by metric.

    In AUC, or as a share of LightGBM's RMSE; negative if it is better.
    """
    found: dict[str, dict[str, float]] = {}
    for name in sets:
        pair = cells[name, model], cells[name, "lightgbm"]
        for metric in ("auc", "rmse", "rmse_but_far"):
            if metric in pair[1][0]:
                ours, theirs = (mean(entry[metric] for entry in entries) for entries in pair)
                by = theirs - ours if metric == "auc" else ours / theirs - 1
                found.setdefault(name, {})[metric] = by
    return found


def _beyond(behind: dict[str, dict[str, float]], auc: float) -> list[str]:
    """Returns, in words, the sets on which a model is worse by more than that, or by 2 %."""
    said = []
    for name, by in behind.items():
        if "auc" in by and by["auc"] > auc:
            said.append(f"behind by {by['auc']:.4f} on {name}")
        if "rmse" in by and by["rmse"] > 0.02:
            rest = by["rmse_but_far"]
            side = "behind" if rest > 0 else "ahead"
            others = f"{side} by {abs(rest):.1%} without the two worst rows"
            said.append(f"behind by {by['rmse']:.1%} on {name}, {others}")
    return said


def _sizes(found: dict[str, Any]) -> list[str]:
    """Returns the table of the size and speed of each model, with its introduction."""
    said = (
        "On a synthetic table of 6 numbers, 4 categories with 4 to 300 levels, a bucketized "
        "number and two crosses, with missing values (`benchmarks/sizes.py`). The time is for a "
        "single row in TF Lite, float32, one thread, from its strings to the prediction. The "
        "difference is the largest from Keras in SavedModel, TF Lite and TF.js on cpu and wasm, "
        f"over {found['rows']:,} rows, the certificate's synthetic ones among them."
    )
    titles = [
        "parameters",
        "SavedModel",
        "TF Lite",
        "dynamic range",
        "TF.js",
        "time per row",
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


def _table(title: str, sets: list[str], models: list[str], cells: Cells, show: Any) -> list[str]:
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
    values = [entry[_metric(found)] for entry in found]
    decimals = max(0, 3 - math.floor(math.log10(values[0]))) if values[0] >= 1 else 4
    spread = f" ± {stdev(values):,.{decimals}f}" if len(values) > 1 else ""
    return f"{mean(values):,.{decimals}f}{spread}"


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
