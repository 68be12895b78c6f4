"""Upgrades a copy of TensorFlow 1 code to TensorFlow 2, and reports the manual changes left."""

import argparse
from pathlib import Path

from millrace.errors import exit_with_status
from millrace.tf1.upgrade import REPORT, upgrade


def main() -> None:
    """Reads a tree of Python files; writes an upgraded copy with UPGRADE.html in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=Path, required=True, help="the old code, which is not changed"
    )
    parser.add_argument("--target", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    result = upgrade(arguments.source, arguments.target)
    for call in result.old_calls:
        place = f"{arguments.target / call.path}:{call.line}"
        print(f"{place}: {call.name}: {call.effect}; replacement: {call.advice}")
    for path, reason in result.unread.items():
        print(f"{arguments.target / path}: not upgraded: {reason}")
    print(f"The report: {arguments.target / REPORT}")


if __name__ == "__main__":
    exit_with_status(main)
