"""Converts typed columns to the inputs of exported models, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from millrace.artifacts.signature import Input
from millrace.export.runtimes.cells import values
from millrace.tfrecord.examples import ARROW_TYPES, stored

SECONDS_PER_DAY = 86_400
MICROSECONDS = 1_000_000


def tensors(batch: pa.RecordBatch, inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    """Returns the inputs of the models by key: float32 or bytes objects, [n, …].

    A column that the batch lacks is missing in every row.

    Args:
        batch: typed cells as read by ingest, null for missing.
        inputs: the inputs in signature.json.
    """
    return {each.key: _tensor(_column(batch, each), each) for each in inputs}


def _column(batch: pa.RecordBatch, about: Input) -> pa.Array:
    if about.name in batch.schema.names:
        return batch.column(about.name)
    return pa.nulls(batch.num_rows, ARROW_TYPES[about.column_type])


def _tensor(column: pa.Array, about: Input) -> np.ndarray:
    if about.column_type == "date":
        return _floats(column.cast(pa.int32()))
    if about.column_type == "timestamp":
        return _days_and_seconds(column)
    if about.type == "float32":
        return _floats(stored(column))
    if about.max_length:
        return _sequences(column, about)
    texts: np.ndarray = column.fill_null("").cast(pa.binary()).to_numpy(zero_copy_only=False)
    return texts


def _floats(column: pa.Array) -> np.ndarray:
    numbers = column.cast(pa.float64(), safe=False).fill_null(np.nan)
    found: np.ndarray = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
    return found


def _days_and_seconds(column: pa.Array) -> np.ndarray:
    """Returns times as days since 1970-01-01 and seconds of the day, float32 [n, 2]."""
    missing = column.is_null().to_numpy(zero_copy_only=False)
    times = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    days, rest = np.divmod(times, SECONDS_PER_DAY * MICROSECONDS)
    minutes, seconds = np.divmod(rest, 60 * MICROSECONDS)
    # Summed in the same order as by `parse_time`, so that rounding is the same.
    whole = (60 * minutes).astype(np.float32) + (seconds / MICROSECONDS).astype(np.float32)
    both = np.stack([days.astype(np.float32), whole], axis=1)
    both[missing] = np.nan
    return both


def _sequences(column: pa.Array, about: Input) -> np.ndarray:
    """Returns the values of delimited cells, or the words of texts: bytes [n, max_length]."""
    coded = column.fill_null("").dictionary_encode()
    table = np.full((len(coded.dictionary) + 1, about.max_length), b"", object)
    for row, text in enumerate(coded.dictionary.to_pylist()):
        found = values(text, about.delimiter)[: about.max_length] if text else []
        table[row, : len(found)] = [value.encode() for value in found]
    found_values: np.ndarray = table[coded.indices.to_numpy()]
    return found_values
