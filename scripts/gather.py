"""Joins the parts that ingest wrote into one table, and checks the row counts.

The result is the same as with a single part, byte for byte.
"""

import argparse
from pathlib import Path

from millrace import config
from millrace.artifacts.schema import Schema
from millrace.errors import exit_with_status
from millrace.files import replacing
from millrace.ingestion import gathering
from millrace.results import PartFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--parts", type=Path, required=True, help="directory of the parts")
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--account", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    arguments = parser.parse_args()

    data = config.load(arguments.config).data
    parts = [arguments.parts / str(part) for part in data.parts]
    schema = Schema.load(PartFolder(parts[0]).schema)
    with replacing(arguments.examples) as folder, replacing(arguments.rejected) as rejected:
        account = gathering.gather(parts, data, folder, rejected)
        schema.save(arguments.schema)
        account.save(arguments.account)
    print(gathering.summary(account))


if __name__ == "__main__":
    exit_with_status(main)
