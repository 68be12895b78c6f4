"""Error messages for invalid configs: the key, what was expected, what was found."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from millrace.config.addresses import redacted, without_secrets
from millrace.config.job import JobConfig
from millrace.config.loading import where
from millrace.config.values import Section
from millrace.errors import MillraceError

LONGEST_VALUE = 80

# pydantic's error types for a value whose type does not match, and what to say was expected.
OTHER_TYPE = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a map",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "none_required": "null",
    "literal_error": "{expected}",
}
OTHER_FAULT = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} of them",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "union_tag_invalid": "one of {expected_tags}",
    "exactly_one": "exactly one of the keys {keys}",
    "at_most_one": "only one of the keys {keys}",
    "float32": "a number that float32 can hold",
    "empty": "at least 1 of them",
    "distinct": "different items",
    "encoding": "an encoding of text that Python knows, such as utf-8, latin-1 or cp1252",
    "long_name": "a path whose names have at most {longest} bytes",
    "one_of": "one of {one_of}",
}


@dataclass(frozen=True)
class _Fault:
    """One error that pydantic reports.

    Attributes:
        kind: pydantic's error type.
        path: the path of the value in the config.
        forks: the length of the path at each key whose value is a union.
        last: the last part of pydantic's own path, which names a missing key.
        value: the value that was found.
        context: further values for the message.
    """

    kind: str
    path: tuple[Any, ...]
    forks: tuple[int, ...]
    last: Any
    value: Any
    context: Mapping[str, Any]

    @property
    def expected(self) -> str:
        template = OTHER_TYPE.get(self.kind) or OTHER_FAULT[self.kind]
        lists = {k: _listed(v) if isinstance(v, list) else v for k, v in self.context.items()}
        return template.format(**lists)


def explain(error: ValidationError, config: Any, source: str) -> MillraceError:
    """Returns the error to raise for a config that fails validation.

    Args:
        error: pydantic's error.
        config: the config that was checked.
        source: the name of the config in the message.
    """
    faults = [_fault(details, config) for details in error.errors(include_url=False)]
    # pydantic does not count invalid items, so a list of them also appears to be too short.
    faults = [
        fault
        for fault in faults
        if fault.kind != "too_short"
        or not any(other.path[:-1] == fault.path for other in faults if other.path)
    ]
    return _error(_relevant(faults, -1), config, source)


def _fault(details: Any, config: Any) -> _Fault:
    loc, value = list(details["loc"]), config
    path: list[Any] = []
    forks = []
    if is_key := bool(loc) and loc[-1] == "[key]":
        loc = loc[:-2]
    for part in loc:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            value = value[part]
            path.append(part)
        else:
            forks.append(len(path))
    kind = "key_type" if is_key else details["type"]
    last = details["loc"][-1] if details["loc"] else None
    return _Fault(kind, tuple(path), tuple(forks), last, details["input"], details.get("ctx", {}))


def _relevant(faults: Sequence[_Fault], fork: int) -> list[_Fault]:
    """Returns the fault to report, or several if a value has none of the types in a union."""

    def anchor(fault: _Fault) -> int:
        return next((length for length in fault.forks if length > fork), len(fault.path))

    first = min(faults, key=anchor)
    depth = anchor(first)
    group = [fault for fault in faults if fault.path[:depth] == first.path[:depth]]
    # Of a union, the user meant the form whose type the value has.
    meant = [fault for fault in group if len(fault.path) > depth or fault.kind not in OTHER_TYPE]
    if not meant:
        return group
    nested = [fault for fault in meant if any(length > depth for length in fault.forks)]
    return _relevant(nested, depth) if nested else meant[:1]


def _error(faults: Sequence[_Fault], config: Any, source: str) -> MillraceError:
    fault = faults[0]
    path, found = fault.path, _shown(fault.value)
    match fault.kind:
        case "unknown_key":
            return _unknown_key(fault, where(source, path))
        case "key_type":
            return MillraceError(
                f"{where(source, path)}: expected text as a key, found {_shown(fault.value)}.",
                note=_quotes(fault.value),
            )
        case "missing":
            return _missing_key(str(fault.last), path, config, source)
        case "union_tag_not_found":
            return _missing_key("kind", path, config, source)
        case "union_tag_invalid" | "one_of":
            if isinstance(fault.value, dict):
                path, found = (*path, "kind"), _shown(fault.context["tag"])
            tags = fault.context.get("one_of") or fault.context["expected_tags"].split(", ")
            tag = fault.context.get("found", fault.context.get("tag"))
            if fault.kind == "one_of":
                found = _shown(tag)
            note = _near(str(tag), [name.strip("'") for name in tags])
            return MillraceError(
                f"{where(source, path)}: expected {fault.expected}, found {found}.", note=note
            )
    expected = list(dict.fromkeys(fault.expected for fault in faults))
    if "a number" in expected and "an integer" in expected:
        expected.remove("an integer")
    note = _quotes(fault.value) if "text" in expected else None
    if isinstance(fault.value, str) and _is_number(fault.value):
        note = f"YAML reads it as text; write {float(fault.value):g} without quotes."
    return MillraceError(
        f"{where(source, path)}: expected {' or '.join(expected)}, found {found}.",
        note=note or _description(path, config),
    )


def _unknown_key(fault: _Fault, where: str) -> MillraceError:
    unknown, allowed = fault.context["unknown"], fault.context["allowed"]
    name = unknown[0] if isinstance(unknown[0], str) else None
    shown = _listed(unknown)
    key = "key" if len(unknown) == 1 else "keys"
    return MillraceError(
        f"{where}: unknown {key} {shown}; allowed: {', '.join(allowed)}.",
        note=_near(name, allowed) if name else _quotes(unknown[0]),
    )


def _missing_key(key: str, path: tuple[Any, ...], config: Any, source: str) -> MillraceError:
    return MillraceError(
        f"{where(source, path)}: expected the key {key!r}, found none.",
        note=_description((*path, key), config),
    )


def _shown(value: Any) -> str:
    shown = json.dumps(without_secrets(value), ensure_ascii=False, default=str)
    return shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 3] + "..."


def _listed(items: Sequence[Any]) -> str:
    return ", ".join(
        _shown(item) if not isinstance(item, str) else f"{redacted(item)[:LONGEST_VALUE]!r}"
        for item in items
    )


def _near(name: str, names: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else None


def _quotes(value: Any) -> str | None:
    """Explains why YAML did not read a value as text."""
    if isinstance(value, bool):
        return (
            "YAML reads yes, no, on, off, true and false as truth values, unless they are in "
            "quotes: 'no'."
        )
    if value is None:
        return "YAML reads null, ~ and nothing as no value; put text in quotes: 'null'."
    if isinstance(value, int | float):
        return f"YAML reads it as a number; put text in quotes: '{value}'."
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _description(path: Sequence[Any], config: Any) -> str | None:
    """Returns the description of a key."""
    annotation: Any = JobConfig
    description, value = None, config
    for part in path:
        sections = list(_sections(annotation))
        kind = value.get("kind") if isinstance(value, dict) else value
        # For features and models, try the class of this kind first.
        sections.sort(key=lambda section: kind not in _kinds(section))
        for section in sections:
            field = _fields(section).get(part)
            if field is not None:
                annotation, description = field.annotation, field.description
                break
        else:
            annotation = next(_items(annotation), None)
        value = value.get(part) if isinstance(value, dict) else None
    return description


def _fields(section: type[Section]) -> dict[Any, Any]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _kinds(section: type[Section]) -> tuple[Any, ...]:
    field = section.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Yields the sections that a key's value may be, excluding those inside maps and lists."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _sections(get_args(annotation)[0])
    elif get_origin(annotation) not in (Mapping, tuple, None) and not _is_map(annotation):
        for form in get_args(annotation):
            yield from _sections(form)


def _items(annotation: Any) -> Iterator[Any]:
    """Yields the item types of the maps and lists that a key's value may be."""
    if get_origin(annotation) is Annotated:
        yield from _items(get_args(annotation)[0])
    elif _is_map(annotation):
        yield get_args(annotation)[1]
    elif get_origin(annotation) is tuple:
        yield get_args(annotation)[0]
    else:
        for form in get_args(annotation):
            yield from _items(form)


def _is_map(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)
