"""Raw columns: a row of the table as the exported models take it."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from millrace.features.feature_columns.base import NUMBER_TYPES
from millrace.features.feature_columns.sequence import split
from millrace.features.feature_columns.text import WORDS, words, words_of
from millrace.tfrecord import examples, framing

EPOCH = pd.Timestamp("1970-01-01", tz="UTC")

# Stands for a missing int64 while an example is parsed: int64 has no NaN.
_MISSING_INTEGER = -(2**63)


@dataclass(frozen=True)
class RawColumn:
    """A column of the table as the models take it.

    Attributes:
        name: the column's name in the table, and its key in a tf.train.Example.
        type: its type in schema.json.
        key: its name in the exported models' signature, which takes only identifiers.
        max_length: how many values a cell of a sequence has at most; 0 for any other column.
        delimiter: what stands between them; "" in a text, whose values are its words.
        missing: the texts that stand for a missing value in the column's file.
    """

    name: str
    type: str
    key: str
    max_length: int = 0
    delimiter: str = ""
    missing: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> RawColumn:
        """Builds the column again from its fields."""
        return cls(**{**state, "missing": tuple(state["missing"])})

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that stand for a missing value, such as -1 or 999."""
        if self.type not in ("int64", "float32", "float64"):
            return ()
        numbers = (_number(text) for text in self.missing)
        return tuple(sorted({x for x in numbers if math.isfinite(x)}))

    @property
    def is_number(self) -> bool:
        """Whether the models take it as float32 (NaN: missing), not as string ("": missing)."""
        return self.type in (*NUMBER_TYPES, "date", "timestamp")

    @property
    def dtype(self) -> tf.DType:
        """The dtype of its tensor."""
        return tf.float32 if self.is_number else tf.string

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row's value.

        () for a cell; [2] for a timestamp, the days since 1970-01-01 and the seconds of the day;
        [max_length] for a sequence. A date is the days since 1970-01-01.
        """
        if self.type == "timestamp":
            return (2,)
        return (self.max_length,) if self.max_length else ()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def name_columns(
    types: Mapping[str, str],
    sequences: Mapping[str, tuple[int, str]] = MappingProxyType({}),
    missing: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[RawColumn, ...]:
    """Gives each column, name and type, a key: its name where that is an identifier, or near it.

    A signature's keys become parameters of a Python function, so no keyword is one. TensorFlow
    tells names of nodes apart without regard to case, so no two keys differ in case alone.

    Args:
        types: the type of each column by name.
        sequences: the maximum length and the delimiter of the columns that are sequences.
        missing: the texts that stand for a missing value in a column's file.
    """
    columns: list[RawColumn] = []
    taken: set[str] = set()
    for name, type_ in types.items():
        identifier = re.sub(r"[^A-Za-z0-9_]", "_", name)
        is_parameter = identifier[:1].isalpha() and not keyword.iskeyword(identifier)
        if not is_parameter or identifier == "self":
            identifier = f"column_{identifier}"
        key, count = identifier, 1
        while key.lower() in taken:
            count += 1
            key = f"{identifier}_{count}"
        taken.add(key.lower())
        max_length, delimiter = sequences.get(name, (0, ""))
        texts = missing.get(name, ())
        columns.append(RawColumn(name, type_, key, max_length, delimiter, texts))
    return tuple(columns)


def parse_examples(serialized: tf.Tensor, raw: tuple[RawColumn, ...]) -> dict[str, tf.Tensor]:
    """Parses serialized tf.train.Example protos, string [n], into a tensor [n, …] a raw column.

    Numbers and dates become float32 with NaN for missing, other types string with "" for missing.
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
    return {column.name: _from_example(parsed[column.name], column) for column in raw}


