"""Scoring of new rows with the exports of a synthetic job, in a folder of its own."""

import csv
import shutil
from pathlib import Path

import pandas as pd

from millrace import config
from millrace.artifacts.scoring import Scoring
from millrace.files import checksums, visible
from millrace.results import Results, ScoredFile
from millrace.serving import scoring
from tests.conftest import MadeJob
from tests.helpers.artifacts import parity_of


def certify(results: Results) -> None:
    """Writes a certificate for the exports of a synthetic job."""
    files: dict[str, str] = {}
    for form, folder in results.exported.items():
        files |= checksums(form, folder, visible(folder))
    parity_of(files).save(results.parity)


class Scored:
    """Copies what scoring reads of a synthetic job, and scores."""

    def __init__(self, made: MadeJob, folder: Path) -> None:
        source = Results(made.results)
        self.folder, self.results = folder, Results(folder / "results")
        for entry in ("export", "schema.json"):
            there = source.folder / entry
            here = self.results.folder / entry
            here.parent.mkdir(exist_ok=True)
            (shutil.copytree if there.is_dir() else shutil.copy)(there, here)
        certify(self.results)
        self.config = made.config

    def run(
        self, rows: object, output: str = "scored.parquet", form: str = "float32", **data: object
    ) -> pd.DataFrame:
        """Scores rows; returns the output."""
        job = config.load(self.config)
        if data:
            job = job.changed(data=job.data.changed(**data))
        self.scored = ScoredFile(self.folder / output)
        self.account = scoring.score(job, self.results, str(rows), self.scored, form)
        assert self.account == Scoring.load(self.scored.account)
        read = {
            ".parquet": pd.read_parquet,
            ".csv": pd.read_csv,
            ".jsonl": lambda path: pd.read_json(path, lines=True),
        }
        table = read[Path(output).suffix](self.scored.predictions)
        assert self.account.rows_read == len(table) + len(self.rejected())
        return table

    def rejected(self) -> list[dict[str, str]]:
        with self.scored.rejected.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def said(self) -> dict[str, str]:
        return {taken.kind: taken.message for taken in self.account.taken}
