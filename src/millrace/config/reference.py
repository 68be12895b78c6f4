"""The reference of all config keys, as Markdown, from the JSON Schema that the keys are checked by.

Run as `python -m millrace.reference > config/REFERENCE.md`.
"""

import json
from collections.abc import Iterator
from typing import Any

from millrace.config import SCHEMA_PATH, resolve

Schema = dict[str, Any]

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def reference(schema: Schema) -> str:
    """Returns one table per section of the config, one row per key."""
    definitions = schema["$defs"]
    shown: set[str] = set()
    lines = [
        "# Config reference",
        "",
        "Made from `schema.json` by `make docs`. Examples are in [README.md](README.md).",
        *_tables("", schema, definitions, shown),
    ]
    for name in definitions["feature"]["oneOf"][1]["properties"]["kind"]["enum"]:
        lines += _tables(f"features of kind {name}", definitions[name], definitions, shown)
    for name in definitions["model_kind"]["enum"]:
        lines += _tables(f"models of kind {name}", definitions[name], definitions, shown)
    return "\n".join(lines) + "\n"


def _tables(path: str, section: Schema, definitions: Schema, shown: set[str]) -> Iterator[str]:
    """Yields a section's table, then those of the sections within it that are not `shown` yet."""
    yield from _table(path or "the whole job", section, definitions)
    for key, subschema in section["properties"].items():
        if subschema is True or subschema.get("$ref") in shown:
            continue
        target = _target(subschema, definitions)
        if "properties" in target:
            shown.update({subschema["$ref"]} if "$ref" in subschema else ())
            yield from _tables(f"{path}.{key}".lstrip("."), target, definitions, shown)


def _table(title: str, section: Schema, definitions: Schema) -> Iterator[str]:
    yield from [
        "",
        f"## {title[0].upper()}{title[1:]}" if " " in title else f"## `{title}`",
        "",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
    ]
    required = section.get("required", [])
    for key, subschema in section["properties"].items():
        if key == "kind":
            continue
        target = _target(subschema, definitions)
        meaning = subschema.get("description", target.get("description", ""))
        default = "required" if key in required else _default(subschema, target)
        cells = [f"`{key}`", _values(target, definitions), default, meaning]
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _target(subschema: Schema, definitions: Schema) -> Schema:
    if "$ref" not in subschema:
        return subschema
    return _target(resolve(subschema["$ref"], definitions), definitions)


def _default(subschema: Schema, target: Schema) -> str:
    default = subschema.get("default", target.get("default"))
    return "" if default in (None, {}) else f"`{json.dumps(default)}`"


def _values(schema: Schema, definitions: Schema) -> str:
    """Says in a few words what a value may be."""
    schema = _target(schema, definitions)
    if "oneOf" in schema and "type" not in schema:
        forms = [_values(form, definitions) for form in schema["oneOf"]]
        return " or ".join(dict.fromkeys(forms))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "map")
    names = {"object": "map", "array": "list"}
    kinds = [names.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    bounds = [f"{sign} {schema[key]}" for key, sign in BOUNDS.items() if key in schema]
    return " ".join([" or ".join(kinds), ", ".join(bounds)]).strip()


if __name__ == "__main__":
    print(reference(json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))), end="")
