"""The manifest of a version under `serving/<name>`, and pushed.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact


@dataclass(frozen=True)
class ServedManifest(Artifact):
    """A version of a model, as push wrote it.

    Attributes:
        job: the name of the job.
        version: the version.
        model: the champion.
        blessed: the SHA-256 of the files that the blessing judged, as in blessing.json.
        files: the SHA-256 of each file of the version but this one, by path.
    """

    job: str
    version: int
    model: str
    blessed: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Pushed(Artifact):
    """What push did last.

    Attributes:
        version: the version that holds the model.
        folder: where it is.
        new: whether it was written, or was in use already.
        removed: the versions that were removed, since only `push.keep` are kept.
    """

    version: int
    folder: str
    new: bool
    removed: list[int]
