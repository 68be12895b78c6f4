"""`data`: the raw files, how to read them, and how to divide their rows."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from millrace.config.anomalies import AnomaliesConfig
from millrace.config.values import (
    Count,
    DatabasePath,
    Distinct,
    Items,
    LocalPath,
    Number,
    Section,
    Several,
    Some,
    Text,
    Whole,
)


def _known_encoding(name: str) -> str:
    """Checks that Python knows this text encoding."""
    try:
        known = "a".encode(name).decode(name) == "a"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise PydanticCustomError("encoding", "an encoding of text")
    return name


USUAL_MARKERS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "?")

ColumnType: TypeAlias = Literal[
    "int64", "float32", "float64", "string", "bool", "date", "timestamp"
]
Decimal: TypeAlias = Literal[".", ","]
Thousands: TypeAlias = Literal["", ",", ".", " ", "'"]


class TypeConfig(Section):
    """The type of a column, and how its cells are written."""

    kind: ColumnType = Field(description="The type.")
    decimal: Decimal | None = Field(default=None, description="The decimal separator.")
    thousands: Thousands | None = Field(default=None, description="The thousands separator.")
    format: str | None = Field(
        default=None,
        min_length=2,
        description="The format of a date or timestamp, with the directives of Python's strptime, "
        "such as `%d/%m/%Y`; `%s` and `%Q` are seconds and milliseconds since 1970.",
    )


class SplitFiles(Section):
    """The files of each split."""

    train: Text | Some[Text]
    validation: Text | Some[Text] | None = None
    test: Text | Some[Text]

    def by_split(self) -> dict[str | None, str | tuple[str, ...]]:
        """Returns the files of the splits that have any, by the split's name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: files for split, files in found.items() if files is not None}


class SplitConfig(Section):
    """`data.split`."""

    by: Literal["row", "stratum", "group", "time"] = Field(
        default="row",
        description="`row`: each row at random, by its position in its file, stratified by the "
        "class of the label. `stratum`: as `row`, stratified by `column`. `group`: by a hash of "
        "`column`, so that rows with the same value, such as one customer's, are in one split. "
        "`time`: by the values of `column`, earlier rows for training.",
    )
    column: str | None = Field(
        default=None,
        description="With `by: time`: the column to order by. With `by: group`: the column that "
        "names the group. With `by: stratum`: the column to stratify by; default: the label.",
    )
    copies: Literal["separate", "together"] = Field(
        default="separate",
        description="With `by: row`: whether rows that are equal in all columns but the label, "
        "the weight and those under `exclude` are assigned separately, or together to one split, "
        "which makes shares approximate.",
    )
    validation: Number | str = Field(
        default=0.15,
        description="The share of the rows for validation; with `by: time`, the first value of "
        "`column` that belongs to validation.",
    )
    test: Number | str = Field(
        default=0.15,
        description="The share of the rows for the test; with `by: time`, the first value of "
        "`column` that belongs to the test.",
    )
    gap: Number = Field(
        default=0,
        ge=0,
        description="With `by: time`: leave out rows less than this before validation or test, "
        "whose labels may not have been known in time. In days, or in units of `column` if it "
        "holds numbers.",
    )
    folds: Several | None = Field(
        default=None,
        description="Number of folds for k-fold cross-validation with one job per fold: the rows "
        "outside the test are divided into folds of equal size, and `fold` is used for "
        "validation, instead of the share under `validation`.",
    )
    fold: Whole = Field(
        default=0,
        description="With `folds`: the fold used for validation, counted from 0.",
    )


