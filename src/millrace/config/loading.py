"""Reads a config file: YAML, without constructs that parsers interpret differently."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from millrace.config.addresses import redacted, without_secrets
from millrace.errors import MillraceError

# Limits that only nested aliases, or a map that contains itself, exceed.
DEEPEST, MOST_VALUES, MOST_DIGITS = 50, 1_000_000, 100

# YAML 1.2: no octal 010, no sexagesimal 1:30, no 1_000, and 1e-3 is a number. Dates stay text
# because JSON has no dates.
_INTEGER = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_REPLACED = ("timestamp", "int", "float")


class _Loader(yaml.SafeLoader):
    """A loader that refuses duplicate keys and reads numbers as YAML 1.2 does."""

    yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag.split(":")[-1] not in _REPLACED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if isinstance(key, list | dict | set):
                continue  # the base class raises an error
            if key in lines:
                raise MillraceError(
                    f"line {line}: expected each key once, found {without_secrets(key)!r} again, "
                    f"which is on line {lines[key]} too.",
                    note="remove one of the two.",
                )
            lines[key] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    if len(text) > MOST_DIGITS:
        raise MillraceError(
            f"line {node.start_mark.line + 1}: expected numbers of at most {MOST_DIGITS} digits, "
            f"found one of {len(text):,}.",
            note="quote it if it is text.",
        )
    return int(text)


def _float(loader: Any, node: Any) -> float:
    return float(
        loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan")
    )


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read(path: Path) -> Any:
    """Reads a config file as plain values: maps, lists, text, numbers, booleans and null.

    Raises:
        MillraceError: the file is missing, is not YAML in UTF-8, repeats a key, or contains
            something that a config cannot, such as a date object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise MillraceError(
            f"{path}: expected a config file, found none.",
            note="check the path; config/config.yaml is the one to start from.",
        ) from None
    except UnicodeDecodeError:
        raise MillraceError(
            f"{path}: expected YAML in UTF-8, found other bytes.",
            note="save the file as UTF-8 in the editor.",
        ) from None
    except OSError as error:
        raise MillraceError(
            f"{path}: the file cannot be read: {error.strerror}.", note="check its permissions."
        ) from None
    try:
        return plain(yaml.load(text, Loader=_Loader), str(path))
    except MillraceError as error:
        message = str(error)
        raise (
            error if message.startswith(str(path)) else MillraceError(f"{path}: {message}")
        ) from None
    except RecursionError:
        raise MillraceError(
            f"{path}: expected at most {DEEPEST} levels of nesting, found more.",
            note="flatten the deepest part.",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _mistake(path, error) from None


def _mistake(path: Path, error: Exception) -> MillraceError:
    """Returns the error to raise for a syntax error that PyYAML found."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"{path}: line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
    note = "indent with spaces." if problem and r"\t" in problem else None
    return MillraceError(
        f"{where}: expected YAML, found a mistake in it: {problem or error}.", note=note
    )


def plain(value: Any, source: str) -> Any:
    """Copies a config in memory, as maps, lists, text, numbers, booleans and null.

    Raises:
        MillraceError: it has other values, or is too large or too deep; the message begins with
            `source`.
    """
    count = iter(range(MOST_VALUES))
    return _plain(value, source, (), count)


def where(source: str, path: Sequence[Any]) -> str:
    """Returns `source: dotted.key` for an error message, with possible secrets hidden."""
    return f"{source}: {'.'.join(redacted(str(part)) for part in path)}" if path else source


def _plain(value: Any, source: str, path: tuple[str, ...], count: Iterator[int]) -> Any:
    if next(count, None) is None:
        raise MillraceError(
            f"{source}: expected at most {MOST_VALUES:,} values, found more.",
            note="aliases (*name) that repeat other aliases multiply.",
        )
    if len(path) > DEEPEST:
        raise MillraceError(
            f"{where(source, path[:3])}: expected at most {DEEPEST} levels of nesting, "
            "found more, or a part that holds itself.",
            note="remove the anchor that refers to itself, or flatten the part.",
        )
    if isinstance(value, dict):
        return {
            _text(key, source, path) if isinstance(key, str) else key: _plain(
                item, source, (*path, str(key)), count
            )
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, source, (*path, str(i)), count) for i, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, source, path)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise MillraceError(
        f"{where(source, path)}: expected a map, a list, text, a number, true, false or null, "
        f"found a {type(value).__name__}.",
        note="put it in quotes, if it is meant as text.",
    )


def _text(text: str, source: str, path: tuple[str, ...]) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise MillraceError(
            f"{where(source, path)}: expected text, found a character that no file can hold.",
            note="remove the character, which may be a lone surrogate.",
        )
    return str(text)
