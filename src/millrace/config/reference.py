"""Writes config/schema.json and config/REFERENCE.md, both from the classes of the config.

Run as `python -m millrace.config.reference`.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from millrace.config import SCHEMA_PATH
from millrace.config.features import FEATURE_KINDS
from millrace.config.job import JobConfig
from millrace.config.models import KINDS

Schema = dict[str, Any]

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
# What pydantic calls the bounds of a union of numbers.
STANDARD_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
# Bounds that only keep numbers within 32 bits say nothing about a key.
UNSAID = (2**31 - 1, 2**32 - 1)


class _WithoutTitles(GenerateJsonSchema):
    """JSON Schema without pydantic's titles, which repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> Schema:
    """Returns the JSON Schema of a config, for editors."""
    schema = JobConfig.model_json_schema(schema_generator=_WithoutTitles)
    for section in schema["$defs"].values():
        section.pop("title", None)
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**dialect, **_standard(schema), "title": "A Millrace job"}


def _standard(schema: Any) -> Any:
    """Returns a schema in which numbers and their bounds have JSON Schema's names."""
    if isinstance(schema, list):
        return [_standard(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _standard(value) for key, value in schema.items()}
    if found.get("anyOf") == [{"type": "integer"}, {"type": "number"}]:
        bounds = {name: found.pop(key) for key, name in STANDARD_BOUNDS.items() if key in found}
        del found["anyOf"]
        return {"type": "number", **bounds, **found}
    return found


def reference(schema: Schema) -> str:
    """Returns one table per section of the config, one row per key."""
    definitions = schema["$defs"]
    shown: set[str] = set()
    lines = [
        "# Config reference",
        "",
        "Made from the classes in `src/millrace/config` by `make docs`. Examples are in "
        "[README.md](README.md). A key without a default may be `null`, which is the same as "
        "leaving it out.",
        *_tables("", schema, definitions, shown),
    ]
    for title, kinds in (("features", FEATURE_KINDS), ("models", KINDS)):
        for kind in kinds:
            lines += _tables(
                f"{title} of kind {kind}", _of_kind(kind, definitions), definitions, shown
            )
    return "\n".join(lines) + "\n"


def _of_kind(kind: str, definitions: Schema) -> Schema:
    """Returns the section of one kind of feature or model."""

    def is_it(section: Schema) -> bool:
        return bool(section["properties"].get("kind", {}).get("const") == kind)

    return next(section for section in definitions.values() if is_it(section))


def _tables(path: str, section: Schema, definitions: Schema, shown: set[str]) -> Iterator[str]:
    """Yields a section's table, then those of the sections within it that are not `shown` yet."""
    yield from _table(path or "the whole job", section, definitions)
    for key, subschema in section["properties"].items():
        for form in _forms(subschema):
            name = form.get("$ref")
            if name is None or name in shown:
                continue
            shown.add(name)
            yield from _tables(
                f"{path}.{key}".lstrip("."), _target(form, definitions), definitions, shown
            )


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
        default = "required" if key in required else _default(subschema)
        cells = [f"`{key}`", _values(subschema, definitions), default]
        cells.append(subschema.get("description", ""))
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _target(schema: Schema, definitions: Schema) -> Schema:
    """Returns the section that a `$ref` such as `#/$defs/DataConfig` names."""
    if "$ref" not in schema:
        return schema
    target: Schema = definitions[schema["$ref"].rpartition("/")[2]]
    return target


def _forms(schema: Schema) -> list[Schema]:
    """Returns the forms that a value may have, null left out."""
    forms = schema.get("anyOf", [schema])
    return [form for form in forms if form.get("type") != "null"]


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _values(schema: Schema, definitions: Schema) -> str:
    """Says in a few words what a value may be."""
    forms = _forms(schema)
    if len(forms) > 1:
        return " or ".join(dict.fromkeys(_values(form, definitions) for form in forms))
    schema = _target(forms[0], definitions)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    type_ = str(schema["type"])
    kind = {"object": "map", "array": "list"}.get(type_, type_)
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in BOUNDS.items()
        if key in schema and schema[key] not in UNSAID
    ]
    return " ".join([kind, ", ".join(bounds)]).strip()


def main() -> None:
    schema = json_schema()
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    SCHEMA_PATH.write_text(text, encoding="utf-8")
    SCHEMA_PATH.with_name("REFERENCE.md").write_text(reference(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
