"""statistics.json"""

from dataclasses import dataclass, fields

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Histogram(Record):
    """A histogram.

    Attributes:
        edges: the edges of the bins, the same as for train in every split; empty without values.
        counts: the rows in each bin; values outside the edges count in the outer bins.
    """

    edges: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Figures:
    """The figures of a column of numbers that has values; see `NumberStatistics`."""

    min: float
    max: float
    mean: float
    std: float
    log_mean: float
    log_std: float
    median: float


@dataclass(frozen=True, kw_only=True)
class NumberStatistics(Record):
    """A column of numbers in one split. Without values, its figures are null.

    Attributes:
        type: its type in schema.json.
        rows: the rows of the split.
        missing: rows without a value.
        distinct: the number of distinct values.
        infinite: rows with an infinite value, if any; no other figure counts them.
        min: the least value.
        max: the greatest value.
        mean: the mean.
        std: the population standard deviation.
        log_mean: the mean of sign(x) log(1 + |x|).
        log_std: its standard deviation.
        median: the middle value.
        quantiles: at 0, 1/1024 … 1, by linear interpolation; empty without values.
        histogram: their histogram.
        values: [value, rows] by falling count: all of at most 1024, else those of at least 1/1024
            of the rows.
        rounded: for whole numbers, rows whose value float32 cannot represent.
    """

    type: str
    rows: int
    missing: int
    distinct: int
    infinite: int | None = None
    min: int | float | bool | None
    max: int | float | bool | None
    mean: float | None
    std: float | None
    log_mean: float | None
    log_std: float | None
    median: float | None
    quantiles: list[float]
    histogram: Histogram
    values: list[tuple[Value, int]]
    rounded: int | None = None

    @property
    def figures(self) -> Figures:
        """The figures; the column must have values."""
        found = {field.name: getattr(self, field.name) for field in fields(Figures)}
        assert None not in found.values(), "the column has no values"
        return Figures(**found)


@dataclass(frozen=True)
class TextStatistics(Record):
    """A column of strings, dates or times in one split.

    Attributes:
        type: its type in schema.json.
        rows: the rows of the split.
        missing: rows without a value.
        distinct: the number of distinct values.
        values: [value, rows] by falling count; outside train at most 1000.
        unseen: outside train, rows whose value does not occur in train.
    """

    type: str
    rows: int
    missing: int
    distinct: int
    values: list[tuple[str, int]]
    unseen: int | None = None


ColumnStatistics = NumberStatistics | TextStatistics


@dataclass(frozen=True)
class SplitStatistics(Record):
    """The examples of one split.

    Attributes:
        rows: the number of examples.
        columns: the statistics of each column.
        repeated: rows that equal a row of an earlier split in all features.
    """

    rows: int
    columns: dict[str, ColumnStatistics]
    repeated: int | None = None


@dataclass(frozen=True)
class LabelStatistics(Record):
    """The label.

    Attributes:
        name: the label's column.
        task: binary, multiclass or regression.
        classes: its values, for a binary task [negative, positive]; null for a regression.
        alone: how well each column by itself predicts it: AUC, accuracy or squared correlation.
            Null if unknown; without the weight, which is not a feature.
    """

    name: str
    task: str
    classes: list[Value] | None
    alone: dict[str, float | None] | None = None


@dataclass(frozen=True)
class Statistics(Artifact):
    """Exact statistics of the examples. NaN and the empty string count as missing.

    Attributes:
        splits: train, validation and test.
        label: the label.
        unique: the columns of integers or strings without a repeated value.
    """

    splits: dict[str, SplitStatistics]
    label: LabelStatistics
    unique: list[str] | None = None

    @property
    def train(self) -> SplitStatistics:
        """The training examples."""
        return self.splits["train"]
