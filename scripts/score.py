"""Scores new rows with an exported model: predictions, rejected rows, and the row account."""

import argparse
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status
from millrace.results import Results, ScoredFile
from millrace.serving import scoring
from millrace.training import devices


def main() -> None:
    """Reads new rows and the exported champion; writes three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="of the job; default: results/<name>")
    parser.add_argument("--rows", required=True, help="a file, a folder, a glob, or table:name")
    parser.add_argument("--output", type=Path, required=True, help=".parquet, .csv or .jsonl")
    arguments = parser.parse_args()

    devices.hide()
    job = config.load(arguments.config)
    results = Results(arguments.results) if arguments.results else Results.of(job.name)
    scored = ScoredFile(arguments.output)
    account = scoring.score(job, results, arguments.rows, scored, job.score.model)
    print(scoring.summary(account, scored))


if __name__ == "__main__":
    exit_with_status(main)
