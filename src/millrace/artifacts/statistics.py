"""statistics.json"""

from dataclasses import dataclass, fields

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Histogram(Record):
    """A histogram.

    Attributes:
        edges: the edges of the bins, those of train in every split; empty without values.
        counts: the rows in each bin; what lies outside the edges counts in the outer bins.
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
    """A column of numbers in one split. Figures of no values are null.

    Attributes:
        type: its type in schema.json.
        rows: how many rows the split has.
        missing: how many of them have no value.
        distinct: how many different values there are.
        infinite: the rows whose value is infinite, where there are any; they count in no other
            figure.
        min: the least value.
        max: the greatest value.
        mean: their mean.
        std: their standard deviation, that of the population.
        log_mean: the mean of sign(x) log(1 + |x|).
        log_std: the standard deviation of that.
        median: the middle value.
        quantiles: at 0, 1/1024 … 1, by linear interpolation; empty without values.
        histogram: how the values are distributed.
        values: [value, rows] by falling count: all of at most 1024, else those of at least 1/1024
            of the rows.
        rounded: of whole numbers, the rows whose value float32 cannot hold.
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
        """The figures, of a column that has values."""
        found = {field.name: getattr(self, field.name) for field in fields(Figures)}
        assert None not in found.values(), "the column has no values"
        return Figures(**found)


@dataclass(frozen=True)
class TextStatistics(Record):
    """A column of strings, dates or times in one split.

    Attributes:
        type: its type in schema.json.
        rows: how many rows the split has.
        missing: how many of them have no value.
        distinct: how many different values there are.
        values: [value, rows] by falling count; outside train at most 1000.
        unseen: outside train, the rows whose value train lacks.
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
        rows: how many there are.
        columns: the statistics of each column.
        repeated: how many rows equal a row of an earlier split in all features.
    """

    rows: int
    columns: dict[str, ColumnStatistics]
    repeated: int | None = None


@dataclass(frozen=True)
class LabelStatistics(Record):
    """What is predicted.

    Attributes:
        name: the label's column.
        task: binary, multiclass or regression.
        classes: its values, of a binary task [negative, positive]; null of a regression.
        alone: how well each column by itself predicts it: AUC, accuracy or squared correlation.
            Null where that is not known; the weight, which is no feature, is left out.
    """

    name: str
    task: str
    classes: list[Value] | None
    alone: dict[str, float | None] | None = None


@dataclass(frozen=True)
class Statistics(Artifact):
    """What the examples are like, exactly. NaN and the empty string count as missing.

    Attributes:
        splits: train, validation and test.
        label: what is predicted.
        unique: the columns of integers or strings in which no value comes twice.
    """

    splits: dict[str, SplitStatistics]
    label: LabelStatistics
    unique: list[str] | None = None

    @property
    def train(self) -> SplitStatistics:
        """The training examples."""
        return self.splits["train"]
