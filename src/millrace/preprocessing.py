"""Preprocessing: all feature columns of a job as one graph, from raw rows to encoded examples.

In a notebook:

    preprocessing = Preprocessing.load(Path("results/flights/preprocessing.json"))
    encoded = preprocessing.encode(raw_columns(dataframe, preprocessing.raw))
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.feature_columns import (
    Bucketized,
    Categorical,
    Crossed,
    FeatureColumn,
    Numeric,
    Raw,
    Vocabulary,
    from_json,
)
from millrace.files import read_json, write_json
from millrace.proposal import propose
from millrace.tasks import Task

# Stands for a missing int64 while an example is parsed: int64 has no NaN.
_MISSING_INTEGER = -(2**63)

# Up to so many ids a categorical feature enters a model one-hot, above as an embedding.
LARGEST_INDICATOR = 64
DEFAULT_EMBEDDING_DIMENSION = 16


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
        return self.type in ("int64", "float32", "float64", "bool")


@dataclass(frozen=True)
class CategoricalInput:
    """How a model reads one column of `ids`: one-hot, or by an embedding of `dimension`."""

    feature: str
    cardinality: int
    representation: str
    dimension: int


@dataclass(frozen=True)
class EncodedSpec:
    """What an encoded example holds: float32 `numbers` and int32 `ids`, one place an entry."""

    numbers: tuple[str, ...]
    ids: tuple[CategoricalInput, ...]


@dataclass(frozen=True)
class Preprocessing:
    """What the feature columns learned: enough to encode a raw row anywhere.

    Attributes:
        raw: the raw columns that the feature columns read, in the order of the table.
        columns: the feature columns; a cross comes after its keys.
        inputs: how models read the categorical features.
        label_column: the raw column that holds the label.
        task: what is predicted.
        left_out: raw columns that no feature reads, with the reason.
    """

    raw: tuple[RawColumn, ...]
    columns: tuple[FeatureColumn, ...]
    inputs: tuple[CategoricalInput, ...]
    label_column: RawColumn
    task: Task
    left_out: Mapping[str, str]

    @property
    def spec(self) -> EncodedSpec:
        """What `encode` returns."""
        numbers = []
        for column in self.columns:
            if isinstance(column, Numeric):
                numbers.append(column.name)
                if column.missing_indicator:
                    numbers.append(f"{column.name} is missing")
        return EncodedSpec(numbers=tuple(numbers), ids=self.inputs)

    def encode(self, raw: Raw) -> dict[str, tf.Tensor]:
        """Runs the feature columns.

        Args:
            raw: a tensor or array of shape [n] for each raw column: float32, NaN for missing; or
                string, "" for missing.

        Returns:
            `numbers`, float32 [n, len(spec.numbers)], and `ids`, int32 [n, len(spec.ids)]; a
            part of width 0 is left out, because TF Lite has no empty tensors.
        """
        numbers: list[tf.Tensor] = []
        ids: dict[str, tf.Tensor] = {}
        for column in self.columns:
            if isinstance(column, Crossed):
                ids[column.name] = column.cross([ids[key] for key in column.keys])
            elif isinstance(column, Categorical):
                ids[column.name] = column.encode(raw)
            elif isinstance(column, Numeric):
                numbers.append(column.encode(raw))
        encoded = {}
        if numbers:
            encoded["numbers"] = tf.concat(numbers, axis=1)
        if self.inputs:
            encoded["ids"] = tf.concat([ids[entry.feature] for entry in self.inputs], axis=1)
        return encoded

    def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses serialized tf.train.Example protos, string [n], into what `encode` takes."""
        return parse_examples(serialized, self.raw)

    def save(self, path: Path) -> None:
        """Writes the state as JSON; `load` gives an equal Preprocessing."""
        write_json(
            path,
            {
                "raw": [asdict(column) for column in self.raw],
                "columns": [column.to_json() for column in self.columns],
                "inputs": [asdict(entry) for entry in self.inputs],
                "label_column": asdict(self.label_column),
                "task": asdict(self.task),
                "left_out": dict(self.left_out),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Preprocessing:
        """Reads what `save` wrote."""
        state = read_json(path)
        return cls(
            raw=tuple(RawColumn(**column) for column in state["raw"]),
            columns=tuple(from_json(column) for column in state["columns"]),
            inputs=tuple(CategoricalInput(**entry) for entry in state["inputs"]),
            label_column=RawColumn(**state["label_column"]),
            task=Task.from_json(state["task"]),
            left_out=state["left_out"],
        )


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
    files = tf.data.TFRecordDataset([str(shard) for shard in shards])
    records = np.array(list(files.as_numpy_iterator()), dtype=object)
    if rows is not None and rows < len(records):
        drawn = np.random.Generator(np.random.Philox(seed)).choice(len(records), rows, False)
        records = records[np.sort(drawn)]
    columns = parse_examples(tf.constant(records, tf.string), raw)
    return {
        name: values.numpy()
        if values.dtype == tf.float32
        else np.array([x.decode() for x in values.numpy()], dtype=object)
        for name, values in columns.items()
    }


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


def learn(
    features: dict[str, dict[str, Any]] | str,
    schema: dict[str, Any],
    statistics: dict[str, Any],
) -> Preprocessing:
    """Lets every feature column learn from the statistics of the training examples.

    Args:
        features: the `features` section of a completed config: `auto`, or settings by name.
        schema: schema.json.
        statistics: statistics.json.

    Raises:
        MillraceError: a feature names a column or feature that does not exist, or its kind does
            not fit the column.
    """
    train = statistics["splits"]["train"]["columns"]
    label = schema["label"]
    available = {name: column for name, column in train.items() if name != label}
    left_out: dict[str, str] = {}
    if isinstance(features, str):
        features, left_out = propose(available, statistics["splits"]["train"]["rows"])
    columns = _learn_columns(features, available, label)
    used = {column.column for column in columns if not isinstance(column, Crossed)}  # type: ignore[attr-defined]
    types = {column["name"]: column["type"] for column in schema["columns"]}
    for name in available:
        if name not in used:
            left_out.setdefault(name, "no feature names it")
    return Preprocessing(
        raw=name_columns({name: type_ for name, type_ in types.items() if name in used}),
        columns=tuple(columns),
        inputs=tuple(_inputs(features, columns)),
        label_column=name_columns({label: types[label]})[0],
        task=Task.from_statistics(statistics),
        left_out=left_out,
    )


def _learn_columns(
    features: dict[str, dict[str, Any]], available: dict[str, Any], label: str
) -> list[FeatureColumn]:
    kinds: dict[str, Any] = {"numeric": Numeric, "vocabulary": Vocabulary, "bucketized": Bucketized}
    learned: dict[str, FeatureColumn] = {}
    for name, settings in features.items():
        if settings["kind"] in kinds:
            column = settings.get("column", name)
            if column == label:
                raise MillraceError(
                    f"features.{name}: expected a feature, found the label {label!r}."
                )
            if column not in available:
                raise MillraceError(
                    f"features.{name}: expected one of the table's columns, found {column!r}.",
                    note=_nearest(column, available),
                )
            learned[name] = kinds[settings["kind"]].learn(name, settings, available[column])
    for name, settings in features.items():
        if settings["kind"] == "crossed":
            keys = [_categorical(key, f"features.{name}.keys", learned) for key in settings["keys"]]
            learned[name] = Crossed.learn(name, settings, keys)
    return list(learned.values())


def _inputs(
    features: dict[str, dict[str, Any]], columns: list[FeatureColumn]
) -> list[CategoricalInput]:
    """A categorical feature enters as its wrappers (embedding, indicator) say, or by its size."""
    learned = {column.name: column for column in columns}
    inputs, wrapped = [], set()
    for name, settings in features.items():
        if settings["kind"] in ("embedding", "indicator"):
            of = _categorical(settings["of"], f"features.{name}.of", learned)
            wrapped.add(of.name)
            dimension = settings.get("dimension", of.cardinality)
            inputs.append(CategoricalInput(of.name, of.cardinality, settings["kind"], dimension))
    for column in columns:
        if isinstance(column, Categorical) and column.name not in wrapped:
            size = column.cardinality
            inputs.append(
                CategoricalInput(column.name, size, "indicator", size)
                if size <= LARGEST_INDICATOR
                else CategoricalInput(column.name, size, "embedding", DEFAULT_EMBEDDING_DIMENSION)
            )
    return inputs


def _categorical(name: str, where: str, learned: dict[str, FeatureColumn]) -> Categorical:
    column = learned.get(name)
    if isinstance(column, Categorical):
        return column
    found = f"{name!r}, a {column.kind} feature" if column else f"{name!r}, which is no feature"
    categorical = [key for key, value in learned.items() if isinstance(value, Categorical)]
    raise MillraceError(
        f"{where}: expected a categorical, bucketized or crossed feature, found {found}.",
        note=f"the features that fit are {categorical}."
        if categorical
        else "declare one with kind: vocabulary or kind: bucketized.",
    )


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the columns are {list(names)}."
