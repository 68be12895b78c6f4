"""Turns raw tables into TFRecord shards of tf.train.Example, and accounts for every row.

It writes one part of the table, the rows of its share of the files; `gather` joins the parts.
"""

import argparse
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from millrace import config
from millrace.config.data import DataConfig
from millrace.config.job import JobConfig
from millrace.errors import MillraceError, run
from millrace.files import read_json, replacing, write_json
from millrace.ingestion import splits
from millrace.ingestion.origins import OriginWriter
from millrace.ingestion.plan import Plan
from millrace.ingestion.rejects import RejectedRows
from millrace.ingestion.shards import ShardWriter
from millrace.progress import Progress
from millrace.tfrecord.examples import Encoder

import numpy as np


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
        raise MillraceError(f"--part: expected one of {data['parts']}, found {arguments.part}.")
    files = read_json(arguments.raw / "manifest.json")["files"]
    mine = share(files, data.parts.index(arguments.part), len(data.parts))
    with replacing(arguments.output) as folder:
        plan, account = ingested(files, mine, job, folder)
        account["taken"] = [asdict(taken) for taken in plan.taken]
        write_json(folder / "schema.json", plan.schema())
        write_json(folder / "ingest.json", account)
    print(f"{sum(file['rows_read'] for file in account['files']):,} rows of {len(mine)} files")


def ingested(
    files: list[dict[str, Any]], mine: range, job: JobConfig, folder: Path
) -> tuple[Plan, dict[str, Any]]:
    """Writes the part by the types that the first rows suggest, and by the right ones if these are
    others; returns the plan and the account.

    A part that does not see all rows, and knows no schema, has to find the right types first.
    """
    data = job.data
    guess: Plan | None = None
    if data.schema_path is None and len(data.parts) == 1:
        with suppress(MillraceError):  # which may be the guess's fault, or comes again
            guess = Plan(files, data, job.seed, guess=True)
    if guess:
        account = write(guess, files, mine, data, folder)
        if guess.holds():
            return guess, account
        shutil.rmtree(folder)
    plan = Plan(files, data, job.seed)
    return plan, write(plan, files, mine, data, folder)


def share(files: list[dict[str, Any]], place: int, parts: int) -> range:
    """Returns which files are the part's at this place: neighbours, of about as many bytes."""
    sizes = np.array([file["bytes"] for file in files])
    owners = (np.cumsum(sizes) - sizes) * parts // max(sizes.sum(), 1)
    return range(*np.searchsorted(owners, [place, place + 1]).tolist())


def write(
    plan: Plan, files: list[dict[str, Any]], mine: range, data: DataConfig, folder: Path
) -> dict[str, Any]:
    """Writes the shards and the rejected rows of some of the files, and returns their account."""
    folder.mkdir(parents=True)
    if data.drop_duplicates or plan.keys:
        for index in range(mine.start):
            for _ in plan.outcomes(index):
                pass  # the plan remembers the rows of earlier files
    unlabelled, duplicates, in_gap, rows_read = 0, 0, 0, dict.fromkeys(mine, 0)
    writers = {
        split: ShardWriter(folder, split, data.examples_per_shard, data.compression)
        for split in splits.SPLITS
    }
    origin_writers = {split: OriginWriter(folder, split, data.ids) for split in splits.SPLITS}
    with (
        RejectedRows(folder / "rejected.csv", data.exclude) as rejected,
        Progress(plan.rows if len(mine) == len(files) else None, "rows", "ingest") as progress,
    ):
        for index in mine:
            for count, outcome in plan.outcomes(index):
                encoder = Encoder(outcome.examples)
                for number, split in enumerate(splits.SPLITS):
                    rows = np.flatnonzero(outcome.splits == number)
                    writers[split].write(encoder, rows)
                    origin_writers[split].write(outcome.origins.take(rows))
                rejected.write(files[index]["path"], outcome.rejected)
                unlabelled += outcome.unlabelled
                duplicates += outcome.duplicates
                in_gap += int((outcome.splits == splits.LEFT_OUT).sum())
                rows_read[index] += count
                progress.update(count)
    for origin_writer in origin_writers.values():
        origin_writer.close()
    return {
        "unlabelled": unlabelled,
        "duplicates_dropped": duplicates,
        "in_gap": in_gap,
        "files": [
            {"path": files[index]["path"], "rows_read": count}
            | {key: files[index][key] for key in ("bytes", "sha256")}
            for index, count in rows_read.items()
        ],
        "shards": {split: writer.close() for split, writer in writers.items()},
        "reasons": dict(rejected.reasons),
    }


if __name__ == "__main__":
    run(main)
