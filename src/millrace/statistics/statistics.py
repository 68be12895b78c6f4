"""Statistics of the examples: counts, vocabularies, exact quantiles, and what the label is.

Every figure of a column follows from one table, how often each of its values occurs. The examples
themselves pass through once, batch by batch.
"""

import itertools
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
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

# Strings outside train: the report shows no more, and train has the vocabulary.
MOST_LISTED_ELSEWHERE = 1000

# What the search for leakage holds beyond is spilled to disk, however large the machine: other jobs
# run beside this one.
MEMORY = "1GB"

NUMBERS = ("int64", "float32", "float64", "bool")


def compute(
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: Schema,
    task: str = "auto",
    positive: Any = None,
) -> Statistics:
    """Computes the statistics of all splits in one pass over their batches.

    NaN and the empty string count as missing, since models take them for missing values.

    Args:
        batches: the examples of each split, `train` among them, with the columns of the schema.
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
    """Returns how well each column but label and weight predicts the label by itself."""
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
    """Computes what feature columns learn from: as `compute`, without `unique` and `alone`.

    Of the splits only train need be there.
    """
    tallies = {split: Tally(schema.columns) for split in batches}
    for split, split_batches in batches.items():
        deque(tallies[split].watch(split_batches), maxlen=0)
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
        splits[split] = SplitStatistics(tally.rows, _columns(split, tally, columns, train))
    return Statistics(splits, LabelStatistics(label, kind, classes))


def _load(
    database: duckdb.DuckDBPyConnection,
    split: str,
    batches: Iterable[pa.RecordBatch],
    columns: list[SchemaColumn],
) -> None:
    """Copies batches into a table named as the split, with columns c0, c1 …

    Columns go by place because names that differ in case alone are the same to a database.
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
    """SQL for a column with NULL for what models take for missing, and for infinity."""
    if pa.types.is_floating(type_):
        # Adding 0 makes -0.0 the 0.0 that it equals: which of them stands for both is chance.
        return f"CASE WHEN isfinite({column}) THEN {column} + 0::FLOAT END AS {column}"
    return f"nullif({column}, '') AS {column}" if pa.types.is_string(type_) else column


def _columns(
    split: str,
    tally: Tally,
    columns: list[SchemaColumn],
    train: dict[str, ColumnStatistics] | None,
) -> dict[str, ColumnStatistics]:
    def describe_one(column: SchemaColumn) -> ColumnStatistics:
        seen = train[column.name] if train else None
        return _column(split, tally, column, seen)

    # Most of it is NumPy's, which lets go of Python's lock.
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
    """Counts the rows of a split whose features an earlier one has too, told apart by 64 bits."""
    if not earlier or not features:
        return 0
    row = f"hash({', '.join(f'c{i}' for i in features)})"
    held = " UNION ALL ".join(f"SELECT {row} FROM {other}" for other in earlier)
    (rows,) = database.execute(f"SELECT count(*) FROM {split} WHERE {row} IN ({held})").fetchall()[
        0
    ]
    return int(rows)
