"""The raw-row contract: how a row of the table is passed to the exported models."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from millrace.features.feature_columns.base import NUMBER_TYPES
from millrace.features.feature_columns.dates import parse_time
from millrace.features.feature_columns.lookup import SPACES
from millrace.features.feature_columns.sequence import split
from millrace.features.feature_columns.text import WORDS, words
from millrace.tfrecord import examples, framing

CELLS_AT_A_TIME = 8192

# The texts of booleans, in any case.
TRUTH = {"true": 1.0, "false": 0.0}

# The value of a missing int64 while an example is parsed; int64 has no NaN.
_MISSING_INTEGER = -(2**63)


@dataclass(frozen=True)
class RawColumn:
    """A column of the table as an input of the models.

    Attributes:
        name: the column's name in the table, and its key in a tf.train.Example.
        type: its type in schema.json.
        key: its name in the exported models' signature, which must be an identifier.
        max_length: for a sequence, the most values of a cell; 0 for any other column.
        delimiter: the separator of these values; "" for a text, whose values are its words.
        missing: the texts that mean missing in the column's file; None if the column does not come
            from a file, so that no text is special.
        takes_cells: whether the models take a text verbatim; otherwise it must be stripped, and ""
            if it is one of `missing`.
        decimal: the decimal separator of numbers that the file does not write as programs do.
        thousands: their thousands separator.
        format: the format of dates or times that the file does not write in ISO 8601.
            Formatted cells are parsed before they come here, by ingest or the application.
    """

    name: str
    type: str
    key: str
    max_length: int = 0
    delimiter: str = ""
    missing: tuple[str, ...] | None = None
    takes_cells: bool = False
    decimal: str | None = None
    thousands: str | None = None
    format: str | None = None

    @property
    def markers(self) -> tuple[str, ...]:
        """The texts that mean missing, stripped."""
        return tuple(dict.fromkeys(text.strip(SPACES) for text in self.missing or ()))

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that mean missing, such as -1 or 999."""
        if self.type not in ("int64", "float32", "float64"):
            return ()
        numbers = (_number(text) for text in self.markers)
        return tuple(sorted({x for x in numbers if math.isfinite(x)}))

    @property
    def is_number(self) -> bool:
        """Whether its input is float32 (NaN: missing) instead of string ("": missing)."""
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
    take_cells: Collection[str] = (),
) -> tuple[RawColumn, ...]:
    """Gives each column a key: its name if that is an identifier, or a similar one.

    The keys of a signature become parameters of a Python function, so they cannot be keywords.
    TensorFlow compares names of nodes case-insensitively, so no two keys differ only in case.

    Args:
        types: the type of each column by name.
        sequences: the maximum length and the delimiter of the columns that are sequences.
        missing: the texts that mean missing in a column's file.
        take_cells: the columns whose cells the models take verbatim.
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
        columns.append(
            RawColumn(
                name,
                type_,
                key,
                max_length,
                delimiter,
                missing.get(name),
                takes_cells=name in take_cells,
            )
        )
    return tuple(columns)


def parse_examples(serialized: tf.Tensor, raw: tuple[RawColumn, ...]) -> dict[str, tf.Tensor]:
    """Parses serialized tf.train.Example protos, string [n], into a tensor [n, …] per raw column.

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
    return _from_text(x, column) if x.dtype == tf.string else x


def _from_text(text: tf.Tensor, column: RawColumn) -> tf.Tensor:
    """Converts a string column [n], "" for missing, to the input of the models, [n, …]."""
    if column.missing is not None and not column.takes_cells:
        text = tf.strings.regex_replace(text, rf"^[{SPACES}]+|[{SPACES}]+$", "")
        for marker in column.markers:
            text = tf.where(tf.equal(text, marker), "", text)
    if column.type in ("date", "timestamp"):
        return parse_time(text, column.type)
    if not column.max_length:
        return text
    parts = words(text) if column.delimiter == WORDS else split(text, column.delimiter)
    return parts.to_tensor("", shape=[None, column.max_length])


