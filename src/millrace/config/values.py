"""The base class of all sections of the config, and the types of the values in them."""

import glob
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")

FLOAT32_MAX = 3.4028234663852886e38
INT32_MAX = 2**31 - 1

# The longest path that both Linux and macOS allow, and the longest name within one.
LONGEST_PATH, LONGEST_NAME = 1024, 255

# Names of jobs and models are parts of file names.
LONGEST_JOB_NAME = 100


class Section(BaseModel):
    """A map of the config with fixed keys; immutable.

    Attributes:
        EXACTLY_ONE: keys of which exactly one must be given.
        AT_MOST_ONE: pairs of keys that exclude each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    EXACTLY_ONE: ClassVar[tuple[str, ...]] = ()
    AT_MOST_ONE: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def key_names(cls) -> list[str]:
        """Returns the keys as spelled in a config, in the order of the fields."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        allowed = cls.key_names()
        if unknown := [key for key in value if key not in allowed]:
            context = {"unknown": unknown, "allowed": allowed}
            raise PydanticCustomError("unknown_key", "unknown key", context)
        given = {key for key in value if value[key] is not None}
        for pair in cls.AT_MOST_ONE:
            if given.issuperset(pair):
                context = {"keys": list(pair)}
                raise PydanticCustomError("at_most_one", "keys exclude each other", context)
        if cls.EXACTLY_ONE and len(given.intersection(cls.EXACTLY_ONE)) != 1:
            context = {"keys": list(cls.EXACTLY_ONE)}
            raise PydanticCustomError("exactly_one", "expected one of the keys", context)
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.EXACTLY_ONE:
            schema["oneOf"] = [{"required": [key]} for key in cls.EXACTLY_ONE]
        if cls.AT_MOST_ONE:
            schema["not"] = {"anyOf": [{"required": list(pair)} for pair in cls.AT_MOST_ONE]}
        return schema

    def child(self, key: str) -> Any:
        """Returns the value of a key as spelled in a config."""
        names = {field.alias or name: name for name, field in type(self).model_fields.items()}
        return getattr(self, names[key])

    def changed(self, **values: Any) -> Self:
        """Returns a copy with other values, without checking them."""
        return self.model_copy(update=values)

    @classmethod
    def extending(cls, section: "Section", **values: Any) -> Self:
        """Builds a subclass from a section and further values, without checking them."""
        return cls.model_construct(**vars(section), **values)

    def json_form(self) -> Any:
        """Returns the section as artifacts contain it; see `millrace.files.json_fields`."""
        return plain_form(self)


def _within_float32(value: int | float) -> int | float:
    if not abs(value) <= FLOAT32_MAX:  # also true for NaN
        raise PydanticCustomError("float32", "a number that float32 can hold")
    return value


class _Distinct:
    """The annotation of a list without repeated items."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(core) | {"uniqueItems": True}

    @staticmethod
    def _check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({*items}) < len(items):
            raise PydanticCustomError("distinct", "different items")
        return items


class LocalPath(str):
    """A file or a folder on this disk. A stage that reads it reruns when it changes."""

    PATTERN: ClassVar[str | None] = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(
            strict=True, min_length=1, max_length=LONGEST_PATH, pattern=cls.PATTERN
        )
        return core_schema.no_info_after_validator_function(cls._check, text)

    @classmethod
    def _check(cls, text: str) -> Self:
        if any(len(part.encode()) > LONGEST_NAME for part in text.split("/")):
            context = {"longest": LONGEST_NAME}
            raise PydanticCustomError("long_name", "a path with shorter names", context)
        return cls(text)

    def files(self) -> list[Path]:
        """Returns the file itself, or all files below the folder; empty if it does not exist."""
        path = Path(self)
        if path.is_dir():
            return [item for item in path.rglob("*") if item.is_file()]
        return [path] if path.is_file() else []


class CheckpointPath(LocalPath):
    """A TensorFlow checkpoint, given as the common prefix of its files."""

    def files(self) -> list[Path]:
        path = Path(self)
        return [item for item in path.parent.glob(f"{glob.escape(path.name)}.*") if item.is_file()]


class CodePath(LocalPath):
    """A Python file and a function in it: FILE.py:FUNCTION."""

    PATTERN = r"^.+\.py:[A-Za-z_][A-Za-z0-9_]*$"

    @property
    def file(self) -> str:
        return re.sub(r":\w+$", "", self)

    def files(self) -> list[Path]:
        return LocalPath(self.file).files()


class DatabasePath(LocalPath):
    """A database: a file on this disk, or the address of a server."""

    def files(self) -> list[Path]:
        return [] if "://" in self else super().files()


Text: TypeAlias = Annotated[str, Field(min_length=1)]
# A union, so that 1 stays an integer.
Number: TypeAlias = Annotated[int | float, AfterValidator(_within_float32)]
Scalar: TypeAlias = str | Number
Count: TypeAlias = Annotated[int, Field(ge=1, le=INT32_MAX)]
# Each run is a separate training, and all are planned beforehand.
MOST_RUNS = 1000

Whole: TypeAlias = Annotated[int, Field(ge=0, le=INT32_MAX)]
Several: TypeAlias = Annotated[int, Field(ge=2, le=INT32_MAX)]
Positive: TypeAlias = Annotated[Number, Field(gt=0)]
NotNegative: TypeAlias = Annotated[Number, Field(ge=0)]
Share: TypeAlias = Annotated[Number, Field(ge=0, lt=1)]

# Strict(False) accepts YAML's list for a tuple; the items are still checked strictly.
Items: TypeAlias = Annotated[tuple[T, ...], Strict(False)]
Some: TypeAlias = Annotated[tuple[T, ...], Strict(False), Field(min_length=1)]
Distinct: TypeAlias = Annotated[tuple[T, ...], Strict(False), _Distinct()]


def local_paths(value: Any, key: str = "") -> Iterator[tuple[str, LocalPath]]:
    """Yields (dotted key, path) for every local path within a part of a checked config."""
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, LocalPath):
        yield key, value
    elif isinstance(value, Section):
        items = zip(value.key_names(), vars(value).values(), strict=True)
    elif isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, tuple):
        items = ((str(place), item) for place, item in enumerate(value))
    for name, item in items:
        yield from local_paths(item, f"{key}.{name}".lstrip("."))


def plain_form(section: Section, *, with_defaults: bool = True) -> dict[str, Any]:
    """Returns a section as plain JSON values, without keys whose value is None.

    `with_defaults=False` also leaves out keys that have their default value.
    """
    text = section.model_dump_json(
        by_alias=True, exclude_none=True, exclude_defaults=not with_defaults
    )
    form: dict[str, Any] = json.loads(text)
    return form
