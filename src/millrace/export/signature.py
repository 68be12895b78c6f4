"""Inputs and outputs of the exported models, as in signature.json."""

from __future__ import annotations

from millrace.artifacts.signature import Input, Signature
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import RawColumn
from millrace.ingestion import formats


def describe(model: str, preprocessing: Preprocessing, threshold: float | None) -> Signature:
    """Returns the content of signature.json.

    Args:
        model: the champion's name.
        preprocessing: the champion's feature columns, with the raw columns that it takes.
        threshold: the lowest probability that counts as positive in a binary task.
    """
    label, task = preprocessing.label_column, preprocessing.task
    return Signature(
        model=model,
        inputs=[describe_input(column) for column in preprocessing.raw],
        output="predictions",
        task=task.kind,
        classes=list(task.classes),
        label=label.name,
        label_type=label.type,
        label_std=task.std,
        threshold=threshold,
    )


def describe_input(column: RawColumn) -> Input:
    """Returns the entry of a raw column, which docs/serving.md explains."""
    written = formats.of_column(column)
    number = written if isinstance(written, formats.NumberFormat) else None
    return Input(
        name=column.name,
        key=column.key,
        type="float32" if column.is_number else "string",
        column_type=column.type,
        max_length=column.max_length,
        delimiter=column.delimiter,
        missing=None if column.missing is None else list(column.markers),
        takes_cells=column.takes_cells,
        decimal=number.decimal if number else None,
        thousands=number.thousands if number else None,
        format=column.format,
    )
