"""Converts raw tables to TFRecord shards of tf.train.Example, and accounts for every row.

It writes one part of the table, its share of the files; `gather` joins the parts.
"""

import argparse
from pathlib import Path

from millrace import config
from millrace.artifacts.manifest import Manifest
from millrace.errors import MillraceError, exit_with_status
from millrace.files import replacing
from millrace.ingestion.ingest import ingest
from millrace.results import PartFolder, RawFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--raw", type=Path, required=True, help="directory that fetch made")
    parser.add_argument("--part", type=int, required=True, help="one of data.parts")
    parser.add_argument("--output", type=Path, required=True, help="directory for the part")
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    data = job.data
    if arguments.part not in data.parts:
        raise MillraceError(
            f"--part: expected one of {list(data.parts)}, found {arguments.part}.",
            note="add the part to data.parts, or pass one of these.",
        )
    files = Manifest.load(RawFolder(arguments.raw).manifest).files
    with replacing(arguments.output) as folder:
        schema, account = ingest(files, arguments.part, data, job.seed, folder)
        schema.save(PartFolder(folder).schema)
        account.save(PartFolder(folder).account)
    rows = sum(file.rows_read for file in account.files)
    print(f"{rows:,} rows of {len(account.files)} files")


if __name__ == "__main__":
    exit_with_status(main)
