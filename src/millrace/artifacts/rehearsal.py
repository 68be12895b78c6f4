"""rehearsal/<model>.json and rehearsal/built-in.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class Rehearsed(Record):
    """A model that was exported before it was trained.

    Attributes:
        model: its name in the config.
        forms: the exported forms that reproduced the predictions of the untrained model.
        left_out: why there is no form for a runtime, by runtime.
    """

    model: str
    forms: list[str]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Rehearsal(Artifact):
    """The result of exporting models before they were trained.

    It contains no measurements, so it changes only when other forms can be exported than before:
    DVC trains the models again when this file changes.

    Attributes:
        models: a single model, or all models of Millrace's own kinds.
    """

    models: list[Rehearsed]
