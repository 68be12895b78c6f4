"""What `features: auto` means: a feature column for each raw column, chosen by its statistics."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

from millrace.features.feature_columns.base import END_OF_EXACT_INTEGERS, largest_magnitude

# A whole number with so few different values is more often a code than a quantity.
FEW_VALUES = 8

# Shorter than this, dates do not show what a weekday is like.
WEEKS = 2

# A value seen less often teaches a model nothing that it could use again.
MIN_COUNT = 3

# A text column in which a value comes back less often than this, on average, names rows.
LEAST_ROWS_PER_VALUE = 2.0


def propose(
    columns: dict[str, dict[str, Any]], rows: int
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Returns settings by feature name, as in the config, and the columns left out, each with why.

    Args:
        columns: statistics of the training examples by raw column, the label not among them.
        rows: the number of training examples.
    """
    features: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name, column in columns.items():
        distinct, seen = column["distinct"], rows - column["missing"]
        if distinct == 0:
            left_out[name] = "every value is missing"
        elif distinct == 1 and column["missing"] == 0:
            left_out[name] = "every row has the same value"
        elif column["type"] in ("date", "timestamp"):
            if found := _of_dates(name, column):
                features |= found
            else:
                left_out[name] = f"all its dates lie within {WEEKS} weeks"
        elif column["type"] == "string":
            frequent = any(count >= MIN_COUNT for _, count in column["values"])
            if seen < LEAST_ROWS_PER_VALUE * distinct or not frequent:
                left_out[name] = f"an id: {distinct} different values in {seen} rows"
            else:
                features[name] = {"kind": "vocabulary", "min_count": MIN_COUNT}
        elif column["type"] == "int64" and distinct == seen > FEW_VALUES and _is_run(column):
            left_out[name] = "an id: it counts the rows"
        elif column["type"] == "int64" and largest_magnitude(column) >= END_OF_EXACT_INTEGERS:
            left_out[name] = (
                "whole numbers from 2^24 on lose digits in float32: declare data.types, string for "
                "an id, float32 for a quantity"
            )
        elif column["type"] == "int64" and 2 < distinct <= FEW_VALUES:
            features[name] = {"kind": "vocabulary", "min_count": MIN_COUNT}
        else:
            features[name] = {"kind": "numeric", "normalizer": "robust"}
    return features, left_out


def _of_dates(name: str, column: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what comes back in other rows: the day of the week, the season, the time of day.

    Not how long ago a date is, which says which row it is rather than what the row is like.
    """
    texts = [value for value, _ in column["values"]]
    days = (date.fromisoformat(max(texts)[:10]) - date.fromisoformat(min(texts)[:10])).days
    features: dict[str, dict[str, Any]] = {}
    if days >= 7 * WEEKS:
        features[f"{name} weekday"] = {"kind": "date_part", "column": name, "part": "weekday"}
    if days >= 365:
        features[f"{name} season"] = {"kind": "cyclic", "column": name, "period": "year"}
    if len({text[10:] for text in texts}) > 1:
        features[f"{name} time"] = {"kind": "cyclic", "column": name, "period": "day"}
    return features


def as_yaml(features: Mapping[str, Any], left_out: Mapping[str, str]) -> str:
    """Returns features as a section of a config, with what is left out as comments."""
    lines = ["# Paste this into a config to edit it.", "features:"]
    for name, settings in features.items():
        # One line a feature, wide enough for any.
        text = yaml.safe_dump({name: settings}, default_flow_style=True, sort_keys=False, width=1e9)
        lines.append(f"  {text.strip()[1:-1]}")
    for name, reason in left_out.items():
        lines.append(f"  # {name}: left out, {reason}")
    return "\n".join(lines) + "\n"


def _is_run(column: dict[str, Any]) -> bool:
    return bool(column["max"] - column["min"] < 2 * column["distinct"])
