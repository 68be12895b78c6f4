"""Statistics of the examples: counts, vocabularies, exact quantiles, and the label's task.

All figures of a column are computed from the counts of its values. The examples are read once,
batch by batch.
"""

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import (
    ColumnStatistics,
    LabelStatistics,
    NumberStatistics,
    SplitStatistics,
    Statistics,
    TextStatistics,
)
from millrace.errors import MillraceError
from millrace.statistics import labels, leakage, suggested_schema
from millrace.statistics.number_statistics import by_count, describe_numbers
from millrace.statistics.tallies import Tally
from millrace.tfrecord import examples

# The most strings listed outside train: the report shows no more, and vocabularies use train.
MOST_LISTED_ELSEWHERE = 1000

# DuckDB spills to disk beyond this, even on a large machine, because other jobs run beside it.
MEMORY = "1GB"

NUMBERS = ("int64", "float32", "float64", "bool")


def compute(
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: Schema,
    task: str = "auto",
    positive: Any = None,
) -> Statistics:
    """Computes the statistics of all splits in one pass over their batches.

    NaN and the empty string count as missing, as they do in models.

    Args:
        batches: the examples of each split, including `train`, with the columns of the schema.
        schema: schema.json.
        task: `data.task` of the config.
        positive: `data.positive` of the config, or None.

    Raises:
        MillraceError: a split has no rows, a number does not fit into float32, or the label's
            values do not allow the task.
    """
    columns = schema.columns
    tallies = {split: Tally(columns) for split in batches}
    watched = {split: tallies[split].watch(batches[split]) for split in batches}
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(str(Path(folder) / "examples.duckdb")) as database,
    ):
        database.execute(f"SET memory_limit = '{MEMORY}'")
        for split in batches:
            _load(database, split, watched[split], columns)
        described = _describe(tallies, schema, task, positive)
        features = [
            i
            for i, column in enumerate(columns)
            if column.name not in (schema.label, schema.weight)
        ]
        splits = {}
        for place, (split, part) in enumerate(described.splits.items()):
            repeated = _repeated(database, split, list(batches)[:place], features)
            splits[split] = replace(part, repeated=repeated)
        alone = _alone(database, schema, described.label)
        unique = suggested_schema.unique(database, schema, splits)
    return Statistics(splits, replace(described.label, alone=alone), unique)


def _alone(
    database: duckdb.DuckDBPyConnection, schema: Schema, label: LabelStatistics
) -> dict[str, float | None]:
    """Returns how well each column, except label and weight, predicts the label by itself."""
    places = {column.name: i for i, column in enumerate(schema.columns)}
    return {
        column.name: leakage.strength(
            database,
            places[column.name],
            column.type,
            places[label.name],
            label.task,
            label.classes,
        )
        for column in schema.columns
        if column.name not in (label.name, schema.weight)
    }


def describe(
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: Schema,
    task: str = "auto",
    positive: Any = None,
) -> Statistics:
    """Computes the statistics that feature columns learn from: `compute` without `unique`, `alone`.

    Only the split train is required.
    """
    tallies = {split: Tally(schema.columns) for split in batches}
    for split, split_batches in batches.items():
        tallies[split].add(split_batches)
    return _describe(tallies, schema, task, positive)


def _describe(tallies: Mapping[str, Tally], schema: Schema, task: str, positive: Any) -> Statistics:
    for split, tally in tallies.items():
        if not tally.rows:
            raise MillraceError(
                f"{split}: expected examples, found none.",
                note="check data.split: each split needs rows with a label.",
            )
    columns, label = schema.columns, schema.label
    values = {split: tally.counts(label).values.tolist() for split, tally in tallies.items()}
    kind, classes = labels.resolve(label, schema.types[label], values, task, positive)
    splits: dict[str, SplitStatistics] = {}
    for split, tally in tallies.items():
        train = splits["train"].columns if splits else None
        splits[split] = SplitStatistics(tally.rows, describe_columns(split, tally, columns, train))
    return Statistics(splits, LabelStatistics(label, kind, classes))


