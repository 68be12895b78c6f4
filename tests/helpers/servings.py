"""A made job's results in a folder of their own, to bless and push."""

import shutil
from pathlib import Path

from millrace import config
from millrace.artifacts.blessing import Blessing
from millrace.artifacts.served import Pushed
from millrace.results import Results
from millrace.serving import blessing, pushing
from millrace.serving.versions import Versions
from tests.conftest import MadeJob
from tests.helpers.scorings import certify


class Serving:
    """A copy of what bless reads, and the versions beside it."""

    def __init__(self, made: MadeJob, folder: Path) -> None:
        self.folder = folder
        self.results, self.versions = Results(folder / "results"), Versions(folder / "serving")
        for entry in ("export", "examples", "schema.json", "statistics.json"):
            there, here = made.results / entry, self.results.folder / entry
            here.parent.mkdir(exist_ok=True)
            (shutil.copytree if there.is_dir() else shutil.copy)(there, here)
        shutil.copy(made.results / "test.csv", folder)
        certify(self.results)
        self.config = made.config

    def bless(self, **bless: object) -> Blessing:
        job = config.load(self.config)
        job = job.changed(bless=job.bless.changed(**bless)) if bless else job
        job = job.changed(evaluation=job.evaluation.changed(slices=("city",)))
        found = blessing.bless(job, self.results, self.versions)
        found.save(self.results.blessing)
        assert found == Blessing.load(self.results.blessing)
        return found

    def push(self, **push: object) -> Pushed:
        job = config.load(self.config)
        job = job.changed(push=job.push.changed(**push)) if push else job
        return pushing.push(job, self.results, self.versions)


def outcomes(found: Blessing) -> dict[str, bool | None]:
    """Returns the outcome of each check."""
    return {check.check: check.passed for check in found.checks}


def message(found: Blessing, check: str) -> str:
    """Returns what a check says."""
    return next(x.message for x in found.checks if x.check == check)
