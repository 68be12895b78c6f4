"""schema.json and suggested_schema.json"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class SchemaColumn(Record):
    """A column of the table.

    Attributes:
        name: its name in the header.
        type: the type of its cells.
        required: whether a row without a value is rejected.
        missing_values: cell texts that are treated as missing in this column.
        decimal: the decimal separator of its numbers, if set or detected.
        thousands: their thousands separator, if any.
        format: the format of its dates or times, for strptime.
        role: why `features: auto` leaves it out: it is the table's stored index, or the rows are
            split by it.
        min: the lowest allowed value; for a date or time as text.
        max: the highest allowed value.
        values: the allowed values.
        unique: whether a row that repeats a value of an earlier row is rejected.
    """

    name: str
    type: str
    required: bool | None = None
    missing_values: list[str] | None = None
    decimal: str | None = None
    thousands: str | None = None
    format: str | None = None
    role: str | None = None
    min: Value | None = None
    max: Value | None = None
    values: list[Value] | None = None
    unique: bool | None = None


@dataclass(frozen=True)
class Schema(Artifact):
    """The columns of the examples. The suggested schema also has their allowed values.

    Attributes:
        columns: the columns, in the order of the table.
        label: the name of the label's column.
        weight: the name of the column of row weights.
    """

    columns: list[SchemaColumn]
    label: str
    weight: str | None = None

    @property
    def types(self) -> dict[str, str]:
        """The type of each column by name."""
        return {column.name: column.type for column in self.columns}

    def select(self, names: Iterable[str]) -> Self:
        """Returns a schema with only these columns, in the order of the table."""
        wanted = set(names)
        return replace(self, columns=[x for x in self.columns if x.name in wanted])
