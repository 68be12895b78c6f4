"""Fits feature columns on a pandas DataFrame, for notebooks.

    preprocessing = dataframe.fit(table, label="income", features={"age": "numeric"})
    encoded = preprocessing.transform(table)
    preprocessing.save(Path("preprocessing.json"))

`Preprocessing.load` reads it back, like the preprocessing.json of a job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from millrace import config
from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.errors import MillraceError
from millrace.features import preprocessing
from millrace.features.feature_columns.base import nearest
from millrace.statistics import statistics
from millrace.tfrecord.examples import arrow_schema

_TYPES: list[tuple[Callable[[pa.DataType], bool], str]] = [
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int64"),
    (pa.types.is_float32, "float32"),
    (pa.types.is_floating, "float64"),
    (pa.types.is_decimal, "float64"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_string, "string"),
    (pa.types.is_large_string, "string"),
    (pa.types.is_null, "string"),
]


def fit(
    table: pd.DataFrame, label: str, features: str | Mapping[str, Any] = "auto"
) -> preprocessing.Preprocessing:
    """Fits feature columns on all rows of a table.

    Args:
        table: the training examples. Times without a zone are UTC.
        label: the column to predict.
        features: as in a config: `auto`, or settings by name.

    Raises:
        MillraceError: the settings are wrong, or the table does not fit them.
    """
    names = [str(name) for name in table.columns]
    if len({*names}) < len(names):
        raise MillraceError(
            f"table: expected columns of different names, found {names}.",
            note="rename the columns that repeat a name.",
        )
    columns = {str(name): _arrow(str(name), values) for name, values in table.items()}
    if label not in columns:
        raise MillraceError(
            f"label: expected a column of the table, found {label!r}.", note=nearest(label, columns)
        )
    schema = Schema(
        [SchemaColumn(name, _type(name, column)) for name, column in columns.items()], label
    )
    batches = pa.table(columns).cast(arrow_schema(schema.types)).to_batches()
    job = {"name": "notebook", "data": {"files": "-", "label": label}, "features": features}
    # A notebook may use hashing that TF Lite lacks.
    completed = config.complete(job | {"export": {"tflite": False}}, source="fit")
    described = statistics.describe({"train": batches}, schema)
    return preprocessing.learn(completed.features, schema, described)


def _arrow(name: str, values: pd.Series) -> pa.Array:
    try:
        column = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise MillraceError(
            f"column {name!r}: expected values of one type, found others ({error}).",
            note="convert the column first, as in table[name].astype(str).",
        ) from None
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _type(name: str, column: pa.Array) -> str:
    for fits, type_ in _TYPES:
        if fits(column.type):
            return type_
    raise MillraceError(
        f"column {name!r}: expected numbers, text or times, found {column.type}.",
        note="drop it, or flatten it first.",
    )
