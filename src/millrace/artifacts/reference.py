"""Writes docs/reference/artifacts.md from the classes of the artifacts and their docstrings.

Run as `python -m millrace.artifacts.reference`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from inspect import cleandoc
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from millrace.artifacts.account import Account
from millrace.artifacts.anomalies import Anomalies
from millrace.artifacts.blessing import Blessing
from millrace.artifacts.champion import Champion
from millrace.artifacts.conversion import Conversion
from millrace.artifacts.curves import CurvePoint
from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.hardware import Hardware
from millrace.artifacts.leaderboard import Leaderboard
from millrace.artifacts.manifest import Manifest
from millrace.artifacts.metrics import Metrics
from millrace.artifacts.monitoring import Monitoring
from millrace.artifacts.parity import Parity
from millrace.artifacts.provenance import Provenance
from millrace.artifacts.rehearsal import Rehearsal
from millrace.artifacts.rejected import Rejected
from millrace.artifacts.schema import Schema
from millrace.artifacts.scores import Scores
from millrace.artifacts.scoring import Scoring
from millrace.artifacts.served import Pushed, ServedManifest
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import Statistics
from millrace.artifacts.training import History, Training
from millrace.config.models import ModelConfig
from millrace.results import (
    ConvertedFolder,
    RawFolder,
    Results,
    RunFolder,
    ServedVersion,
    TrainingFolder,
)

PAGE = Path("docs/reference/artifacts.md")

# The class of each file, in the order of the DAG. Files may share a class.
CLASSES: dict[str, type] = {
    RawFolder.manifest.path: Manifest,
    Results.schema.path: Schema,
    Results.account.path: Account,
    Results.rejected.path: Rejected,
    Results.statistics.path: Statistics,
    Results.anomalies.path: Anomalies,
    Results.suggestion.path: Schema,
    f"{Results.rehearsal.path}/<model>.json": Rehearsal,
    TrainingFolder.description.path: Training,
    TrainingFolder.history.path: History,
    f"{Results.hardware.path}/<run>.json": Hardware,
    RunFolder.metrics.path: Metrics,
    RunFolder.diagnostics.path: Diagnostics,
    Results.leaderboard.path: Leaderboard,
    Results.scores.path: Scores,
    Results.curves.path: CurvePoint,
    Results.champion.path: Champion,
    Results.signature.path: Signature,
    ConvertedFolder.description.path: Conversion,
    Results.parity.path: Parity,
    Results.provenance.path: Provenance,
    f"{Results.scored.path}/<file>.score.json": Scoring,
    Results.blessing.path: Blessing,
    Results.pushed.path: Pushed,
    ServedVersion.manifest.path: ServedManifest,
    "monitor.json": Monitoring,
}

NAMES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    Any: "any value",
}

INTRODUCTION = """# Artifacts

The JSON and CSV files under `results/<name>`, key by key. Python reads them with the classes in
`millrace.artifacts`:

```python
from pathlib import Path
from millrace.artifacts.metrics import Metrics
from millrace.artifacts.monitoring import Monitoring

Metrics.load(Path("results/flights/models/tabm/metrics.json")).metrics["auc"]
```

Optional keys are left out of the file where they have no value. `make docs` writes this page from
the docstrings of the classes.
"""


def page() -> str:
    """Returns the content of docs/reference/artifacts.md."""
    described: set[type] = set()
    parts = [INTRODUCTION]
    for path, class_ in CLASSES.items():
        parts.append(f"## `{path}`\n")
        if class_ in described:
            parts.append(f"Has the keys of {_file_of(class_)}.\n")
            continue
        parts.append(_section(class_))
        described.add(class_)
        for part in _parts(class_):
            if part not in described:
                parts += [f"### {part.__name__}\n", _section(part)]
                described.add(part)
    return "\n".join(parts)


def _file_of(class_: type) -> str:
    return next(path for path, described in CLASSES.items() if described is class_)


def _section(class_: type) -> str:
    """Returns the description of a class, and a table of its fields."""
    text, meanings = _docstring(class_)
    hints = get_type_hints(class_)
    rows = []
    for field in fields(class_):
        optional = field.default is None
        type_ = _type(hints[field.name], optional)
        rows.append(f"| `{field.name}` | {type_} | {meanings[field.name]} |")
    return "\n".join([text, "", "| Key | Type | Meaning |", "| --- | --- | --- |", *rows, ""])


def _docstring(class_: type) -> tuple[str, dict[str, str]]:
    """Returns the text of a docstring, and the meaning of each field."""
    text, _, attributes = cleandoc(class_.__doc__ or "").partition("\n\nAttributes:\n")
    meanings = {}
    for entry in re.split(r"\n {4}(?=\w+: )", "\n" + attributes)[1:]:
        name, _, meaning = entry.partition(": ")
        meaning = " ".join(meaning.split()).replace("|", "\\|")
        meanings[name] = meaning[0].upper() + meaning[1:]
    return text, meanings


def _type(hint: Any, optional: bool = False) -> str:
    """Returns a short description of a type; an optional value is never null."""
    if optional:
        return f"{_type(_without_null(hint))}, optional"
    if is_dataclass(hint) and isinstance(hint, type):
        return f"[{hint.__name__}](#{_anchor(hint)})"
    if hint in NAMES:
        return NAMES[hint]
    arguments = get_args(hint)
    if arguments and all(_is_model(argument) for argument in arguments):
        return "[model](config.md#models-of-kind-linear)"
    if get_origin(hint) is list:
        return f"list of {_type(arguments[0])}"
    if get_origin(hint) is dict:
        return f"map of {_type(arguments[1])}"
    if get_origin(hint) is tuple:
        return f"[{', '.join(_type(argument) for argument in arguments)}]"
    return " or ".join(_type(argument) for argument in arguments)


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, ModelConfig)


def _anchor(class_: type) -> str:
    """Returns the anchor of a class's heading, which is the file's name for a whole file."""
    heading = _file_of(class_) if class_ in CLASSES.values() else class_.__name__
    return re.sub(r"[^\w-]", "", heading).lower()


def _without_null(hint: Any) -> Any:
    """Returns a union without None."""
    first, *rest = (argument for argument in get_args(hint) if argument is not NoneType)
    for argument in rest:
        first = first | argument
    return first


def _parts(class_: type) -> Iterator[type]:
    """Yields the classes of a class's fields, each followed by those of its own fields."""
    for hint in get_type_hints(class_).values():
        for found in _classes(hint):
            yield found
            yield from _parts(found)


def _classes(hint: Any) -> Iterator[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from _classes(argument)


def main() -> None:
    """Writes the page; the working directory must be a clone of the repository."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
