"""Statistics of the examples: counts, vocabularies, exact quantiles, and what the label is.

Every figure of a column follows from one table, how often each of its values occurs. The examples
themselves pass through once, batch by batch.
"""

import itertools
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from millrace.errors import MillraceError
from millrace.statistics import labels, leakage, suggested_schema
from millrace.statistics.tallies import Tally
from millrace.tfrecord import examples

QUANTILES = np.arange(1025) / 1024
BINS = 32

# Numbers: all values are listed up to so many, above only those with this share of the rows.
MOST_LISTED = 1024

# Strings outside train: the report shows no more, and train has the vocabulary.
MOST_LISTED_ELSEWHERE = 1000

# What the search for leakage holds beyond is spilled to disk, however large the machine: other jobs
# run beside this one.
MEMORY = "1GB"

NUMBERS = ("int64", "float32", "float64", "bool")


def compute(
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: Mapping[str, Any],
    task: str = "auto",
    positive: Any = None,
) -> dict[str, Any]:
    """Computes the statistics of all splits in one pass over their batches.

    NaN and the empty string count as missing, since models take them for missing values.

    Args:
        batches: the examples of each split, `train` among them, with the columns of the schema.
        schema: schema.json.
        task: `data.task` of the config.
        positive: `data.positive` of the config, or None.

    Returns:
        `splits`: by split `rows`, `repeated` (how many of them are equal to a row of an
        earlier split in all features) and `columns`. A column has type, rows, missing, distinct and
        values ([value, count], by falling count); a number also min, max, mean, std (of the
        population), median, quantiles (linear interpolation at 0, 1/1024 … 1) and histogram (the
        edges are train's; what lies outside counts in the outer bins); a whole number also
        `rounded`, the rows whose value float32 cannot hold; a float that is infinite somewhere
        `infinite`, the rows where it is, which count in no other figure; a string outside train
        also `unseen`, the rows whose value train lacks.
        `label`: name, task, classes, and `alone`: how well each column by itself predicts it,
        but for the weight, which is no feature.
        `unique`: the columns of integers or strings in which no value comes twice.

    Raises:
        MillraceError: a split has no rows, a number does not fit into float32, or the label's
            values do not allow the task.
    """
    columns = schema["columns"]
    label = schema["label"]
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
        not_features = (label, schema.get("weight"))
        features = [i for i, column in enumerate(columns) if column["name"] not in not_features]
        for place, split in enumerate(batches):
            earlier = list(batches)[:place]
            repeated = _repeated(database, split, earlier, features)
            described["splits"][split]["repeated"] = repeated
        described["unique"] = suggested_schema.unique(database, schema, described["splits"])
        places = {column["name"]: i for i, column in enumerate(columns)}
        kind, classes = described["label"]["task"], described["label"]["classes"]
        described["label"]["alone"] = {
            column["name"]: leakage.strength(
                database, places[column["name"]], column["type"], places[label], kind, classes
            )
            for column in columns
            if column["name"] not in (label, schema.get("weight"))
        }
    return described


def describe(
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    schema: Mapping[str, Any],
    task: str = "auto",
    positive: Any = None,
) -> dict[str, Any]:
    """Computes what feature columns learn from: as `compute`, without `unique` and `alone`.

    Of the splits only train need be there.
    """
    tallies = {split: Tally(schema["columns"]) for split in batches}
    for split, split_batches in batches.items():
        deque(tallies[split].watch(split_batches), maxlen=0)
    return _describe(tallies, schema, task, positive)


def _describe(
    tallies: Mapping[str, Tally], schema: Mapping[str, Any], task: str, positive: Any
) -> dict[str, Any]:
    for split, tally in tallies.items():
        if not tally.rows:
            raise MillraceError(f"{split}: expected examples, found none.")
    columns, label = schema["columns"], schema["label"]
    values = {split: tally.counts(label).values.tolist() for split, tally in tallies.items()}
    (type_,) = (column["type"] for column in columns if column["name"] == label)
    kind, classes = labels.resolve(label, type_, values, task, positive)
    splits: dict[str, Any] = {}
    for split, tally in tallies.items():
        train = splits["train"]["columns"] if splits else None
        splits[split] = {"rows": tally.rows, "columns": _columns(split, tally, columns, train)}
    return {"splits": splits, "label": {"name": label, "task": kind, "classes": classes}}


def _load(
    database: duckdb.DuckDBPyConnection,
    split: str,
    batches: Iterable[pa.RecordBatch],
    columns: list[dict[str, Any]],
) -> None:
    """Copies batches into a table named as the split, with columns c0, c1 …

    Columns go by place because names that differ in case alone are the same to a database.
    """
    stream = (_stored(batch, columns) for batch in batches)
    first = next(stream, None)
    if first is None:
        raise MillraceError(f"{split}: expected examples, found none.")
    reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], stream))
    values = [_value(f"c{i}", field.type) for i, field in enumerate(first.schema)]
    database.register("reader", reader)
    database.execute(f"CREATE TABLE {split} AS SELECT {', '.join(values)} FROM reader")