def _from_example(x: tf.Tensor, column: RawColumn) -> tf.Tensor:
    if x.dtype == tf.int64:
        missing = tf.equal(x, _MISSING_INTEGER)
        return tf.where(missing, float("nan"), tf.cast(x, tf.float32))
    if column.type in ("date", "timestamp"):
        return _parse_time(x, column.type)
    if column.max_length:
        if column.delimiter == WORDS:
            return words(x).to_tensor("", shape=[None, column.max_length])
        parts = tf.strings.strip(tf.strings.split(x, column.delimiter))
        parts = tf.ragged.boolean_mask(parts, tf.not_equal(parts, ""))
        return parts.to_tensor("", shape=[None, column.max_length])
    return x


def _parse_time(text: tf.Tensor, type_: str) -> tf.Tensor:
    """Returns days since 1970-01-01, [n], or those and the seconds of the day, [n, 2]."""
    missing = tf.equal(text, "")
    text = tf.where(missing, "1970-01-01T00:00:00Z", text)

    def number(start: int, length: int) -> tf.Tensor:
        return tf.strings.to_number(tf.strings.substr(text, start, length), tf.int32)

    # The inverse of `civil`, from the same source; the year begins in March.
    month = number(5, 2)
    year = number(0, 4) - tf.cast(month <= 2, tf.int32)
    era = year // 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + number(8, 2) - 1
    year_of_era = year - era * 400
    of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year
    days = tf.cast(era * 146_097 + of_era - 719_468, tf.float32)
    if type_ == "date":
        return tf.where(missing, float("nan"), days)
    # What follows the minutes: seconds, perhaps with a fraction, and the Z of UTC.
    rest = tf.strings.regex_replace(tf.strings.substr(text, 17, -1), "Z", "")
    whole = tf.cast(3600 * number(11, 2) + 60 * number(14, 2), tf.float32)
    both = tf.stack([days, whole + tf.strings.to_number(rest)], axis=1)
    return tf.where(missing[:, None], float("nan"), both)


def read_raw(
    shards: list[Path], raw: tuple[RawColumn, ...], rows: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Reads raw columns of examples, as `raw_columns` returns them.

    Args:
        shards: the TFRecord files of a split, in order.
        raw: the columns to read.
        rows: how many rows to draw at random, kept in their order; None for all.
        seed: fixes which rows are drawn.
    """
    types = {column.name: column.type for column in raw}
    drawn = None
    if rows is not None and rows < (total := framing.count(shards)):
        drawn = np.sort(np.random.Generator(np.random.Philox(seed)).choice(total, rows, False))
    table = pa.Table.from_batches(examples.read_batches(shards, types, drawn))
    stored = {name: examples.stored(table[name]) for name in table.column_names}
    return raw_columns(pa.table(stored).to_pandas(), raw)


def raw_columns(table: pd.DataFrame, raw: tuple[RawColumn, ...]) -> dict[str, np.ndarray]:
    """Returns a table's columns as arrays [n, …] that `Preprocessing.encode` and the models take.

    Numbers and dates become float32 with NaN for missing, other types str objects with "" for
    missing. Dates may be dates or ISO 8601 text, a sequence is delimited text.
    """
    return {column.name: _from_pandas(table[column.name], column) for column in raw}


def _from_pandas(values: pd.Series, column: RawColumn) -> np.ndarray:
    if column.type in ("date", "timestamp"):
        times = pd.to_datetime(values, utc=True, format="ISO8601").dt.as_unit("us")
        days = (times.dt.normalize() - EPOCH) / pd.Timedelta(days=1)
        seconds = (times - times.dt.normalize()) / pd.Timedelta(seconds=1)
        parts = [days] if column.type == "date" else [days, seconds]
        return np.stack(parts, axis=-1).astype(np.float32).reshape(len(values), *column.shape)
    if column.is_number:
        return values.astype("Float64").to_numpy(np.float32, na_value=np.nan)
    texts = values.astype(object).where(values.notna(), "").to_numpy(object)
    if not column.max_length:
        return texts
    if column.delimiter == WORDS:
        return words_of(texts.tolist(), column.max_length)
    cells = np.full((len(texts), column.max_length), "", object)
    for cell, text in zip(cells, texts, strict=True):
        found = split(text, column.delimiter)[: column.max_length]
        cell[: len(found)] = found
    return cells
