"""Artifacts that are made by hand: with what a test is about, and the rest filled in."""

import json
from collections.abc import Mapping
from typing import Any

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import (
    ColumnStatistics,
    Histogram,
    NumberStatistics,
    TextStatistics,
)
from millrace.files import json_fields

NUMBERS = ("int64", "float32", "float64", "bool")


def as_json(artifact: object) -> Any:
    """Returns an artifact as it is read back from JSON, without its class."""
    return json.loads(json.dumps(artifact, default=json_fields))


def schema_of(types: Mapping[str, str], label: str = "label", weight: str | None = None) -> Schema:
    """Returns the schema of columns with these types."""
    columns = [SchemaColumn(name, type_) for name, type_ in types.items()]
    return Schema(columns, label, weight)


def column_statistics(**given: Any) -> ColumnStatistics:
    """Returns the statistics of a column; figures that are not given are 0, lists are empty."""
    common = {"rows": 0, "missing": 0, "distinct": 0, "values": []}
    if given["type"] not in NUMBERS:
        return TextStatistics(**common | given)
    figures = dict.fromkeys(["min", "max", "mean", "std", "log_mean", "log_std", "median"], 0.0)
    histogram = given.pop("histogram", {"edges": [], "counts": []})
    lists = {"quantiles": [], "histogram": Histogram(**histogram)}
    return NumberStatistics(**common | figures | lists | given)
