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
    """Checks that Python has an encoding of text of that name."""
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
    decimal: Decimal | None = Field(
        default=None, description="What separates the decimals of a number."
    )
    thousands: Thousands | None = Field(
        default=None, description="What separates the thousands of a number."
    )
    format: str | None = Field(
        default=None,
        min_length=2,
        description="How a date or a timestamp is written, with the directives of Python's "
        "strptime, such as `%d/%m/%Y`; `%s` and `%Q` are seconds and milliseconds since 1970.",
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
        description="`row`: each row is a draw of its own, by its position in its file, with the "
        "same shares of each class of the label. `stratum`: as `row`, with the same shares of "
        "each value of `column`. `group`: by a hash of `column`, so that rows with equal values "
        "of it, such as one customer's, are never in two splits. `time`: by the values of "
        "`column`, earlier rows for training.",
    )
    column: str | None = Field(
        default=None,
        description="With `by: time`: the column to order by. With `by: group`: the column that "
        "names the group. With `by: stratum`: the column whose values have the same shares; left "
        "out, the label.",
    )
    copies: Literal["separate", "together"] = Field(
        default="separate",
        description="With `by: row`: whether rows that are equal in all columns but the label, "
        "the weight and those under `exclude` are divided as any others, or stay together in one "
        "split, in which case shares are approximate.",
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
        description="With `by: time`: rows closer than this before validation or before the test "
        "are left out, because what they tell may not have been known in time. Days, or a "
        "difference where `column` holds numbers.",
    )
    folds: Several | None = Field(
        default=None,
        description="For k-fold cross-validation: the rows that are not for the test are divided "
        "into so many folds of one size, of which `fold` is for validation, in place of the share "
        "under `validation`. One job per fold.",
    )
    fold: Whole = Field(
        default=0,
        description="With `folds`: the number of the fold that is for validation, from 0.",
    )


