"""Decides whether the champion may replace the model in use: blessing.json, warm-up requests."""

import argparse
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status
from millrace.results import Results
from millrace.serving import blessing, versions
from millrace.training import devices


def main() -> None:
    """Reads the exported champion, its examples and the version in use; writes two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="of the job; default: results/<name>")
    parser.add_argument("--serving", type=Path, help="the versions; default: serving/<name>")
    arguments = parser.parse_args()

    devices.hide()
    job = config.load(arguments.config)
    results = Results(arguments.results) if arguments.results else Results.of(job.name)
    served = versions.Versions(arguments.serving or versions.served(job.name))
    found = blessing.bless(job, results, served)
    found.save(results.blessing)
    print(blessing.summary(found, results.blessing))


if __name__ == "__main__":
    exit_with_status(main)
