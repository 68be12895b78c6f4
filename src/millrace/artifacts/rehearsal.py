"""rehearsal/<model>.json and rehearsal/built-in.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class Rehearsed(Record):
    """A model that was exported before it was trained.

    Attributes:
        model: its name in the config.
        forms: the exported forms that gave the predictions of the untrained model.
        left_out: by runtime, why there is no form for it.
    """

    model: str
    forms: list[str]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Rehearsal(Artifact):
    """What came of exporting models before they were trained.

    It holds no figures, so that it changes only if something else can be exported than before:
    DVC trains the models again when this file changes.

    Attributes:
        models: the model; or all those of Millrace's own kinds.
    """

    models: list[Rehearsed]
