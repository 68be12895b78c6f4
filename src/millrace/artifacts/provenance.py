"""provenance.json"""

from dataclasses import dataclass

from millrace.artifacts.hardware import Hardware
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.records import Artifact, Record, Settings


@dataclass(frozen=True)
class Origin(Record):
    """The part of the provenance that the report shows.

    Attributes:
        commit: the commit of the code; null outside a git repository.
        modified: whether the code differs from it; null likewise.
        config_sha256: the checksum of the completed config.
        seed: the seed.
        python: the version of Python.
        platform: the operating system and the processor's architecture.
        packages: versions of the Python packages that can affect the results.
        libraries: versions of the JavaScript libraries.
        data: the raw files.
    """

    commit: str | None
    modified: bool | None
    config_sha256: str
    seed: int
    python: str
    platform: str
    packages: dict[str, str]
    libraries: dict[str, str]
    data: list[RawFile]


@dataclass(frozen=True)
class Provenance(Artifact):
    """What produced the results, with the checksum of every file; without dates, so that it is
    reproducible.

    Attributes:
        name: the job.
        commit: the commit of the code; null outside a git repository.
        modified: whether the code differs from it; null likewise.
        config_sha256: the checksum of the completed config.
        seed: the seed.
        python: the version of Python.
        platform: the operating system and the processor's architecture.
        packages: versions of the Python packages that can affect the results.
        libraries: versions of the JavaScript libraries.
        data: the raw files.
        config: the completed config.
        files: the checksums of other files that the job reads: queries, code, vocabularies.
        hardware: the machine that each run was trained on.
        artifacts: the checksums of the results, by path within their folder.
    """

    name: str
    commit: str | None
    modified: bool | None
    config_sha256: str
    seed: int
    python: str
    platform: str
    packages: dict[str, str]
    libraries: dict[str, str]
    data: list[RawFile]
    config: Settings
    files: dict[str, str]
    hardware: dict[str, Hardware]
    artifacts: dict[str, str]