def _stored(batch: pa.RecordBatch, columns: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = [examples.stored(batch.column(column["name"])) for column in columns]
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
    columns: list[dict[str, Any]],
    train: dict[str, Any] | None,
) -> dict[str, Any]:
    def describe_one(column: dict[str, Any]) -> dict[str, Any]:
        seen = train[column["name"]] if train else None
        return _column(split, tally, column["name"], column["type"], seen)

    # Most of it is NumPy's, which lets go of Python's lock.
    with ThreadPoolExecutor(2) as executor:
        described = executor.map(describe_one, columns)
        return {column["name"]: x for column, x in zip(columns, described, strict=True)}


def _column(
    split: str, tally: Tally, name: str, type_: str, train: dict[str, Any] | None
) -> dict[str, Any]:
    rows = tally.rows
    values, counts = tally.counts(name)
    described: dict[str, Any] = {
        "type": type_,
        "rows": rows,
        "missing": rows - int(counts.sum()),
        "distinct": len(values),
    }
    if type_ in NUMBERS:
        edges = train["histogram"]["edges"] if train else None
        finite = np.isfinite(values)
        if not finite.all():
            described["infinite"] = int(counts[~finite].sum())
            values, counts = values[finite], counts[finite]
            described["distinct"] = len(values)
        described |= describe_numbers(f"{name!r} in {split}", values, counts, edges)
        listed = (counts * MOST_LISTED >= rows) | (len(values) <= MOST_LISTED)
        described["values"] = _by_count(values[listed], counts[listed])
        if type_ == "int64":
            held = values.astype(np.float32).astype(np.longdouble) == values.astype(np.longdouble)
            described["rounded"] = int(counts[~held].sum())
    elif train is None:
        described["values"] = _by_count(values, counts)
    else:
        seen = {value for value, _ in train["values"]}
        unseen = np.array([value not in seen for value in values], np.bool_)
        described["values"] = _by_count(values, counts)[:MOST_LISTED_ELSEWHERE]
        described["unseen"] = int(counts[unseen].sum())
    return described


def _by_count(values: np.ndarray, counts: np.ndarray) -> list[tuple[Any, int]]:
    """Pairs sorted values with their counts, by falling count and then by value."""
    order = np.argsort(-counts, kind="stable")
    # Tuples: of so many lists Python's garbage collection would look after each.
    return list(zip(values[order].tolist(), counts[order].tolist(), strict=True))


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


def describe_numbers(
    where: str, values: np.ndarray, counts: np.ndarray, edges: list[float] | None
) -> dict[str, Any]:
    """Summarizes a number by its sorted values and their counts; figures of no values are None."""
    if not len(values):
        figures = dict.fromkeys(["min", "max", "mean", "std", "log_mean", "log_std", "median"])
        histogram = {"edges": edges or [], "counts": [0] * BINS if edges else []}
        return {**figures, "quantiles": [], "histogram": histogram}
    x = values.astype(np.float64)
    if max(-x[0], x[-1]) > np.finfo(np.float32).max:
        raise MillraceError(
            f"column {where}: expected numbers that float32 can hold, found {x[0]:g} to {x[-1]:g}.",
            note="add what stands for a missing value to data.missing_values, or exclude the"
            " column with data.exclude.",
        )
    # One conversion for all products.
    weights = counts.astype(np.float64)
    mean, std = _mean_and_std(x, weights)
    log_mean, log_std = _mean_and_std(np.copysign(np.log1p(np.abs(x)), x), weights)
    quantiles = _quantiles(x, counts)
    if not edges:
        edges = _edges(x[0], x[-1])
    return {
        "min": values[0].item(),
        "max": values[-1].item(),
        "mean": mean,
        "std": std,
        "log_mean": log_mean,
        "log_std": log_std,
        "median": float(quantiles[512]),
        "quantiles": quantiles.tolist(),
        "histogram": {"edges": edges, "counts": _histogram(x, counts, edges)},
    }


def _mean_and_std(x: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    rows = weights.sum()
    mean = float((x * weights).sum() / rows)
    return mean, float(np.sqrt(((x - mean) ** 2 * weights).sum() / rows))


def _quantiles(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Quantiles of the rows by linear interpolation, as `numpy.quantile` defines them.

    Args:
        x: float64 [distinct], sorted.
        counts: rows by value, int64 [distinct].
    """
    last_row = np.cumsum(counts) - 1
    position = QUANTILES * last_row[-1]
    below = np.floor(position)
    low = x[np.searchsorted(last_row, below)]
    high = x[np.searchsorted(last_row, np.ceil(position))]
    quantiles: np.ndarray = low + (high - low) * (position - below)
    return quantiles


def _edges(low: float, high: float) -> list[float]:
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges: list[float] = np.linspace(low, high, BINS + 1).tolist()
    return edges


def _histogram(x: np.ndarray, counts: np.ndarray, edges: list[float]) -> list[int]:
    """Counts rows by bin [edge, next edge); the last holds its upper edge too."""
    below = np.concatenate([[0], np.cumsum(counts)])
    starts = below[[0, *np.searchsorted(x, edges[1:-1]), -1]]
    return [int(count) for count in np.diff(starts)]
