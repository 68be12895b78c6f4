"""JSON with types: what all artifacts share.

The fields of a class are the keys of its file, in their order. A field with None as its default is
left out of the file where it is None. Objects are built without checks, and checked when a file is
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from millrace.errors import MillraceError
from millrace.files import write_json

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# A cell of a table, or a label, as JSON has it.
Value = str | int | float | bool

# A part of the config, as plain JSON: its own classes check it.
Settings = dict[str, Any]

MAKE_AGAIN = "the file was cut off, edited, or made by another version: run the stage that makes it"


class Record:
    """A part of an artifact. Unknown keys are refused, and no value is converted."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}


class Artifact(Record):
    """A JSON file."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file.

        Raises:
            MillraceError: it is missing, is not JSON, or lacks a key; has one that is not known, or
                a value of another type.
        """
        # It takes a tenth of a second to import, and planning reads no artifact.
        from pydantic import TypeAdapter, ValidationError

        try:
            found: Self = TypeAdapter(cls).validate_json(_content(path))
        except ValidationError as error:
            # Of a union each class has its say: the one that came furthest is meant.
            first = max(error.errors(), key=lambda x: len(x["loc"]))
            raise MillraceError(f"{path}: {fault(first)}.", note=f"{MAKE_AGAIN}.") from None
        return found

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        write_json(path, self)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except IsADirectoryError:
        raise MillraceError(
            f"{path}: expected a file, found a directory.",
            note="remove the directory, and run the stage that writes the file.",
        ) from None


def missing(path: Path) -> MillraceError:
    """Returns the error of an artifact that is not there."""
    return MillraceError(
        f"{path}: expected an artifact of an earlier stage, found no file.",
        note="run the stage that makes it, or the whole workflow with `snakemake --cores 2`.",
    )


def fault(error: ErrorDetails) -> str:
    """Says what is wrong with a file, and under which key."""
    where, found = _key(error["loc"]), f"{error['input']!r:.80}"
    match error["type"]:
        case "json_invalid":
            return f"expected JSON, found something else ({error['ctx']['error']})"
        case "missing":
            return f"expected the key {where}, found none"
        case "unknown_key":
            first, *_ = error["ctx"]["unknown"]
            return f"unknown key {where}.{first}"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"unknown key {where}"
        case _:
            expected = re.sub(r"^Input should be (an? )?", "", error["msg"])
            return (
                f"{where}: expected {expected}, found {found}"
                if where
                else f"expected {expected}, found {found}"
            )


def _key(place: Sequence[str | int]) -> str:
    """Returns a dotted key. The names of classes that stand in a union's place are no keys."""
    keys = [str(part) for part in place if not _is_class(part)]
    return ".".join(keys)


def _is_class(part: str | int) -> bool:
    return any(part == record.__name__ for record in Record.__subclasses__())
