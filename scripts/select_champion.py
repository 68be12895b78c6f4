"""Ranks the models on the test metrics; puts the best one, the champion, to the gate."""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from millrace import config, curves, selection
from millrace.errors import run
from millrace.files import read_json, replacing, write_json


def main() -> None:
    """Reads what evaluate wrote of every model; writes two tables, the scores, the champion."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="directory with a folder each")
    for name in ("leaderboard", "scores", "curves", "champion"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    settings = job["selection"]
    models = [read_json(arguments.models / name / "metrics.json") for name in job["models"]]
    metric, ranked = selection.rank(models, settings["metric"])
    rows = selection.leaderboard(ranked)
    write_table(arguments.leaderboard, list(rows[0]), rows)
    write_table(
        arguments.curves, curves.COLUMNS, curves.rows(arguments.models, list(job["models"]))
    )
    write_json(
        arguments.scores,
        {metric: {m["model"]: m["metrics"][metric]["value"] for m in models}},
    )
    for row in rows:
        print(f"{row['rank']}. {row['model']}: {metric} {row[metric]:.4f}")

    write_json(arguments.champion, selection.champion(metric, ranked, settings["gate"]))


def write_table(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main)
