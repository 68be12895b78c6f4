"""A job's config: YAML, checked against config/schema.json, with the schema's defaults added."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import yaml

from millrace.config import tuning
from millrace.errors import MillraceError


class _Loader(yaml.SafeLoader):
    """YAML whose dates stay the strings that the user wrote: JSON has no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

# A jsonschema.ValidationError; its published types call what every error has optional.
Mistake: TypeAlias = Any

# A number that a model could not hold, or that is none, is no number.
FLOAT32_MAX = 3.4028234663852886e38
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "number", lambda _, value: _is_a_number(value) and abs(value) <= FLOAT32_MAX
    ),
)


def _is_a_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Settings of a model that say which one it is, not how it is trained.
NOT_TUNED = {"kind", "path", "adopt", "warm_start", "seeds", "ensemble", "tune"}

# In an address: scheme://user:password@host, or scheme://host?password=…
PASSWORD = re.compile(r'://[^/:@"]*:[^/@"]+@|[?&](password|pwd)=')

SCHEMA_PATH = Path(__file__).parents[3] / "config" / "schema.json"


def load(path: Path) -> dict[str, Any]:
    """Reads a config file, checks it and fills in the defaults.

    Raises MillraceError when the file is missing, is not YAML, or breaks the schema; the message
    names the key, what was found and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise MillraceError(f"{path}: expected a config file, found none.") from None
    except UnicodeDecodeError:
        raise MillraceError(f"{path}: expected YAML in UTF-8, found other bytes.") from None
    try:
        config = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise MillraceError(f"{path}: expected YAML, found a mistake in it: {error}") from None
    return complete(config, source=str(path))


def complete(config: Any, source: str = "config") -> dict[str, Any]:
    """Checks a config that is already in memory and returns a copy with the defaults filled in.

    `models` given as a list becomes the map that it is short for, and a feature given as a string
    the object that it is short for, so that readers meet one form. `source` names the config in
    messages. Raises MillraceError as `load` does.
    """
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    validator = _Validator(schema)
    error = _most_relevant(validator.iter_errors(config))
    if error is not None:
        raise MillraceError(*_explain(_within_the_meant_form(error), source))
    config = json.loads(json.dumps(config))
    if isinstance(models := config.get("models", schema["properties"]["models"]["default"]), list):
        config["models"] = {kind: {"kind": kind} for kind in models}
    if isinstance(features := config.get("features"), dict):
        config["features"] = {
            name: {"kind": feature} if isinstance(feature, str) else feature
            for name, feature in features.items()
        }
    completed: dict[str, Any] = _fill(config, schema, schema["$defs"])
    _refuse_what_tflite_cannot_run(completed, source)
    _refuse_passwords(completed, source)
    _refuse_impossible_runs(completed, schema["$defs"], source)
    return completed


def _refuse_what_tflite_cannot_run(config: dict[str, Any], source: str) -> None:
    if config["features"] == "auto" or config["export"]["tflite"] is not True:
        return
    for name, feature in config["features"].items():
        if feature.get("unseen") == "hash":
            raise MillraceError(
                f"{source}: features.{name}.unseen: expected bucket, found hash, which TF Lite has "
                "no op for.",
                note="set export.tflite to false for a model that runs on servers and in browsers.",
            )


def _refuse_impossible_runs(config: dict[str, Any], definitions: Any, source: str) -> None:
    folds, by = config["selection"]["folds"], config["data"]["split"]["by"]
    if folds and by in ("group", "time"):
        raise MillraceError(
            f"{source}: selection.folds: expected rows that are divided by row or stratum, found "
            f"data.split.by: {by}, which folds of single examples would mix.",
            note="data.split.folds makes one job a fold.",
        )
    for name, model in config["models"].items():
        where = f"{source}: models.{name}"
        repeated = folds or model.get("seeds", 1) > 1 or "tune" in model
        if repeated and (model["kind"] == "tf1" or "adopt" in model):
            raise MillraceError(
                f"{where}: expected a model that is trained, found an old one, which has neither "
                "seeds, folds nor trials."
            )
        if model.get("ensemble") and model["seeds"] < 2:
            raise MillraceError(f"{where}.ensemble: expected seeds of at least 2, found 1.")
        if "tune" in model:
            _check_space(model, definitions, where)


def _check_space(model: dict[str, Any], definitions: dict[str, Any], where: str) -> None:
    """Raises MillraceError when a trial could have settings that the schema refuses."""
    of_kind = set(definitions[model["kind"]]["properties"]) - NOT_TUNED
    of_training = definitions["training_overrides"]["properties"]
    if "training" in of_kind:
        of_kind = (of_kind - {"training"}) | {f"training.{key}" for key in of_training}
    validator = _Validator({"$ref": "#/$defs/model", "$defs": definitions})
    for key, value in tuning.edges(model["tune"]["space"], f"{where}.tune.space"):
        if key not in of_kind:
            raise MillraceError(
                f"{where}.tune.space: expected keys out of {sorted(of_kind)}, found {key!r}."
            )
        trial = tuning.override(model, {key: value})
        if error := _most_relevant(validator.iter_errors(trial)):
            raise MillraceError(*_explain(_within_the_meant_form(error), f"{where}.tune.space"))


def _refuse_passwords(config: dict[str, Any], source: str) -> None:
    """The report and provenance.json hold the config, and both are given to others."""
    instead = {
        "files": "a user and password for http go into ~/.netrc.",
        "database": "leave it out, and set the environment variable MILLRACE_DATABASE_PASSWORD.",
    }
    for key, note in instead.items():
        if PASSWORD.search(json.dumps(config["data"][key])):
            raise MillraceError(
                f"{source}: data.{key}: expected no password in an address, found one.", note=note
            )


def usual_markers() -> list[str]:
    """Returns the default of `data.missing_values`."""
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    found: list[str] = schema["$defs"]["data"]["properties"]["missing_values"]["default"]
    return found


def digest(config: dict[str, Any]) -> str:
    """Returns the SHA-256 of a completed config; equal configs give equal digests."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _fill(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """Returns `value` with the defaults of `schema` added, in the order of the schema's keys."""
    if "$ref" in schema:
        return _fill(value, resolve(schema["$ref"], definitions), definitions)
    for branch in schema.get("allOf", []):
        # The schema selects by `kind` alone: if/then holds the one kind that a branch is for.
        if value.get("kind") == branch["if"]["properties"]["kind"]["const"]:
            return _fill(value, branch["then"], definitions)
    for branch in schema.get("oneOf", []):
        if isinstance(value, dict) and ("type" in branch or "$ref" in branch):
            target = resolve(branch["$ref"], definitions) if "$ref" in branch else branch
            if target.get("type") == "object":
                return _fill(value, target, definitions)
    if not isinstance(value, dict):
        return value
    filled = {}
    properties = schema.get("properties", {})
    for key, subschema in properties.items():
        if subschema is True:
            subschema = {}
        reference = subschema.get("$ref")
        default_from = resolve(reference, definitions) if reference else subschema
        if key in value:
            filled[key] = _fill(value[key], subschema, definitions)
        elif "default" in default_from:
            filled[key] = _fill(default_from["default"], subschema, definitions)
    other = schema.get("additionalProperties", True)
    for key, item in value.items():
        if key not in properties:
            filled[key] = _fill(item, other, definitions) if isinstance(other, dict) else item
    return filled


