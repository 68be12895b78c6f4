"""Maps the rows of an old variable to the ids of a feature.

A row of an embedding belongs to an id, and an id to a value. Hashes, whole numbers and buckets have
the same ids in the old and the new model; the ids of a vocabulary depend on its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.features.feature_columns import (
    Bucketized,
    Categorical,
    CrossedTf1,
    FeatureColumn,
    Hashed,
    Identity,
    Vocabulary,
)
from millrace.features.preprocessing import Preprocessing
from millrace.files import lines
from millrace.tf1.variables import Variables

# The settings of a feature that define its ids and their order.
DECLARED = ("values", "file", "boundaries")


class OldRows:
    """The rows of an old model's variables, for the columns of a new one.

    Attributes:
        columns: the new model's feature columns, by name.
        matched: for each confirmed vocabulary, the number of values, and how many of them the old
            model has.
    """

    def __init__(
        self, variables: Variables, learned: Preprocessing, vocabularies: Mapping[str, Any] | None
    ) -> None:
        """`vocabularies` has the old ones by feature; None if the features are the old ones."""
        self._variables = variables
        self.columns: dict[str, FeatureColumn] = {column.name: column for column in learned.columns}
        self._declared = {
            name
            for name, feature in learned.features.items()
            if any(getattr(feature, key, None) is not None for key in DECLARED)
        }
        self._as_declared = vocabularies is None
        self._given = {
            name: self._read(name, given) for name, given in (vocabularies or {}).items()
        }
        self.matched: dict[str, dict[str, int]] = {}

    def of(self, column: Categorical) -> tuple[int, np.ndarray]:
        """Returns the number of old rows, and the old row of each id, int [cardinality].

        A row is -1 if the old model has none. New values have the row of the out-of-vocabulary
        bucket into which the old model hashed them, if it had any.

        Raises MillraceError when no old model has ids of the column's kind.
        """
        if isinstance(column, Vocabulary):
            return self._of_vocabulary(column)
        if isinstance(column, Bucketized):
            size = column.cardinality - 1
        elif isinstance(column, (Hashed, Identity, CrossedTf1)):
            size = column.buckets
        else:
            raise MillraceError(
                f"features.{column.name}: expected a kind whose ids an old model has too, found "
                f"{column.kind!r}.",
                note="they are vocabulary, hashed, identity, bucketized, sequence, and crossed "
                "with compat: tf1.",
            )
        rows = np.arange(column.cardinality)
        return size, np.where(rows < size, rows, -1)

    def confirm(self, column: Categorical) -> None:
        """Raises MillraceError unless the rows are known to be in the order that `of` assumes.

        The config, or the old model's look-up tables and buckets, must confirm it, and must not
        contradict each other.
        """
        if isinstance(column, Vocabulary):
            self._confirm_vocabulary(column)
        elif isinstance(column, Bucketized):
            self._confirm_boundaries(column)
        elif isinstance(column, CrossedTf1):
            for key in set(column.keys) - set(column.raw_columns):
                self._confirm_key(column, self.columns[key])

    def _of_vocabulary(self, column: Vocabulary) -> tuple[int, np.ndarray]:
        old, buckets = self._order(column), column.num_oov_buckets
        places = {value: row for row, value in enumerate(old)}
        rows = np.full(column.cardinality, -1)
        for id_, value in enumerate(column.values):
            rows[id_] = places.get(value, -1)
            if value not in places and buckets:
                text = value if isinstance(value, str) else f"{value:.0f}"
                rows[id_] = len(old) + int(tf.strings.to_hash_bucket_fast(text, buckets))
        rows[len(column.values) : len(column.values) + buckets] = len(old) + np.arange(buckets)
        rows[-1] = places.get("", -1)
        return len(old) + buckets, rows

    def _order(self, column: Vocabulary) -> tuple[Any, ...]:
        return self._given.get(column.name, column.values)

    def _read(self, feature: str, given: Any) -> tuple[Any, ...]:
        """Returns an old vocabulary, given as a list or as a file with one value per line."""
        where = f"warm_start.vocabularies.{feature}"
        column = self.columns.get(feature)
        if not isinstance(column, Vocabulary):
            known = [n for n, c in self.columns.items() if isinstance(c, Vocabulary)]
            raise MillraceError(
                f"{where}: expected a feature of kind vocabulary or sequence, out of {known}; "
                f"found {feature!r}.",
                note="name one of these features.",
            )
        if isinstance(given, str):
            try:
                given = lines(Path(given).read_bytes().decode("utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise MillraceError(
                    f"{where}: expected a vocabulary in UTF-8, found none ({error}).",
                    note="save the file as UTF-8, one value per line.",
                ) from None
        values = _as_values([str(value) for value in given], column)
        if repeated := [value for value, count in Counter(values).items() if count > 1]:
            raise MillraceError(
                f"{where}: expected different values, one a row, found some again: {repeated[:5]}.",
                note="remove the repetitions, and the rows of the embedding with them.",
            )
        return values

    def _confirm_vocabulary(self, column: Vocabulary) -> None:
        old = self._order(column)
        tables = [_as_values(table, column) for table in self._variables.tables]
        told = column.name in self._given
        stated = told or (self._as_declared and column.name in self._declared)
        # A table with the same values in another order contradicts the stated order.
        turned = [table for table in tables if table != old and set(table) == set(old)]
        if old not in tables and (turned or not stated):
            found = turned or tables
            listed = "; ".join(str([*table[:10]]) for table in found) or "none"
            key = "values" if self._as_declared else f"warm_start.vocabularies.{column.name}"
            raise MillraceError(
                f"{self._variables.path}: expected the old vocabulary of {column.name!r} in its "
                f"order, in which the rows are; found {[*old[:10]]} for the feature, and {listed} "
                "in the old model.",
                note=f"write the old vocabulary, a list or a file, into {key}.",
            )
        self.matched[column.name] = {
            "values": len(column.values),
            "of the old model": len(set(column.values) & set(old)),
        }

    def _confirm_boundaries(self, column: Bucketized) -> None:
        graph = self._variables.graph
        nodes = (node for node in graph.node if node.op == "Bucketize") if graph else ()
        known = [[*node.attr["boundaries"].list.f] for node in nodes]
        ours = [float(np.float32(x)) for x in column.boundaries]
        if ours not in known and (known or column.name not in self._declared):
            raise MillraceError(
                f"{self._variables.path}: expected the old model's boundaries of "
                f"{column.name!r}, out of {known or 'none that its files tell'}; found {ours}.",
                note=f"declare features.{column.name}.boundaries as they were.",
            )

    def _confirm_key(self, cross: CrossedTf1, key: FeatureColumn) -> None:
        """Checks a key of a cross: the cross hashes its ids, which must be the old ones."""
        assert isinstance(key, Categorical)
        self.confirm(key)
        if isinstance(key, Vocabulary) and self._order(key) != key.values:
            raise MillraceError(
                f"features.{cross.name}: expected a key with the ids that it had in the old model, "
                f"which the cross hashes; found {key.name!r} with another vocabulary.",
                note=f"cross a feature with the old vocabulary, or leave {cross.name} out.",
            )


def _as_values(texts: Any, column: Vocabulary) -> tuple[Any, ...]:
    """Converts texts to a column's values: numbers if it has numbers and the text is one."""
    if isinstance(column.values[0], str):
        return tuple(texts)
    return tuple(_number(text) for text in texts)


def _number(text: str) -> Any:
    try:
        return float(np.float32(text))
    except ValueError:
        return text