def draw_rows(total: int, rows: int, seed: int) -> np.ndarray:
    """Draws at most `rows` of `total` rows at random; returns their sorted indices, int64."""
    if rows >= total:
        return np.arange(total)
    return np.sort(np.random.Generator(np.random.Philox(seed)).choice(total, rows, False))


def read_cells(
    shards: list[Path], raw: tuple[RawColumn, ...], drawn: np.ndarray | None = None
) -> pd.DataFrame:
    """Reads raw columns of examples: numbers as stored, other cells as text.

    Args:
        shards: the TFRecord files of a split, in order.
        raw: the columns to read.
        drawn: the indices of the rows to read, sorted, int64; None for all.
    """
    types = {column.name: column.type for column in raw}
    table = pa.Table.from_batches(examples.read_batches(shards, types, drawn))
    stored = {name: examples.stored(table[name]) for name in table.column_names}
    cells: pd.DataFrame = pa.table(stored).to_pandas()
    return cells


def read_raw(
    shards: list[Path], raw: tuple[RawColumn, ...], rows: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Reads raw columns of examples as `raw_columns` returns them.

    Args:
        shards: the TFRecord files of a split, in order.
        raw: the columns to read.
        rows: the number of rows to draw at random, kept in order; None for all.
        seed: the seed of the draw.
    """
    drawn = None if rows is None else draw_rows(framing.count(shards), rows, seed)
    return raw_columns(read_cells(shards, raw, drawn), raw)


def raw_columns(table: pd.DataFrame, raw: tuple[RawColumn, ...]) -> dict[str, np.ndarray]:
    """Converts a table to arrays [n, …], the input of `Preprocessing.encode` and the models.

    Numbers and dates become float32 with NaN for missing, other types str objects with "" for
    missing. Numbers and dates may be given as text; a sequence is delimited text.
    """
    return {column.name: _from_pandas(table[column.name], column) for column in raw}


def _from_pandas(values: pd.Series, column: RawColumn) -> np.ndarray:
    if column.type in ("date", "timestamp"):
        texts = _time_texts(values, column)
    elif column.is_number:
        if not pd.api.types.is_numeric_dtype(values):
            values = pd.Series([_as_number(cell, column) for cell in values], dtype="Float64")
        return values.astype("Float64").to_numpy(np.float32, na_value=np.nan)
    else:
        texts = values.astype(object).where(values.notna(), "").to_numpy(object)
    if column.takes_cells:
        return np.array([text.strip(SPACES) for text in texts], object)
    # In parts, because otherwise all texts would be in memory three times.
    parts = [
        _from_text(
            tf.constant(list(texts[start : start + CELLS_AT_A_TIME]), tf.string), column
        ).numpy()
        for start in range(0, max(len(texts), 1), CELLS_AT_A_TIME)
    ]
    whole = np.concatenate(parts)
    if whole.dtype != object:
        return whole
    return np.vectorize(bytes.decode, otypes=[object])(whole) if whole.size else whole


def _as_number(cell: Any, column: RawColumn) -> float | None:
    """Returns a cell as a number; None for missing."""
    if not isinstance(cell, str):
        return None if pd.isna(cell) else float(cell)
    text = cell.strip(SPACES)
    if not text or text in column.markers:
        return None
    return float(TRUTH.get(text.lower(), text))


def _time_texts(values: pd.Series, column: RawColumn) -> np.ndarray:
    """Returns dates or times as ISO 8601 in UTC, "" for missing."""
    if pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values):
        values = values.map(lambda x: x.strip(SPACES) if isinstance(x, str) else x)
        values = values.where(~values.isin({"", *column.markers}), None)
    times = pd.to_datetime(values, utc=True, format="ISO8601").dt.tz_localize(None)
    texts = np.datetime_as_string(times.to_numpy("datetime64[us]")).astype(object)
    return np.where(times.isna(), "", texts)
