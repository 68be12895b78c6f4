"""Ranks the models on validation rows or folds, and checks the gate of the best, the champion."""

import argparse
from pathlib import Path

from millrace import config, errors
from millrace.artifacts.curves import save as write_curves
from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.metrics import Metrics
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.evaluation import choice_in_words, curves, selection
from millrace.evaluation.candidates import Candidate
from millrace.results import RunFolder


def main() -> None:
    """Reads the metrics of every model; writes leaderboard, curves, scores and champion."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="directory with a folder each")
    for name in ("leaderboard", "scores", "curves", "champion"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    settings = job.selection
    metric, ranked = selection.rank(read(arguments.models, job), settings.metric)
    selection.leaderboard(metric, ranked).save(arguments.leaderboard)
    write_curves(arguments.curves, curves.points(arguments.models, list(job.models)))
    scores = selection.scores(metric, ranked, job.models)
    scores.save(arguments.scores)
    for rank, model in enumerate(ranked, start=1):
        print(f"{rank}. {model.name}: {metric} {scores.models[model.name]:.4f}")

    run = RunFolder(arguments.models / selection.chosen(metric, ranked, settings).name)
    slices = Diagnostics.load(run.diagnostics).slices or []
    winner = selection.champion(metric, ranked, settings, selection.other_uses(job), slices)
    winner.save(arguments.champion)
    for line in choice_in_words.lines(winner, metric):
        print(line)
    if winner.choice.warning:
        print(f"warning: few rows to choose by: {winner.choice.warning}")


def read(models: Path, job: JobConfig) -> list[Candidate]:
    """Returns the models of the config, with the metrics of their runs."""
    evaluated = [x for x in runs.plan(job).values() if x.rung is None]
    read = {x.name: Metrics.load(RunFolder(models / x.name).metrics) for x in evaluated}
    return [
        Candidate(
            read[model.name],
            seeds=[
                read[x.name]
                for x in evaluated
                if x.name.startswith(f"{model.name}/seeds/") and not model.members
            ],
            folds=[read[x.name] for x in evaluated if x.name.startswith(f"{model.name}/folds/")],
        )
        for model in evaluated
        if model.name == model.model
    ]


if __name__ == "__main__":
    errors.exit_with_status(main)
