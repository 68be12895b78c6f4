"""ingest.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class LineCounts(Record):
    """Lines of a text file other than the first line of each row.

    Attributes:
        total: the number of lines.
        skipped: those before the table, by `data.skip_lines`.
        header: the line that names the columns.
        in_cells: further lines of rows that span several.
        empty: lines without a row.
        unexplained: the rest; if not 0, rows may be lost.
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
        path: its path.
        rows_read: the number of rows.
        bytes: its size.
        sha256: its checksum.
        lines: what its lines are; for text files.
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
        rows: the number of examples.
    """

    file: str
    rows: int


@dataclass(frozen=True)
class Taken(Record):
    """How the cells of a column were interpreted.

    Attributes:
        severity: warning or info.
        kind: its kind, a key of `data.anomalies`.
        column: the column.
        message: the text for a person.
        cells: texts of cells in the message, which may be rare.
    """

    severity: str
    kind: str
    column: str
    message: str
    cells: list[str] | None = None


@dataclass(frozen=True)
class PartAccount(Artifact):
    """The row counts of one part of the raw files.

    Attributes:
        unlabelled: rows without a label.
        duplicates_dropped: rows left out by `data.drop_duplicates`.
        in_gap: rows in a gap between two splits by time.
        files: the raw files.
        shards: the TFRecord files of each split.
        reasons: rejected rows by reason, as `column: kind`.
        taken: interpretations of cells that a person should check.
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
        rows_read: rows of the raw files.
        written: examples by split.
        rejected: rows in rejected.csv.
        unlabelled: rows without a label.
        duplicates_dropped: rows left out by `data.drop_duplicates`.
        in_gap: rows in a gap between two splits by time.
        files: the raw files.
        shards: the TFRecord files of each split.
        reasons: rejected rows by reason, as `column: kind`.
        taken: interpretations of cells that a person should check.
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
