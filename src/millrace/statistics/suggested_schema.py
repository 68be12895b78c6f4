"""A schema with what the examples suggest: bounds, allowed values, unique columns."""

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np

# A string column with more values than these is no list to choose from.
MOST_VALUES = 100


def suggest(schema: dict[str, Any], statistics: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema.json that all examples pass, and that a person can edit and commit.

    Numbers get the bounds that they keep in all splits, dates and times too; strings of few values
    the list of these; `unique` says that no value of an integer or a string comes twice.
    """
    columns = []
    for column in schema["columns"]:
        parts = [part["columns"][column["name"]] for part in statistics["splits"].values()]
        parts = [part for part in parts if part["distinct"]]
        unique = {"unique": True} if column["name"] in statistics["unique"] else {}
        columns.append(column | _domain(column["type"], parts) | unique)
    return schema | {"columns": columns}


def _domain(type_: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the bounds, or the values, of a column that the splits describe so."""
    if not parts or type_ == "bool":
        return {}
    if type_ in ("float32", "float64"):
        # Examples hold floats in single precision; the table's may lie beside them.
        inf = np.float32(np.inf)
        low = np.nextafter(np.float32(min(part["min"] for part in parts)), -inf)
        high = np.nextafter(np.float32(max(part["max"] for part in parts)), inf)
        return {key: float(str(x)) for key, x in (("min", low), ("max", high)) if np.isfinite(x)}
    if type_ == "int64":
        return {"min": min(p["min"] for p in parts), "max": max(p["max"] for p in parts)}
    if any(len(part["values"]) < part["distinct"] for part in parts):
        return {}
    # 08:30:00.25Z comes after 08:30:00Z.
    values = sorted(
        {value for part in parts for value, _ in part["values"]}, key=lambda x: x.removesuffix("Z")
    )
    if type_ in ("date", "timestamp"):
        return {"min": values[0], "max": values[-1]}
    return {"values": values} if len(values) <= MOST_VALUES else {}


def unique(
    database: duckdb.DuckDBPyConnection, schema: Mapping[str, Any], splits: Mapping[str, Any]
) -> list[str]:
    """Returns the columns of integers and strings in which no value comes twice.

    The database holds a table for each split, with columns c0, c1 …, NULL for missing.
    """
    rows = " UNION ALL ".join(f"FROM {split}" for split in splits)
    found = []
    for i, column in enumerate(schema["columns"]):
        parts = [part["columns"][column["name"]] for part in splits.values()]
        if column["type"] in ("int64", "string") and all(
            part["distinct"] == part["rows"] - part["missing"] for part in parts
        ):
            same = f"SELECT count(c{i}) > 0 AND count(DISTINCT c{i}) = count(c{i}) FROM ({rows})"
            if database.execute(same).fetchall()[0][0]:
                found.append(column["name"])
    return found
