"""Checks a config file, so that its errors are shown before Snakemake or DVC reads it.

Run as `python -m millrace.console.check --config FILE`.
"""

import argparse
from pathlib import Path

from millrace import config
from millrace.errors import exit_with_status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    config.load(parser.parse_args().config)


if __name__ == "__main__":
    exit_with_status(main)
