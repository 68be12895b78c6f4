"""Raw columns: a row of the table as the exported models take it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from millrace import examples
from millrace.feature_columns.base import NUMBER_TYPES

# Stands for a missing int64 while an example is parsed: int64 has no NaN.
_MISSING_INTEGER = -(2**63)


@dataclass(frozen=True)
class RawColumn:
    """A column of the table as the models take it.

    Attributes:
        name: the column's name in the table, and its key in a tf.train.Example.
        type: its type in schema.json.
        key: its name in the exported models' signature, which takes only identifiers.
    """

    name: str
    type: str
    key: str

    @property
    def is_number(self) -> bool:
        """Whether the models take it as float32 (NaN: missing), not as string ("": missing)."""
        return self.type in NUMBER_TYPES

    @property
    def dtype(self) -> tf.DType:
        """The dtype of its tensor."""
        return tf.float32 if self.is_number else tf.string


def name_columns(types: Mapping[str, str]) -> tuple[RawColumn, ...]:
    """Gives each column, name and type, a key: its name where that is an identifier, or near it.

    TensorFlow tells names of nodes apart without regard to case, so no two keys differ in case
    alone.
    """
    columns: list[RawColumn] = []
    taken: set[str] = set()
    for name, type_ in types.items():
        identifier = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if not identifier[:1].isalpha():
            identifier = f"column_{identifier}"
        key, count = identifier, 1
        while key.lower() in taken:
            count += 1
            key = f"{identifier}_{count}"
        taken.add(key.lower())
        columns.append(RawColumn(name, type_, key))
    return tuple(columns)


def parse_examples(serialized: tf.Tensor, raw: tuple[RawColumn, ...]) -> dict[str, tf.Tensor]:
    """Parses serialized tf.train.Example protos, string [n], into one tensor [n] a raw column.

    Numbers become float32 with NaN for missing, other types string with "" for missing.
    """
    defaults: dict[str, tuple[Any, Any]] = {
        "int64": (tf.int64, _MISSING_INTEGER),
        "bool": (tf.int64, _MISSING_INTEGER),
        "float32": (tf.float32, float("nan")),
        "float64": (tf.float32, float("nan")),
    }
    features = {}
    for column in raw:
        dtype, default = defaults.get(column.type, (tf.string, ""))
        features[column.name] = tf.io.FixedLenFeature([], dtype, default)
    parsed: dict[str, tf.Tensor] = tf.io.parse_example(serialized, features)
    for column in raw:
        x = parsed[column.name]
        if x.dtype == tf.int64:
            missing = tf.equal(x, _MISSING_INTEGER)
            parsed[column.name] = tf.where(missing, float("nan"), tf.cast(x, tf.float32))
    return parsed


def read_raw(
    shards: list[Path], raw: tuple[RawColumn, ...], rows: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Reads raw columns [n] of examples: float32 with NaN for missing, or str with "" for missing.

    Args:
        shards: the TFRecord files of a split, in order.
        raw: the columns to read.
        rows: how many rows to draw at random, kept in their order; None for all.
        seed: fixes which rows are drawn.
    """
    schema = {"columns": [{"name": column.name, "type": column.type} for column in raw]}
    table = pa.Table.from_batches(examples.read_batches(shards, schema))
    if rows is not None and rows < len(table):
        drawn = np.random.Generator(np.random.Philox(seed)).choice(len(table), rows, False)
        table = table.take(np.sort(drawn))
    stored = {name: examples.stored(table[name]) for name in table.column_names}
    return raw_columns(pa.table(stored).to_pandas(), raw)


def raw_columns(table: pd.DataFrame, raw: tuple[RawColumn, ...]) -> dict[str, np.ndarray]:
    """Returns a table's columns as arrays [n] that `Preprocessing.encode` and the models take.

    Numbers become float32 with NaN for missing, other types str objects with "" for missing.
    """
    columns = {}
    for column in raw:
        values = table[column.name]
        if column.is_number:
            columns[column.name] = values.astype("Float64").to_numpy(np.float32, na_value=np.nan)
        else:
            columns[column.name] = values.astype(object).where(values.notna(), "").to_numpy(object)
    return columns