class DataConfig(Section):
    """`data`."""

    files: Text | Some[Text] | SplitFiles = Field(
        description="A path, a folder (all files in it; those that begin with `.` or `_` are left "
        "out), a glob, an http(s) or s3 URL, an .sql file with a query, `table:name` for a table "
        "of `database`, or a list of them; or a map with `train`, `test` and, if you have it, "
        "`validation`; or `bundled:flights`. Folders named `key=value` on a file's path are "
        "columns of its rows."
    )
    sha256: Mapping[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(
        default_factory=dict,
        description="The expected checksum of a file, by its path or URL as written under `files`.",
    )
    label: Text = Field(description="The column to predict.")
    weight: Text | None = Field(
        default=None,
        description="A column that says how much a row counts, in the training loss and in the "
        "evaluation: numbers of at least 0. It is no feature. Default: all rows count the same.",
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        default="auto",
        description="`auto` decides by the label: two values binary; strings, or at most 12 "
        "different integers, multiclass; else regression.",
    )
    positive: str | Number | bool | None = Field(
        default=None,
        description="The label's value that counts as the positive class of a binary task. "
        "Default: the last of the two in sorted order.",
    )
    delimiter: str | None = Field(
        default=None,
        pattern="^[\\x00-\\x7f]$",
        description="The character between the cells of a CSV, of ASCII. Default: detected from "
        "the file.",
    )
    quote: str | None = Field(
        default=None,
        pattern=r"^([\x00-\x7f]|none)$",
        description="The character around the cells of a CSV that hold a delimiter or a line "
        "break, of ASCII; `none` where quotes are text, as in the TSV files of IMDb. Default: "
        "double quotes, or none where rows would be lost in quoted cells; a cell that seems to "
        "hold whole rows further down is refused.",
    )
    escape: Literal["\\", ""] | None = Field(
        default=None,
        description="Whether a backslash in a CSV has the character behind it taken for itself, "
        'as in \\" for a quote. Default: detected from the file.',
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = Field(
        default=None,
        description="The encoding of text files, such as latin-1, cp1252 or shift_jis. Default: "
        "UTF-8, or UTF-16 by its byte order mark; Latin-1 where the text is no UTF-8.",
    )
    skip_lines: Whole | Mapping[str, Whole] = Field(
        default=0,
        description="How many lines come before the table in a text file: titles, notes. A number "
        "for all files, or a map from a file's path or name to its number.",
    )
    header: bool | Some[str] = Field(
        default=True,
        description="Whether a CSV's first line names its columns; or the names, for a CSV "
        "without such a line.",
    )
    missing_values: Items[str] = Field(
        default=(),
        description="Cell texts treated as missing, after stripping whitespace, besides the usual "
        "ones: the empty cell, NA, N/A, NaN, nan, NULL, null and ?. A list that holds the empty "
        "text, such as ['', 'NA'], is the whole list: nothing else is missing.",
    )
    types: Mapping[str, ColumnType | TypeConfig] = Field(
        default_factory=dict,
        description="The type of a column, where the one found in the table is not the one you "
        "want: its name, or an object with `kind` and how numbers (`decimal`, `thousands`) or "
        "times (`format`, with the directives of Python's strptime; `%s` and `%Q` are seconds and "
        "milliseconds since 1970) are written.",
    )
    decimal: Decimal | None = Field(
        default=None,
        description="What separates the decimals of numbers. Default: found in the cells of each "
        "column.",
    )
    thousands: Thousands | None = Field(
        default=None,
        description="What separates the thousands of numbers. Default: found in the cells of each "
        "column.",
    )
    database: DatabasePath | None = Field(
        default=None,
        description="Where the tables under `files` are, and what the queries in .sql files run "
        "in: a DuckDB file or an SQLAlchemy URL, without its password, which is in the "
        "environment variable MILLRACE_DATABASE_PASSWORD. `null`: DuckDB by itself, which reads "
        "the files that a query names.",
    )
    schema_path: LocalPath | None = Field(
        default=None,
        alias="schema",
        description="A schema.json from an earlier run, looked over and kept: rows that break it "
        "(types, `required`, `min`, `max`, `values`) are rejected. Default: types are found in "
        "the table.",
    )
    previous: LocalPath | None = Field(
        default=None,
        description="The statistics.json of an earlier run, kept elsewhere: the training rows are "
        "compared with that run's, and drift since then is an anomaly.",
    )
    exclude: Items[str] = Field(
        default=(), description="Columns that no example should hold: ids, leaks."
    )
    ids: Distinct[str] = Field(
        default=(),
        description="Columns that name a row, such as a customer's number: no features, but in "
        "predictions.parquet beside `file` and `row`, as text.",
    )
    split: SplitConfig = Field(
        default=SplitConfig(),
        description="How rows are divided. Splits that `data.files` names are kept; `by` divides "
        "the rest.",
    )
    drop_duplicates: bool = Field(
        default=False,
        description="Whether to keep only the first of several rows that are equal in all columns.",
    )
    max_rejected: Number = Field(
        default=0.001,
        ge=0,
        description="How many rows may be rejected before the job fails: a share when below 1, "
        "else a count.",
    )
    parts: Distinct[Count] = Field(
        default=(1,),
        min_length=1,
        description="The parts in which the raw files are ingested, as in [1, 2, 3, 4]: each by a "
        "job of its own, side by side, with its share of the files. The result is that of one "
        "job. With a `schema` a job reads its own files only; without, all jobs look at all files "
        "to find the types.",
    )
    examples_per_shard: Count = Field(
        default=100000, description="How many examples a TFRecord shard holds at most."
    )
    compression: Literal["none", "gzip"] = Field(
        default="none",
        description="Whether the TFRecord shards are compressed: a third of the size or less, for "
        "more time to write and to read them.",
    )
    anomalies: AnomaliesConfig = Field(
        default=AnomaliesConfig(),
        description="How severe an anomaly is, by its kind: an `error` fails the job, `ignore` "
        "leaves it out. Default: a warning, or info where few rows are concerned or there is no "
        "doubt.",
    )

    @property
    def markers(self) -> tuple[str, ...]:
        """The cell texts that count as missing."""
        if "" in self.missing_values:
            return self.missing_values
        return tuple(dict.fromkeys((*USUAL_MARKERS, *self.missing_values)))