def resolve(reference: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of the schema that a `$ref` such as `#/$defs/data` names."""
    target: Any = {"$defs": definitions}
    for part in reference.removeprefix("#/").split("/"):
        target = target[int(part)] if isinstance(target, list) else target[part]
    resolved: dict[str, Any] = target
    return resolved


def _within_the_meant_form(error: Mistake) -> Mistake:
    """Returns the mistake inside the one form of a key that has the value's type, if there is one.

    It says more than that the value matches none of the forms.
    """
    if error.validator != "oneOf":
        return error
    meant = [form for form in _forms(error) if not any(map(_is_of_another_type, form))]
    if len(meant) != 1:
        return error
    return _within_the_meant_form(_most_relevant(meant[0]))


def _most_relevant(mistakes: Iterable[Mistake]) -> Mistake | None:
    return max(mistakes, key=jsonschema.exceptions.relevance, default=None)


def _forms(error: Mistake) -> list[list[Mistake]]:
    """Returns the mistakes that each form of a `oneOf` finds in the value."""
    forms: dict[Any, list[Mistake]] = {}
    for mistake in error.context or []:
        forms.setdefault(mistake.schema_path[0], []).append(mistake)
    return list(forms.values())


def _is_of_another_type(mistake: Mistake) -> bool:
    if mistake.path:
        return False
    if mistake.validator == "oneOf":
        forms = _forms(mistake)  # none when the value matches several forms
        return bool(forms) and all(any(map(_is_of_another_type, form)) for form in forms)
    return mistake.validator in ("type", "enum", "const")


def _explain(error: Mistake, source: str) -> tuple[str, str | None]:
    """Returns a message (key, found, expected) and, where there is one, a note on what to do."""
    path = ".".join(str(part) for part in error.absolute_path)
    where = f"{source}: {path}" if path else source
    found = json.dumps(error.instance, ensure_ascii=False, default=str)
    if len(found) > 80:
        found = found[:77] + "..."
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return f"{where}: expected keys out of {known}, found {unknown}.", None
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: expected the key {missing[0]!r}, found none.", _meaning(error, missing[0])
    note = error.schema.get("description") if isinstance(error.schema, dict) else None
    if isinstance(error.instance, str) and _is_number(error.instance):
        note = f"YAML reads it as a string; write {error.instance.strip()} without quotes."
        if "e" in error.instance.lower() and "." not in error.instance:
            mantissa, exponent = error.instance.lower().split("e")
            note = f"YAML reads {error.instance} as a string; write {mantissa}.0e{exponent}."
    return f"{where}: expected {_expectation(error)}, found {found}.", note


def _expectation(error: Mistake) -> str:
    value = error.validator_value
    match error.validator:
        case "type" if _is_a_number(error.instance) and "number" in value:
            return "a number that float32 can hold"
        case "type":
            return " or ".join(value) if isinstance(value, list) else f"a value of type {value}"
        case "enum":
            return f"one of {value}"
        case "const":
            return repr(value)
        case "minimum":
            return f"a number of at least {value}"
        case "exclusiveMinimum":
            return f"a number above {value}"
        case "maximum":
            return f"a number of at most {value}"
        case "exclusiveMaximum":
            return f"a number below {value}"
        case "pattern":
            return f"text that matches {value}"
        case "minItems" | "minProperties" | "minLength":
            return f"at least {value} of them"
        case "uniqueItems":
            return "different items"
        case "oneOf" if error.context:
            return ", or ".join(_expectation(form[0]) for form in _forms(error))
        case "oneOf":
            return f"only one of {sorted(key for form in value for key in form['required'])}"
        case "not":
            both = (form["required"] for form in value["anyOf"])
            return f"only one of {next(keys for keys in both if {*keys} <= {*error.instance})}"
        case "required":
            return f"the key {next(key for key in value if key not in error.instance)!r}"
        case _:
            return str(error.message)


def _meaning(error: Mistake, key: str) -> str | None:
    subschema = error.schema.get("properties", {}).get(key, {})
    return subschema.get("description") if isinstance(subschema, dict) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
