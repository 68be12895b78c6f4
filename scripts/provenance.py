"""Records what produced the results: code, config, data, packages, machines, with checksums."""

import argparse
from pathlib import Path

from millrace import config, errors
from millrace.artifacts.hardware import Hardware
from millrace.artifacts.provenance import Provenance
from millrace.config import runs
from millrace.config.values import plain_form
from millrace.files import sha256
from millrace.report import provenance
from millrace.results import RawFolder, Results
from millrace.workflow.job import Job


def main() -> None:
    """Reads everything under --results, and the manifest in --raw; writes provenance.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "raw", "results", "provenance"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    plan = runs.plan(job)
    made_by = provenance.collect(job, RawFolder(arguments.raw).manifest)
    queries = {
        file.source
        for file in made_by.data
        if file.source != file.path and Path(file.source).is_file()
    }
    named = Job(job, str(arguments.config)).files_in(*provenance.NAME_FILES)
    results = Results(arguments.results)
    artifacts = provenance.artifacts(results, runs.artifacts(plan.values(), results))
    Provenance(
        name=job.name,
        **vars(made_by),
        config=plain_form(job),
        files={file: sha256(Path(file)) for file in sorted({*queries, *named})},
        hardware={run: Hardware.load(results.hardware_of(run)) for run in plan},
        artifacts=artifacts,
    ).save(arguments.provenance)
    print(f"{len(artifacts)} files")


if __name__ == "__main__":
    errors.exit_with_status(main)
