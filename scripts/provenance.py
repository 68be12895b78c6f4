"""Writes down what made the results: code, config, data, packages, machines, with all checksums."""

import argparse
from pathlib import Path

from millrace import config, provenance
from millrace.errors import run
from millrace.files import read_json, sha256, write_json
from millrace.workflow import Job


def main() -> None:
    """Reads everything under --results, and the manifest in --raw; writes provenance.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "raw", "results", "provenance"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    models = list(job["models"])
    made_by = provenance.collect(job, arguments.raw / "manifest.json")
    queries = {
        file["source"]
        for file in made_by["data"]
        if file["source"] != file["path"] and Path(file["source"]).is_file()
    }
    named = Job(job, str(arguments.config)).files_in(*provenance.NAME_FILES)
    artifacts = provenance.artifacts(arguments.results, models)
    write_json(
        arguments.provenance,
        {
            "name": job["name"],
            **made_by,
            "config": job,
            "files": {file: sha256(Path(file)) for file in sorted({*queries, *named})},
            "hardware": {
                model: read_json(arguments.results / "hardware" / f"{model}.json")
                for model in models
            },
            "artifacts": artifacts,
        },
    )
    print(f"{len(artifacts)} files")


if __name__ == "__main__":
    run(main)
