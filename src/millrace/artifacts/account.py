"""ingest.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class LineCounts(Record):
    """What the lines of a text file are, beside the first line of each row.

    Attributes:
        total: how many lines it has.
        skipped: those before the table, by `data.skip_lines`.
        header: the line that names the columns.
        in_cells: lines in cells that hold several, beyond the first of their row.
        empty: lines without a row.
        unexplained: the rest; not 0 where rows may be lost.
    """

    total: int
    skipped: int
    header: int
    in_cells: int
    empty: int
    unexplained: int


@dataclass(frozen=True)
class ReadFile(Record):
    """A raw file that was read.

    Attributes:
        path: where it lay.
        rows_read: how many rows it has.
        bytes: its size.
        sha256: its checksum.
        lines: what its lines are, where it is text.
    """

    path: str
    rows_read: int
    bytes: int
    sha256: str
    lines: LineCounts | None = None


@dataclass(frozen=True)
class Shard(Record):
    """A TFRecord file.

    Attributes:
        file: its name in the folder of the examples.
        rows: how many examples it holds.
    """

    file: str
    rows: int


@dataclass(frozen=True)
class Taken(Record):
    """What a column's cells were taken for.

    Attributes:
        severity: warning or info.
        kind: what it is about.
        column: the column.
        message: what a person reads.
        cells: the parts of the message that are text of cells, which may be rare.
    """

    severity: str
    kind: str
    column: str
    message: str
    cells: list[str] | None = None


@dataclass(frozen=True)
class PartAccount(Artifact):
    """What became of the rows of one part of the raw files.

    Attributes:
        unlabelled: how many rows have no label.
        duplicates_dropped: how many were left out by `data.drop_duplicates`.
        in_gap: how many lie in a gap between two splits by time.
        files: the raw files.
        shards: the TFRecord files of each split.
        reasons: how many rows were rejected for each reason, as `column: kind`.
        taken: what the cells of columns were taken for, where a person might have meant something
            else.
    """

    unlabelled: int
    duplicates_dropped: int
    in_gap: int
    files: list[ReadFile]
    shards: dict[str, list[Shard]]
    reasons: dict[str, int]
    taken: list[Taken]


@dataclass(frozen=True)
class Account(Artifact):
    """The row account: rows read = written + rejected + unlabelled + dropped + in a gap.

    Attributes:
        rows_read: how many rows the raw files have.
        written: how many examples each split holds.
        rejected: how many rows are in rejected.csv.
        unlabelled: how many rows have no label.
        duplicates_dropped: how many were left out by `data.drop_duplicates`.
        in_gap: how many lie in a gap between two splits by time.
        files: the raw files.
        shards: the TFRecord files of each split.
        reasons: how many rows were rejected for each reason, as `column: kind`.
        taken: what the cells of columns were taken for, where a person might have meant something
            else.
    """

    rows_read: int
    written: dict[str, int]
    rejected: int
    unlabelled: int
    duplicates_dropped: int
    in_gap: int
    files: list[ReadFile]
    shards: dict[str, list[Shard]]
    reasons: dict[str, int]
    taken: list[Taken]
