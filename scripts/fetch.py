"""Fetches the raw data, and records its paths, checksums and splits."""

import argparse
from pathlib import Path

from millrace import config
from millrace.artifacts.manifest import Manifest, RawFile
from millrace.config import addresses
from millrace.errors import MillraceError, exit_with_status
from millrace.fetching import own_inputs, sources
from millrace.files import replacing
from millrace.results import RawFolder, Results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="directory for the manifest")
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    own_inputs.refuse_own(job, [arguments.output, Results.of(job.name).folder])
    data = job.data
    named = list(sources.named(data.files))
    checksums = data.sha256
    if unused := sorted(set(checksums) - {source.name for source in named}):
        raise MillraceError(
            f"{arguments.config}: data.sha256: expected files out of data.files, found {unused}.",
            note="name each file there as under data.files, or remove the entry.",
        )
    files: list[RawFile] = []
    with replacing(arguments.output) as folder:
        folder.mkdir(parents=True)
        for source in named:
            path, digest = sources.fetch(source, folder, checksums.get(source.name), data.database)
            final = arguments.output / path.name if path.parent == folder else path
            files.append(
                RawFile(
                    path=final.as_posix(),
                    split=source.split,
                    sha256=digest,
                    bytes=path.stat().st_size,
                    source=addresses.public(source.name),
                )
            )
        Manifest(files).save(RawFolder(folder).manifest)
    print(f"{len(files)} files, {sum(file.bytes for file in files):,} bytes")


if __name__ == "__main__":
    exit_with_status(main)
