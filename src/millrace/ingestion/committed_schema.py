"""A committed schema: the columns of a table, their types and allowed values."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from millrace.artifacts.records import fault
from millrace.artifacts.schema import SchemaColumn
from millrace.errors import MillraceError
from millrace.tfrecord.examples import ARROW_TYPES

Array = np.ndarray[Any, Any]

KEYS = {field.name for field in fields(SchemaColumn)}


def read_schema(path: Path, names: Sequence[str]) -> dict[str, SchemaColumn]:
    """Reads a reviewed schema.json; returns its columns by name.

    In addition to the keys that ingest writes, a column may have `min`, `max`, `values` (the
    allowed values) and `unique`. `names` are the table's columns. Raises MillraceError when the
    file is not a schema, or names a column that the table lacks.
    """
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))["columns"]
        found = {column["name"]: column for column in columns}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MillraceError(
            f"{path}: expected a schema as ingest writes it, found another file ({error!r}).",
            note="copy results/<name>/schema.json, edit it, and name the copy under data.schema.",
        ) from None
    for name, column in found.items():
        if unknown := sorted(set(column) - KEYS):
            raise MillraceError(
                f"{path}: column {name!r}: expected keys out of {sorted(KEYS)}, found {unknown}.",
                note="remove the keys, or see suggested_schema.json for an example.",
            )
        if column.get("type") not in ARROW_TYPES:
            raise MillraceError(
                f"{path}: column {name!r}: expected a type out of {sorted(ARROW_TYPES)}, "
                f"found {column.get('type')!r}.",
                note="change the type to one of these.",
            )
        if name not in names:
            raise MillraceError(
                f"{path}: expected the columns of the table, found {name!r} too.",
                note="remove the column from the schema, or add it to the table.",
            )
    adapter = TypeAdapter(SchemaColumn)
    return {name: _checked(path, name, column, adapter) for name, column in found.items()}


def _checked(
    path: Path, name: str, column: Any, adapter: TypeAdapter[SchemaColumn]
) -> SchemaColumn:
    try:
        return adapter.validate_json(json.dumps(column))
    except ValidationError as error:
        raise MillraceError(
            f"{path}: column {name!r}: {fault(error.errors()[0])}.",
            note="see suggested_schema.json for an example.",
        ) from None


class Domain:
    """The allowed values of a column: between two bounds, or in a list.

    Raises MillraceError when the bounds or the list do not have the column's type.
    """

    def __init__(self, column: SchemaColumn) -> None:
        type_ = ARROW_TYPES[column.type]
        try:
            self._bounds = {
                key: _scalar(bound, type_)
                for key, bound in (("min", column.min), ("max", column.max))
                if bound is not None
            }
            self._values = (
                None
                if column.values is None
                else pa.array([_scalar(value, type_) for value in column.values], type_)
            )
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise MillraceError(
                f"data.schema: column {column.name!r}: expected a domain of {column.type} "
                f"values, found another ({error}).",
                note="write min, max and values in the type of the column.",
            ) from None

    @classmethod
    def of(cls, column: SchemaColumn) -> "Domain | None":
        """Returns the domain of a column of a schema, or None."""
        limits = (column.min, column.max, column.values)
        return None if limits == (None, None, None) else cls(column)

    def outside(self, values: pa.Array) -> Array:
        """Returns which values are not allowed: bool [rows]. Missing values are allowed."""
        outside = np.zeros(len(values), np.bool_)
        for key, compare in (("min", pc.less), ("max", pc.greater)):
            if key in self._bounds:
                found = compare(values, self._bounds[key]).fill_null(False)
                outside |= found.to_numpy(zero_copy_only=False)
        if self._values is not None:
            among = pc.or_(pc.is_in(values, self._values), values.is_null())
            outside |= ~among.to_numpy(zero_copy_only=False)
        return outside

    def __str__(self) -> str:
        parts = [f"{key} {bound}" for key, bound in self._bounds.items()]
        if self._values is not None:
            listed = ", ".join(str(value) for value in self._values[:5])
            parts.append(f"out of {listed}{' …' if len(self._values) > 5 else ''}")
        return " and ".join(parts)


def _scalar(value: Any, type_: pa.DataType) -> pa.Scalar:
    if isinstance(value, str):
        return pa.scalar(value).cast(type_)
    return pa.scalar(value, type_)
