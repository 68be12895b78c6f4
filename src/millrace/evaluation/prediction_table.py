"""Writes the predictions of evaluated examples, predictions.parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.artifacts.records import Value
from millrace.files import replacing


def write(
    path: Path,
    origins: pa.Table,
    classes: Sequence[Any],
    labels: np.ndarray,
    predictions: np.ndarray,
) -> None:
    """Writes file, row, ids, label and prediction of every example.

    Args:
        path: the Parquet file.
        origins: the origin of each example, see millrace.ingestion.origins.
        classes: the names of the classes; empty for a regression.
        labels: [n], a class index or a number.
        predictions: [n], or [n, classes] with a column for each class.
    """
    columns: dict[str, pa.ChunkedArray | np.ndarray | list[Value]] = dict(
        zip(origins.column_names, origins.columns, strict=True)
    )
    columns["label"] = [classes[int(i)] for i in labels] if classes else labels
    if predictions.ndim == 1:
        columns["prediction"] = predictions
    else:
        for name, column in zip(classes, predictions.T, strict=True):
            columns[f"prediction_{name}"] = column
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
