"""Ranks the models on the test metrics; puts the best one, the champion, to the gate."""

import argparse
import csv
from pathlib import Path

from millrace import config, selection
from millrace.errors import run
from millrace.files import read_json, replacing, write_json


def main() -> None:
    """Reads every model's metrics.json; writes leaderboard.csv and champion.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="directory with a folder each")
    parser.add_argument("--leaderboard", type=Path, required=True)
    parser.add_argument("--champion", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    settings = job["selection"]
    models = [read_json(arguments.models / name / "metrics.json") for name in job["models"]]
    metric, ranked = selection.rank(models, settings["metric"])
    rows = selection.leaderboard(ranked)
    with replacing(arguments.leaderboard) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['rank']}. {row['model']}: {metric} {row[metric]:.4f}")

    write_json(arguments.champion, selection.champion(metric, ranked, settings["gate"]))


if __name__ == "__main__":
    run(main)
