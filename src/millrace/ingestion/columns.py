"""The types of a table's columns, inferred from its cells or read from a committed schema."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from millrace.artifacts.account import Taken
from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.config.data import DataConfig
from millrace.errors import MillraceError
from millrace.ingestion import cells, formats, inference, notes, origins
from millrace.ingestion.blocks import Markers
from millrace.ingestion.committed_schema import Domain, read_schema
from millrace.ingestion.tables import Census, check_column


@dataclass(frozen=True)
class Columns:
    """How to read the cells of a table, and which rows are bad.

    Attributes:
        types: the type of each column to read: those of examples, ids, and a time to split by.
        described: the entry of each column in schema.json.
        formats: the formats of columns of numbers or times, if not the standard one.
        required: columns whose missing values make a row bad.
        domains: the allowed values of columns.
        unique: columns in which repeated values are rejected.
        markers: the texts that mean missing.
        read_as: the types to pass to readers; cells of other columns are classified.
        taken: interpretations of cells that a person should check.
    """

    types: Mapping[str, str]
    described: Mapping[str, SchemaColumn]
    formats: Mapping[str, formats.Format]
    required: Collection[str]
    domains: Mapping[str, Domain]
    unique: Sequence[str]
    markers: Markers
    read_as: dict[str, str]
    taken: Sequence[Taken]

    def reads_as(self, other: "Columns") -> bool:
        """Returns whether types and formats are equal, so that both read the same rows."""
        return (self.types, self.formats) == (other.types, other.formats)

    def schema(self, data: DataConfig, index: Collection[str]) -> Schema:
        """Returns the schema of the examples; `index` names columns that only number the rows."""
        roles = dict.fromkeys(index, "index")
        if data.split.column and data.split.by in ("group", "time"):
            roles[data.split.column] = data.split.by
        left_out = {*data.exclude, *data.ids}
        columns = [
            replace(
                self.described[name], type=type_, role=roles.get(name) or self.described[name].role
            )
            for name, type_ in self.types.items()
            if name not in left_out
        ]
        return Schema(columns, data.label, data.weight)


def inferred(census: Census, data: DataConfig, whole: bool) -> Columns:
    """Infers the columns from a census.

    `whole` says whether the census covers all rows. If not, readers still classify the cells of
    columns that look like text so far.
    """
    left_out, label = {*data.exclude, *data.ids}, data.label
    looked_at = [name for name in census.names if name not in left_out]
    if (divided_by := data.split.column) and divided_by not in looked_at:
        looked_at.append(divided_by)
    given = inference.Given.of(data)
    found = inference.infer(census, looked_at, given, data.max_rejected)
    confirmed = bool(data.missing_values)
    described = {
        name: SchemaColumn(
            name=name,
            type=found.types[name],
            required=name in (label, data.weight) or not census[name][cells.MISSING],
            missing_values=list(data.markers),
        )
        for name in looked_at
    }
    described |= {
        name: format_.describe(described[name]) for name, format_ in found.formats.items()
    }
    types = _types(census.names, data, given, described)
    as_text = [*(found.formats if whole else given.formats), *data.ids]
    described, required, domains = _weighted(data, types, described, [], {})
    return Columns(
        types,
        described,
        found.formats,
        required,
        domains,
        unique=(),
        markers=Markers.of(data.markers),
        # Readers pass a column with a format as text, which the format then parses.
        read_as=dict(types if whole else given.types) | dict.fromkeys(as_text, "string"),
        taken=[*found.taken, *notes.marked(census, label, looked_at, confirmed)],
    )


def committed(names: Sequence[str], data: DataConfig) -> Columns:
    """Returns the columns of a table with these names by the committed schema.

    Raises MillraceError when it does not fit the table.
    """
    path, left_out = Path(str(data.schema_path)), {*data.exclude, *data.ids}
    described = read_schema(path, names)
    wanted = [name for name in names if name not in left_out]
    if more := [name for name in wanted if name not in described]:
        raise MillraceError(
            f"{path}: expected all columns of the table, found none of {more}.",
            note="add them to the schema, or leave them out with data.exclude.",
        )
    given = inference.Given.of(data)
    written = {name: found for name in wanted if (found := formats.of_column(described[name]))}
    written |= dict(given.formats)
    described |= {
        name: format_.describe(described[name])
        for name, format_ in written.items()
        if name in described
    }
    domains = {name: domain for name in wanted if (domain := Domain.of(described[name]))}
    common = data.markers
    said = {name: described[name].missing_values for name in wanted}
    markers = {name: common if own is None else tuple(own) for name, own in said.items()}
    own = {name: texts for name, texts in markers.items() if texts != common}
    types = _types(names, data, given, described)
    # A row without a label is not bad; it is counted separately.
    required = [name for name in wanted if described[name].required]
    required = [name for name in required if name != data.label]
    described, required, domains = _weighted(data, types, described, required, domains)
    return Columns(
        types,
        described,
        written,
        required,
        domains,
        unique=[name for name in wanted if described[name].unique],
        markers=Markers.of(common, own),
        read_as=dict(types) | dict.fromkeys([*written, *data.ids], "string"),
        taken=(),
    )


def _types(
    names: Sequence[str],
    data: DataConfig,
    given: inference.Given,
    described: Mapping[str, SchemaColumn],
) -> dict[str, str]:
    left_out, split = {*data.exclude, *data.ids}, data.split
    time = split.column if split.by == "time" else None
    return {
        name: given.types.get(name) or described[name].type
        for name in names
        if name not in left_out or name == time
    } | dict.fromkeys(data.ids, "string")


def _weighted(
    data: DataConfig,
    types: Mapping[str, str],
    described: dict[str, SchemaColumn],
    required: list[str],
    domains: dict[str, Domain],
) -> tuple[dict[str, SchemaColumn], list[str], dict[str, Domain]]:
    """Returns descriptions, required columns and domains that reject invalid weights."""
    weight = data.weight
    if not weight:
        return described, required, domains
    if types[weight] not in ("int64", "float32", "float64"):
        raise MillraceError(
            f"data.weight: expected a column of numbers, found {weight!r} of type {types[weight]}.",
            note="name a column of numbers, or set its type under data.types.",
        )
    column = replace(described[weight], required=True)
    least = 0 if column.min is None else column.min
    domain = Domain(replace(column, type=types[weight], min=least))
    required = [*dict.fromkeys([*required, weight])]
    return {**described, weight: column}, required, {**domains, weight: domain}


def check(names: Sequence[str], data: DataConfig) -> None:
    """Raises MillraceError when the config names a column that the table lacks, or names one in
    two roles."""
    label, weight = data.label, data.weight
    check_column(label, names, "data.label")
    named = {"types": data.types, "exclude": data.exclude, "ids": data.ids}
    for key, columns in named.items():
        for name in columns:
            check_column(name, names, f"data.{key}")
    if weight:
        check_column(weight, names, "data.weight")
    if weight == label:
        raise MillraceError(
            f"data.weight: expected another column than the label, found {label!r}.",
            note="name the column with the weight of each row, or remove data.weight.",
        )
    for role, column in (("label", label), ("weight", weight)):
        for key in ("exclude", "ids"):
            if column in named[key]:
                raise MillraceError(
                    f"data.{key}: expected no {role}, found {column!r}.",
                    note=f"remove it from data.{key}, or name another column.",
                )
    if taken := [name for name in data.ids if origins.is_reserved(name)]:
        raise MillraceError(
            f"data.ids: expected names that no column of predictions has, found {taken}.",
            note="rename the column in the table.",
        )
