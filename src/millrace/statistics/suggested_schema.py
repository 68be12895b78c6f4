"""The suggested schema: inferred bounds, allowed values and unique columns."""

from collections.abc import Mapping
from dataclasses import replace

import duckdb
import numpy as np

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import (
    ColumnStatistics,
    NumberStatistics,
    SplitStatistics,
    Statistics,
    TextStatistics,
)

# A string column with more distinct values gets no list of allowed values.
MOST_VALUES = 100


def suggest(schema: Schema, statistics: Statistics) -> Schema:
    """Returns a schema that all examples satisfy, for a person to edit and commit.

    Numbers, dates and times get their bounds over all splits; strings with few distinct values get
    the list of these; integers and strings without repeated values get `unique`.
    """
    columns = []
    for column in schema.columns:
        parts = [part.columns[column.name] for part in statistics.splits.values()]
        unique = True if column.name in (statistics.unique or []) else column.unique
        columns.append(replace(_bounded(column, [x for x in parts if x.distinct]), unique=unique))
    return replace(schema, columns=columns)


def _bounded(column: SchemaColumn, parts: list[ColumnStatistics]) -> SchemaColumn:
    """Returns a column with the bounds or the values over all splits."""
    if not parts or column.type == "bool":
        return column
    numbers = [part for part in parts if isinstance(part, NumberStatistics)]
    if numbers:
        low = min(part.min for part in numbers if part.min is not None)
        high = max(part.max for part in numbers if part.max is not None)
        if column.type == "int64":
            return replace(column, min=low, max=high)
        return replace(column, min=_beyond(low, -np.inf), max=_beyond(high, np.inf))
    texts = [part for part in parts if isinstance(part, TextStatistics)]
    if any(len(part.values) < part.distinct for part in texts):
        return column
    # 08:30:00.25Z must sort after 08:30:00Z.
    found = {value for part in texts for value, _ in part.values}
    values = sorted(found, key=lambda x: x.removesuffix("Z"))
    if column.type in ("date", "timestamp"):
        return replace(column, min=values[0], max=values[-1])
    return replace(column, values=[*values]) if len(values) <= MOST_VALUES else column


def _beyond(bound: float, towards: float) -> float | None:
    """Returns the next float32 in a direction; None if it is infinite.

    Examples store float32, so the values of the table may be slightly beyond theirs.
    """
    next_ = np.nextafter(np.float32(bound), np.float32(towards))
    return float(str(next_)) if np.isfinite(next_) else None


def unique(
    database: duckdb.DuckDBPyConnection, schema: Schema, splits: Mapping[str, SplitStatistics]
) -> list[str]:
    """Returns the columns of integers and strings without repeated values.

    The database has a table for each split, with columns c0, c1 …, NULL for missing.
    """
    rows = " UNION ALL ".join(f"FROM {split}" for split in splits)
    found = []
    for i, column in enumerate(schema.columns):
        parts = [part.columns[column.name] for part in splits.values()]
        if column.type in ("int64", "string") and all(
            part.distinct == part.rows - part.missing for part in parts
        ):
            same = f"SELECT count(c{i}) > 0 AND count(DISTINCT c{i}) = count(c{i}) FROM ({rows})"
            if database.execute(same).fetchall()[0][0]:
                found.append(column.name)
    return found
