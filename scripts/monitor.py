"""Compares new rows with training, window by window; writes a JSON file and a page."""

import argparse
import sys
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status
from millrace.results import Results
from millrace.serving import monitor_page, monitoring, scored_paths
from millrace.training import devices

# The exit status for schedulers; 1 means an error.
ALARM = 3


def main() -> None:
    """Reads new rows and the job's artifacts; writes two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="of the job; default: results/<name>")
    parser.add_argument("--rows", required=True, help="a file, a folder, a glob, or table:name")
    parser.add_argument("--output", type=Path, required=True, help="a .json file")
    arguments = parser.parse_args()

    devices.hide()
    job = config.load(arguments.config)
    results = Results(arguments.results) if arguments.results else Results.of(job.name)
    monitor_page.check_output(arguments.output, results)
    found = monitoring.monitor(job, results, scored_paths.named_rows(arguments.rows))
    found.save(arguments.output)
    monitor_page.write(found, arguments.output.with_suffix(".html"), job.report.min_count)
    print(monitoring.summary(found, arguments.output))
    if found.alarm:
        sys.exit(ALARM)


if __name__ == "__main__":
    exit_with_status(main)
