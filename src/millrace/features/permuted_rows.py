"""Encodes rows with the values of one raw column shuffled, for permutation importance."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from millrace.features.feature_columns import FeatureColumn, Raw
from millrace.features.preprocessing import Preprocessing


class PermutedRows:
    """Rows that are encoded once; a permutation then recomputes only the features of one column.

    Encoding all columns for each permutation would take time quadratic in their number.
    """

    def __init__(self, preprocessing: Preprocessing, raw: Raw) -> None:
        self._preprocessing = preprocessing
        self._raw = preprocessing.tensors(raw)
        self._readers = _readers(preprocessing.columns)
        columns = preprocessing.columns
        numbers, self._ids = preprocessing.encode_columns(columns, self._raw, {})
        self._encoded: dict[str, np.ndarray] = {}
        self._places_of_numbers: dict[str, slice] = {}
        self._places_of_ids: dict[str, list[slice]] = {}
        if numbers:
            self._encoded["numbers"] = np.concatenate([x.numpy() for x in numbers.values()], axis=1)
            end = 0
            for name, part in numbers.items():
                start, end = end, end + part.shape[1]
                self._places_of_numbers[name] = slice(start, end)
        if entries := preprocessing.spec.ids:
            parts = [self._ids[entry.feature].numpy() for entry in entries]
            self._encoded["ids"] = np.concatenate(parts, axis=1)
            end = 0
            for entry in entries:
                start, end = end, end + entry.length
                self._places_of_ids.setdefault(entry.feature, []).append(slice(start, end))

    def encode(self, column: str, order: np.ndarray) -> dict[str, tf.Tensor]:
        """Returns the rows as `Preprocessing.encode` does, with the values of one column permuted.

        Args:
            column: a raw column.
            order: for each row, the row whose value it takes, int [n].
        """
        raw = {**self._raw, column: tf.gather(self._raw[column], order)}
        readers = self._readers[column]
        numbers, ids = self._preprocessing.encode_columns(readers, raw, self._ids)
        encoded = {name: part.copy() for name, part in self._encoded.items()}
        for name, part in numbers.items():
            encoded["numbers"][:, self._places_of_numbers[name]] = part
        for reader in readers:
            for places in self._places_of_ids.get(reader.name, []):
                encoded["ids"][:, places] = ids[reader.name]
        return {name: tf.constant(part) for name, part in encoded.items()}


def _readers(columns: tuple[FeatureColumn, ...]) -> dict[str, list[FeatureColumn]]:
    """Returns the feature columns that read each raw column, directly or through others."""
    read: dict[str, set[str]] = {}
    readers: dict[str, list[FeatureColumn]] = {}
    for column in columns:
        below = getattr(column, column.reads) if column.reads else ()
        names = [below] if isinstance(below, str) else below
        read[column.name] = set(column.raw_columns).union(*(read.get(name, ()) for name in names))
        for name in read[column.name]:
            readers.setdefault(name, []).append(column)
    return readers
