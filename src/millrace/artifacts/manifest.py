"""manifest.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class RawFile(Record):
    """A raw file.

    Attributes:
        path: where it lies; a file of the user's stays where it is.
        split: the split that the config says it is, None where rows are split.
        sha256: its checksum.
        bytes: its size.
        source: what the config names: a path, an address, a query.
    """

    path: str
    split: str | None
    sha256: str
    bytes: int
    source: str


@dataclass(frozen=True)
class Manifest(Artifact):
    """What fetch found: the raw files of the job, in the order of the config.

    Attributes:
        files: the raw files.
    """

    files: list[RawFile]
