"""manifest.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class RawFile(Record):
    """A raw file.

    Attributes:
        path: its path; local files are not copied.
        split: the split that the config assigns it to; None if its rows are split.
        sha256: its checksum.
        bytes: its size.
        source: the path, address or query in the config.
    """

    path: str
    split: str | None
    sha256: str
    bytes: int
    source: str


@dataclass(frozen=True)
class Manifest(Artifact):
    """The raw files of the job, in the order of the config.

    Attributes:
        files: the raw files.
    """

    files: list[RawFile]
