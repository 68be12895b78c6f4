"""Evaluates a run of a model on the test examples, or on the fold that it was trained without."""

import argparse
from pathlib import Path

from millrace import config, errors, models
from millrace.config import runs
from millrace.evaluation import evaluator, prediction_table
from millrace.training import devices


def main() -> None:
    """Reads a trained model and examples; writes metrics, diagnostics, predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a run, such as tabm or tabm/folds/1")
    for name in ("config", "training", "preprocessing", "encoded", "examples", "schema"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("metrics", "diagnostics", "predictions"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    job = config.load(arguments.config)
    run = runs.named(job, arguments.model)
    predictor = models.load(arguments.preprocessing, arguments.training)
    examples = evaluator.Examples(arguments.examples, arguments.encoded, arguments.schema)
    evaluated = evaluator.evaluate(job, run, predictor, arguments.training, examples)
    prediction_table.write(
        arguments.predictions,
        evaluated.origins,
        evaluated.classes,
        evaluated.labels,
        evaluated.predictions,
    )
    evaluated.diagnostics.save(arguments.diagnostics)
    evaluated.metrics.save(arguments.metrics)
    for line in evaluator.told(evaluated, job.selection.metric):
        print(line)


if __name__ == "__main__":
    errors.exit_with_status(main)