def _load(
    database: duckdb.DuckDBPyConnection,
    split: str,
    batches: Iterable[pa.RecordBatch],
    columns: list[SchemaColumn],
) -> None:
    """Copies batches into a table named after the split, with columns c0, c1 …

    Columns are numbered because SQL names are case-insensitive.
    """
    stream = (_stored(batch, columns) for batch in batches)
    first = next(stream, None)
    if first is None:
        raise MillraceError(
            f"{split}: expected examples, found none.",
            note="check data.split: each split needs rows with a label.",
        )
    reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], stream))
    values = [_value(f"c{i}", field.type) for i, field in enumerate(first.schema)]
    database.register("reader", reader)
    database.execute(f"CREATE TABLE {split} AS SELECT {', '.join(values)} FROM reader")


def _stored(batch: pa.RecordBatch, columns: list[SchemaColumn]) -> pa.RecordBatch:
    arrays = [examples.stored(batch.column(column.name)) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, [f"c{i}" for i in range(len(columns))])


def _value(column: str, type_: pa.DataType) -> str:
    """Returns SQL for a column with NULL for infinity and for what models treat as missing."""
    if pa.types.is_floating(type_):
        # Adding 0 turns -0.0 into 0.0; otherwise it is random which of the two represents both.
        return f"CASE WHEN isfinite({column}) THEN {column} + 0::FLOAT END AS {column}"
    return f"nullif({column}, '') AS {column}" if pa.types.is_string(type_) else column


def describe_columns(
    split: str,
    tally: Tally,
    columns: Sequence[SchemaColumn],
    train: Mapping[str, ColumnStatistics] | None,
) -> dict[str, ColumnStatistics]:
    """Returns the statistics of columns that were counted.

    Args:
        split: their split or window, for messages.
        tally: the counts.
        columns: the columns to describe.
        train: those of the training examples, whose histograms' edges are used; None for train.
    """

    def describe_one(column: SchemaColumn) -> ColumnStatistics:
        seen = train[column.name] if train else None
        return _column(split, tally, column, seen)

    # Threads help because most time is spent in NumPy, which releases the GIL.
    with ThreadPoolExecutor(2) as executor:
        described = executor.map(describe_one, columns)
        return {column.name: x for column, x in zip(columns, described, strict=True)}


def _column(
    split: str, tally: Tally, column: SchemaColumn, train: ColumnStatistics | None
) -> ColumnStatistics:
    rows = tally.rows
    values, counts = tally.counts(column.name)
    if column.type in NUMBERS:
        edges = train.histogram.edges if isinstance(train, NumberStatistics) else None
        where = f"{column.name!r} in {split}"
        return describe_numbers(where, column.type, rows, values, counts, edges)
    listed, unseen = by_count(values, counts), None
    if train is not None:
        seen = {value for value, _ in train.values}
        unseen = int(counts[np.array([value not in seen for value in values], np.bool_)].sum())
        listed = listed[:MOST_LISTED_ELSEWHERE]
    missing = rows - int(counts.sum())
    return TextStatistics(column.type, rows, missing, len(values), listed, unseen)


def _repeated(
    database: duckdb.DuckDBPyConnection, split: str, earlier: list[str], features: list[int]
) -> int:
    """Counts the rows of a split whose features equal those of a row of an earlier split.

    Rows are compared by a 64-bit hash.
    """
    if not earlier or not features:
        return 0
    row = f"hash({', '.join(f'c{i}' for i in features)})"
    held = " UNION ALL ".join(f"SELECT {row} FROM {other}" for other in earlier)
    (rows,) = database.execute(f"SELECT count(*) FROM {split} WHERE {row} IN ({held})").fetchall()[
        0
    ]
    return int(rows)
