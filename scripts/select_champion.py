"""Ranks the models on the test metrics; puts the best one, the champion, to the gate."""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from millrace import config, errors
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.evaluation import curves, selection
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
    settings = job.selection
    metric, ranked = selection.rank(read(arguments.models, job), settings.metric)
    rows = selection.leaderboard(ranked)
    write_table(arguments.leaderboard, list(rows[0]), rows)
    write_table(arguments.curves, curves.COLUMNS, curves.rows(arguments.models, list(job.models)))
    scores = {row["model"]: row[metric] for row in rows}
    write_json(arguments.scores, {metric: {name: scores[name] for name in job.models}})
    for row in rows:
        print(f"{row['rank']}. {row['model']}: {metric} {row[metric]:.4f}")

    winner = selection.champion(metric, ranked, settings.gate, settings.smallest_within)
    write_json(arguments.champion, winner)


def read(models: Path, job: JobConfig) -> list[selection.Candidate]:
    """Returns the models of the config, with the metrics of their runs."""
    evaluated = [x for x in runs.plan(job).values() if x.rung is None]
    read = {x.name: read_json(models / x.name / "metrics.json") for x in evaluated}
    return [
        selection.Candidate(
            read[model.name],
            seeds=[
                read[x.name]
                for x in evaluated
                if x.name.startswith(f"{model.name}/seeds/") and not model.ensemble
            ],
            folds=[read[x.name] for x in evaluated if x.name.startswith(f"{model.name}/folds/")],
        )
        for model in evaluated
        if model.name == model.model
    ]


def write_table(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    errors.exit_with_status(main)
