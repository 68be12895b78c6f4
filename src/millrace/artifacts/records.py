"""The base classes of all artifacts: JSON files with typed fields.

The fields of a class are the keys of its file, in order. A field that defaults to None is left out
of the file when it is None. Types are checked when a file is read, not when an object is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from millrace.errors import MillraceError
from millrace.files import write_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

# A cell of a table, or a label, as a JSON value.
Value = str | int | float | bool

# A part of the config as plain JSON, which the classes of the config check.
Settings = dict[str, Any]

MAKE_AGAIN = "the file was cut off, edited, or made by another version: run the stage that makes it"


class Record:
    """A part of an artifact. Unknown keys are refused, and values are not converted."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}


class Artifact(Record):
    """A JSON file."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file.

        Raises:
            MillraceError: it is missing or not JSON, lacks a key, or has an unknown key or a value
                of another type.
        """
        # Importing pydantic takes a tenth of a second, and planning reads no artifact.
        from pydantic import ValidationError

        try:
            found: Self = _checker(cast(Any, cls)).validate_json(_content(path))
        except ValidationError as error:
            # Every member of a union reports its errors: the deepest is the one that was meant.
            first = max(error.errors(), key=lambda x: len(x["loc"]))
            raise MillraceError(f"{path}: {fault(first)}.", note=f"{MAKE_AGAIN}.") from None
        return found

    def save(self, path: Path) -> None:
        """Writes the file atomically."""
        write_json(path, self)


@cache
def _checker(artifact: type[Artifact]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(artifact)


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
    """Returns the error for an artifact that does not exist."""
    return MillraceError(
        f"{path}: expected an artifact of an earlier stage, found no file.",
        note="run the stage that makes it, or the whole workflow with `snakemake --cores 2`.",
    )


def fault(error: ErrorDetails) -> str:
    """Describes what is wrong with a file, and under which key."""
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
    """Returns a dotted key, without the class names that pydantic inserts for unions."""
    keys = [str(part) for part in place if not _is_class(part)]
    return ".".join(keys)


def _is_class(part: str | int) -> bool:
    return any(part == record.__name__ for record in Record.__subclasses__())
