"""Puts the blessed champion under serving/<name>, where a server picks it up; or goes back."""

import argparse
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status
from millrace.results import Results
from millrace.serving import pushing, versions


def main() -> None:
    """Reads the exported champion and blessing.json; writes a version and pushed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="of the job; default: results/<name>")
    parser.add_argument("--serving", type=Path, help="the versions; default: serving/<name>")
    parser.add_argument("--rollback", action="store_true", help="serve the version before")
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    served = versions.Versions(arguments.serving or versions.served(job.name))
    if arguments.rollback:
        last, before = pushing.rollback(served)
        print(f"version {before} is in use; {last} is withdrawn: {served.folder}")
        return
    results = Results(arguments.results) if arguments.results else Results.of(job.name)
    pushed = pushing.push(job, results, served)
    pushed.save(results.pushed)
    print(pushing.summary(pushed))


if __name__ == "__main__":
    exit_with_status(main)
