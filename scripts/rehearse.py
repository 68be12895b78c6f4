"""Exports untrained models and compares the forms on ten rows, before training starts."""

import argparse
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status
from millrace.export import rehearsal
from millrace.features.preprocessing import Preprocessing
from millrace.training import devices


def main() -> None:
    """Reads preprocessing.json, examples and raw files; writes the result of the rehearsal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearsed", required=True, help="a model, or built-in")
    for name in ("config", "preprocessing", "examples", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    learned = Preprocessing.load(arguments.preprocessing)
    job = config.load(arguments.config)
    found = rehearsal.rehearse(job, arguments.rehearsed, learned, arguments.examples)
    for one in found.models:
        print(f"{one.model}: {', '.join(one.forms)} agree on {rehearsal.ROWS} rows")
    found.save(arguments.output)


if __name__ == "__main__":
    exit_with_status(main)
