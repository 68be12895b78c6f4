"""`features: auto`: a feature column for each raw column, chosen from its statistics."""

import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import yaml

from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics, TextStatistics
from millrace.config.features import (
    CyclicConfig,
    DatePartConfig,
    Feature,
    NumericConfig,
    TextConfig,
    VocabularyConfig,
)
from millrace.config.values import plain_form
from millrace.features.feature_columns.base import END_OF_EXACT_INTEGERS, largest_magnitude

# A whole number with at most this many distinct values is more often a code than a quantity.
FEW_VALUES = 8

# The fewest weeks of dates from which weekdays can be learned.
WEEKS = 2

# Rarer values are out-of-vocabulary: a model cannot generalize from them.
MIN_COUNT = 3

# A text column with fewer rows per distinct value, on average, is an id.
LEAST_ROWS_PER_VALUE = 2.0

# A column is text if the median cell of a sample has this many words, and words repeat.
SEVERAL_WORDS = 3
SAMPLE = 2000
MOST_WORDS = 64

_ROLES = {
    "index": "the stored index of a table, which is the position of a row",
    "group": "data.split groups the rows by it",
    "time": "data.split orders the rows by it",
}

# Names of columns of ids: user_id, ZIP, phone number.
_ID_NAME = re.compile(r"(?i)(?:^|[^a-z])(?:id|key|code|no|nr|num|number|phone|zip|uuid|hash)s?$")


def propose(
    columns: Mapping[str, ColumnStatistics],
    rows: int,
    roles: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, Feature], dict[str, str]]:
    """Returns the proposed features by name, and the columns left out with the reasons.

    Args:
        columns: statistics of the training examples by raw column, without the label.
        rows: the number of training examples.
        roles: columns that are never features, by role: index, group or time.
    """
    features: dict[str, Feature] = {}
    left_out: dict[str, str] = {}
    for name, column in columns.items():
        found = _ROLES[roles[name]] if name in roles else _proposal(name, column, rows)
        if isinstance(found, str):
            left_out[name] = found
        else:
            features |= found
    return features, left_out


def _proposal(name: str, column: ColumnStatistics, rows: int) -> dict[str, Feature] | str:
    """Returns the features of a column by name, or the reason why it has none."""
    distinct, seen = column.distinct, rows - column.missing
    if distinct == 0:
        return "every value is missing"
    infinite = column.infinite if isinstance(column, NumberStatistics) else None
    if distinct == 1 and column.missing == 0 and not infinite:
        return "every row has the same value"
    if isinstance(column, TextStatistics):
        if column.type == "string":
            return _of_text(name, column, seen)
        return _of_dates(name, column) or f"all its dates lie within {WEEKS} weeks"
    if column.type == "int64" and (reason := _is_id(name, column, seen)):
        return reason
    if 2 < distinct <= FEW_VALUES and all(value == int(value) for value, _ in column.values):
        return {name: VocabularyConfig(kind="vocabulary", min_count=MIN_COUNT)}
    return {name: NumericConfig(kind="numeric")}


def _of_text(name: str, column: TextStatistics, seen: int) -> dict[str, Feature] | str:
    distinct = column.distinct
    frequent = any(count >= MIN_COUNT for _, count in column.values)
    if seen >= LEAST_ROWS_PER_VALUE * distinct and frequent:
        return {name: VocabularyConfig(kind="vocabulary", min_count=MIN_COUNT)}
    words = [value.split() for value, _ in column.values[:SAMPLE]]
    lengths = sorted(map(len, words))
    several = lengths[len(lengths) // 2] >= SEVERAL_WORDS
    if several and 2 * len({word for cell in words for word in cell}) <= sum(lengths):
        longest = min(lengths[-1], MOST_WORDS)
        return {name: TextConfig(kind="text", max_length=longest)}
    return f"an id: {distinct} different values in {seen} rows"


def _is_id(name: str, column: NumberStatistics, seen: int) -> str:
    """Returns why a column of whole numbers is an id and not a quantity, or ""."""
    unique = column.distinct == seen > FEW_VALUES
    if unique and _is_run(column):
        return "an id: it counts the rows"
    if largest_magnitude(column) >= END_OF_EXACT_INTEGERS and (unique or _ID_NAME.search(name)):
        return (
            "an id: whole numbers from 2^24 on, which float32 does not tell apart; declare"
            " data.types, string for an id, float32 for a quantity"
        )
    return ""


def _of_dates(name: str, column: TextStatistics) -> dict[str, Feature]:
    """Returns the periodic features of a date: the day of the week, the season, the time of day.

    The elapsed time is not among them, because it identifies rows instead of describing them.
    """
    texts = [value for value, _ in column.values]
    days = (date.fromisoformat(max(texts)[:10]) - date.fromisoformat(min(texts)[:10])).days
    features: dict[str, Feature] = {}
    if days >= 7 * WEEKS:
        features[f"{name} weekday"] = DatePartConfig(kind="date_part", column=name, part="weekday")
    if days >= 365:
        features[f"{name} season"] = CyclicConfig(kind="cyclic", column=name, period="year")
    if len({text[10:] for text in texts}) > 1:
        features[f"{name} time"] = CyclicConfig(kind="cyclic", column=name, period="day")
    return features


def as_yaml(features: Mapping[str, Feature], left_out: Mapping[str, str]) -> str:
    """Returns features as YAML of a config, with the columns left out as comments."""
    lines = ["# Paste this into a config to edit it.", "features:"]
    for name, feature in features.items():
        given = {name: plain_form(feature, with_defaults=False)}
        # One line per feature, of any width.
        text = yaml.safe_dump(given, default_flow_style=True, sort_keys=False, width=1e9)
        lines.append(f"  {text.strip()[1:-1]}")
    for name, reason in left_out.items():
        lines.append(f"  # {name}: left out, {reason}")
    return "\n".join(lines) + "\n"


def _is_run(column: NumberStatistics) -> bool:
    return column.figures.max - column.figures.min < 2 * column.distinct
