"""Writes scored rows as Parquet, CSV or JSON lines, by the file extension."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv

from millrace.artifacts.signature import Signature
from millrace.errors import MillraceError
from millrace.ingestion.row_groups import RowGroupWriter


class Writer(Protocol):
    """A file that is written in batches."""

    def write(self, rows: pa.Table) -> None:
        """Writes the next rows."""

    def close(self) -> None:
        """Finishes the file."""


def check_ending(path: Path) -> None:
    """Raises MillraceError when a file's ending is not that of a format."""
    if path.suffix not in WRITERS:
        raise MillraceError(
            f"{path}: expected a name that ends with {', '.join(WRITERS)}, found "
            f"{path.suffix or 'no ending'}.",
            note="the ending says what is written: Parquet, CSV or JSON lines.",
        )


def open_writer(path: Path, ending: str, fields: pa.Schema) -> Writer:
    """Opens a new file for rows with these columns, in the format of the ending."""
    return WRITERS[ending](path, fields)


def fields(signature: Signature, ids: Sequence[str]) -> pa.Schema:
    """Returns the columns of scored rows: file, row, ids, and predictions."""
    none = np.zeros((0, len(signature.classes)) if signature.task == "multiclass" else 0)
    columns = {"file": pa.string(), "row": pa.int64(), **dict.fromkeys(ids, pa.string())}
    predicted = predicted_columns(signature, none.astype(np.float32))
    return pa.schema([*columns.items(), *((name, x.type) for name, x in predicted.items())])


def predicted_columns(signature: Signature, predictions: np.ndarray) -> dict[str, pa.Array]:
    """Returns the predictions as in predictions.parquet, and the decisions based on them.

    Args:
        signature: the signature of the model.
        predictions: float32 [n], or [n, classes].
    """
    if signature.task == "regression":
        return {"prediction": pa.array(predictions)}
    classes = pa.array(signature.classes)
    if signature.task == "multiclass":
        columns = {
            f"prediction_{name}": pa.array(np.ascontiguousarray(column))
            for name, column in zip(signature.classes, predictions.T, strict=True)
        }
        return columns | {"class": classes.take(pa.array(predictions.argmax(axis=1)))}
    assert signature.threshold is not None, "a binary task has a threshold"
    # In float64, because otherwise the threshold would be rounded to float32.
    positive = predictions.astype(np.float64) >= signature.threshold
    decided = classes.take(pa.array(positive.astype(np.int64)))
    return {"prediction": pa.array(predictions), "class": decided, "decision": pa.array(positive)}


class _Parquet(RowGroupWriter):
    def __init__(self, path: Path, fields: pa.Schema) -> None:
        # Dictionaries only for columns with repeated values, because others would be slow.
        repeated = [name for name in ("file", "class") if name in fields.names]
        super().__init__(path, fields, repeated)


class _Csv:
    def __init__(self, path: Path, fields: pa.Schema) -> None:
        self._writer = pyarrow.csv.CSVWriter(path, fields)

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path, fields: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: pa.Table) -> None:
        lines = (json.dumps(row, ensure_ascii=False) for row in rows.to_pylist())
        self._file.writelines(f"{line}\n" for line in lines)

    def close(self) -> None:
        self._file.close()


WRITERS: dict[str, type[_Parquet] | type[_Csv] | type[_JsonLines]] = {
    ".parquet": _Parquet,
    ".csv": _Csv,
    ".jsonl": _JsonLines,
}