class DataConfig(Section):
    """`data`."""

    files: Text | Some[Text] | SplitFiles = Field(
        description="A path, a folder (all files in it, except those that begin with `.` or `_`), "
        "a glob, an http(s) or s3 URL, an .sql file with a query, `table:name` for a table of "
        "`database`, or a list of them; or a map with `train`, `test` and optionally "
        "`validation`; or `bundled:flights`. Folders named `key=value` on a file's path become "
        "columns of its rows."
    )
    sha256: Mapping[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(
        default_factory=dict,
        description="The expected checksum of a file, by its path or URL as written under `files`.",
    )
    label: Text = Field(description="The column to predict.")
    weight: Text | None = Field(
        default=None,
        description="The column with the weight of each row, at least 0, in the training loss and "
        "in the evaluation. It is not a feature. Default: all rows weigh the same.",
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        default="auto",
        description="`auto` infers it from the label: two values are binary; strings, or at most "
        "12 distinct integers, multiclass; anything else is a regression.",
    )
    positive: str | Number | bool | None = Field(
        default=None,
        description="The label's value that is the positive class of a binary task. Default: the "
        "last of the two in sorted order.",
    )
    delimiter: str | None = Field(
        default=None,
        pattern="^[\\x00-\\x7f]$",
        description="The ASCII character between the cells of a CSV. Default: detected from the "
        "file.",
    )
    quote: str | None = Field(
        default=None,
        pattern=r"^([\x00-\x7f]|none)$",
        description="The ASCII character around cells of a CSV that contain a delimiter or a line "
        "break; `none` if quotes are text, as in the TSV files of IMDb. Default: double quotes, "
        "or none if quoted cells would swallow rows; a cell that seems to contain whole rows "
        "further down is refused.",
    )
    escape: Literal["\\", ""] | None = Field(
        default=None,
        description='Whether a backslash in a CSV escapes the next character, as in \\" for a '
        "quote. Default: detected from the file.",
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = Field(
        default=None,
        description="The encoding of text files, such as latin-1, cp1252 or shift_jis. Default: "
        "UTF-8, or UTF-16 by its byte order mark; Latin-1 if the text is not valid UTF-8.",
    )
    skip_lines: Whole | Mapping[str, Whole] = Field(
        default=0,
        description="The number of lines before the table in a text file, such as titles and "
        "notes: one number for all files, or a map from a file's path or name to a number.",
    )
    header: bool | Some[str] = Field(
        default=True,
        description="Whether the first line of a CSV names the columns; or the names, for a CSV "
        "without a header.",
    )
    missing_values: Items[str] = Field(
        default=(),
        description="Cell texts treated as missing, after stripping whitespace, in addition to "
        "the empty cell, NA, N/A, NaN, nan, NULL, null and ?. A list that contains the empty "
        "text, such as ['', 'NA'], replaces these.",
    )
    types: Mapping[str, ColumnType | TypeConfig] = Field(
        default_factory=dict,
        description="Overrides the inferred type of a column: the name of a type, or a map with "
        "`kind` and the format of numbers (`decimal`, `thousands`) or times (`format`, with the "
        "directives of Python's strptime; `%s` and `%Q` are seconds and milliseconds since 1970).",
    )
    decimal: Decimal | None = Field(
        default=None,
        description="The decimal separator of numbers. Default: inferred from the cells of each "
        "column.",
    )
    thousands: Thousands | None = Field(
        default=None,
        description="The thousands separator of numbers. Default: inferred from the cells of each "
        "column.",
    )
    database: DatabasePath | None = Field(
        default=None,
        description="The database of the tables under `files` and of the queries in .sql files: a "
        "DuckDB file, or an SQLAlchemy URL without its password, which is read from the "
        "environment variable MILLRACE_DATABASE_PASSWORD. `null`: an empty DuckDB, which reads "
        "the files that a query names.",
    )
    schema_path: LocalPath | None = Field(
        default=None,
        alias="schema",
        description="A reviewed copy of the schema.json or suggested_schema.json of an earlier "
        "job: rows that violate it (types, `required`, `min`, `max`, `values`) are rejected. "
        "Default: types are inferred from the table.",
    )
    previous: LocalPath | None = Field(
        default=None,
        description="A copy of the statistics.json of an earlier job: drift of the training rows "
        "since then is an anomaly.",
    )
    exclude: Items[str] = Field(
        default=(), description="Columns to leave out of the examples, such as ids and leaks."
    )
    ids: Distinct[str] = Field(
        default=(),
        description="Columns that identify a row, such as a customer number: not features, but "
        "written as text to predictions.parquet, beside `file` and `row`.",
    )
    split: SplitConfig = Field(
        default=SplitConfig(),
        description="How rows are split. Splits that `data.files` names are kept; `by` splits the "
        "rest.",
    )
    drop_duplicates: bool = Field(
        default=False,
        description="Whether to keep only the first of rows that are equal in all columns.",
    )
    max_rejected: Number = Field(
        default=0.001,
        ge=0,
        description="The most rows that may be rejected before the job fails: a share if below 1, "
        "else a count.",
    )
    parts: Distinct[Count] = Field(
        default=(1,),
        min_length=1,
        description="The parts in which the raw files are ingested in parallel, such as [1, 2, 3, "
        "4], each by its own job with a share of the files. The result is the same as with one "
        "part. With a `schema`, a job reads only its own files; without, every job reads all "
        "files to infer the types.",
    )
    examples_per_shard: Count = Field(
        default=100000, description="The most examples in a TFRecord shard."
    )
    compression: Literal["none", "gzip"] = Field(
        default="none",
        description="Compression of the TFRecord shards: a third of the size or less, but slower "
        "to write and read.",
    )
    anomalies: AnomaliesConfig = Field(
        default=AnomaliesConfig(),
        description="The severity of each kind of anomaly: an `error` fails the job, `ignore` "
        "drops it. Default: a warning, or info if few rows are affected or there is no doubt.",
    )

    @property
    def markers(self) -> tuple[str, ...]:
        """The cell texts that count as missing."""
        if "" in self.missing_values:
            return self.missing_values
        return tuple(dict.fromkeys((*USUAL_MARKERS, *self.missing_values)))
