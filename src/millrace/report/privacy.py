"""Decides which values of the data the report, the model card and the page may show.

A value of a column is published if at least `report.min_count` training rows have it and a feature
reads the column. Figures of numbers, such as the minimum, are rounded to a thousandth of the
column's range unless they are such a value. See docs/privacy.md.
"""

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from millrace.artifacts.anomalies import Anomaly
from millrace.artifacts.diagnostics import Diagnostics, Predicted
from millrace.artifacts.parity import Cell, Parity, RuntimeParity, Scalar
from millrace.artifacts.records import Value
from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.export.runtimes import cells

# The replacement of a suppressed value.
SUPPRESSED = "…"

# Figures are rounded to this share of a column's range; points of a scatter plot more coarsely.
FIGURES, POINTS = 1 / 1000, 1 / 200


@dataclass(frozen=True)
class Privacy:
    """Decides what is published.

    Attributes:
        min_count: the fewest training rows of a value that is shown.
        train: the statistics of the training rows by column.
        left_out: the columns that no feature reads.
    """

    min_count: int
    train: Mapping[str, ColumnStatistics]
    left_out: Container[str]

    def frequent(self, column: str) -> list[tuple[Value, int]]:
        """Returns the values of a column that may be shown, with their training rows."""
        if column in self.left_out:
            return []
        # Values are sorted by falling count.
        return list(takewhile(lambda pair: pair[1] >= self.min_count, self.train[column].values))

    def rare_in_model(self, columns: Iterable[Mapping[str, Any]]) -> list[Anomaly]:
        """Returns a warning for each feature whose table contains texts too rare to show.

        They are still published inside the model.

        Args:
            columns: the feature columns, as in preprocessing.json.
        """
        found = []
        for feature in columns:
            for column, held in _held(feature):
                rows = self._rows_with(column, feature.get("delimiter"))
                texts = [x for x in held if isinstance(x, str)]
                count = sum(0 < rows.get(text, 0) < self.min_count for text in texts)
                if count:
                    message = (
                        f"features.{feature['name']}: the model, which web/ and export/ contain, "
                        f"holds {count:,} values of {column!r} that fewer than "
                        f"{self.min_count:,} training rows have; `min_count: {self.min_count}` "
                        "keeps them out of a vocabulary"
                    )
                    found.append(Anomaly("warning", "rare_values", column, "train", message, count))
        return found

    def _rows_with(self, column: str, delimiter: str | None) -> Mapping[Value, int]:
        """Returns how many training rows have each value of a column.

        If a cell has several values, each of them counts: items of a sequence, or words of a text.
        """
        values = self.train[column].values
        if delimiter is None:
            return dict(values)
        rows = Counter[Value]()
        for cell, count in values:
            rows.update(dict.fromkeys(cells.values(str(cell), delimiter), count))
        return rows

    def has_figures(self, name: str, column: ColumnStatistics) -> bool:
        """Returns whether the figures of a column in one split are of enough rows."""
        return name not in self.left_out and column.rows - column.missing >= self.min_count

    def figure(self, name: str, column: NumberStatistics, value: float | None) -> float | None:
        """Returns a minimum, maximum or median, rounded unless it is frequent."""
        if value is None or not self.has_figures(name, column):
            return None
        if isinstance(value, bool) or value in dict(self.frequent(name)):
            return value
        step = resolution(column, FIGURES)
        return rounded(value, max(1, step) if column.type == "int64" else step)

    def edges(self, column: NumberStatistics) -> list[float]:
        """Returns the rounded edges of a histogram; the outer ones are the extreme values."""
        step = resolution(column, FIGURES)
        return [rounded(edge, step) for edge in column.histogram.edges]

    def message(self, anomaly: Anomaly) -> str:
        """Returns an anomaly's message without rare cells."""
        found = anomaly.message
        shown = {repr(value) for value, _ in self._known(anomaly.column)}
        for text in anomaly.cells or []:
            if text not in shown:
                found = found.replace(text, SUPPRESSED)
        return found

    def _known(self, column: str) -> list[tuple[Value, int]]:
        return self.frequent(column) if column in self.train else []

    def parity(self, parity: Parity) -> Parity:
        """Returns the certificate without rare values in the worst rows."""
        return replace(
            parity,
            runtimes=[self._runtime(runtime) for runtime in parity.runtimes],
            stored_rows=self._runtime(parity.stored_rows),
        )

    def _runtime(self, runtime: RuntimeParity) -> RuntimeParity:
        worst = runtime.worst_row
        raw = {name: self._cell(name, value) for name, value in worst.raw.items()}
        return replace(runtime, worst_row=replace(worst, raw=raw))

    def _cell(self, column: str, value: Cell) -> Cell:
        if isinstance(value, list):
            return [self._scalar(column, part) for part in value]
        return self._scalar(column, value)

    def _scalar(self, column: str, value: Scalar) -> Scalar:
        is_shown = value is None or value == "" or value in dict(self._known(column))
        return value if is_shown else SUPPRESSED

    def diagnostics(self, diagnostics: Diagnostics) -> Diagnostics:
        """Returns diagnostics without slices of few rows, and with rounded points."""
        slices, points = diagnostics.slices, diagnostics.predicted
        return replace(
            diagnostics,
            slices=slices and [part for part in slices if part.rows >= self.min_count],
            predicted=points and _rounded_points(points),
        )


def _rounded_points(points: Predicted) -> Predicted:
    values = [*points.label, *points.prediction]
    step = step_of(max(values) - min(values), POINTS) if values else 1.0
    return Predicted(
        [rounded(value, step) for value in points.label],
        [rounded(value, step) for value in points.prediction],
    )


def resolution(column: NumberStatistics, share: float) -> float:
    """Returns a power of ten, at most this share of a column's range."""
    if column.min is None or column.max is None:
        return 1.0
    return step_of(column.max - column.min, share)


def step_of(width: float, share: float) -> float:
    """Returns a power of ten, at most this share of a width; 1 if the width is 0."""
    return 10.0 ** math.floor(math.log10(width * share)) if width > 0 else 1.0


def rounded(value: float, step: float) -> float:
    """Rounds to a multiple of a power of ten, without the noise of binary fractions."""
    digits = -round(math.log10(step))
    return round(value, digits)


def _held(feature: Mapping[str, Any]) -> Iterator[tuple[str, set[Value]]]:
    """Yields the raw columns whose values are in a feature column's table, with the values."""
    if "column" in feature:
        yield feature["column"], {*feature.get("values", ()), *feature.get("rare", ())}
    elif feature["kind"] == "crossed_tf1":
        for key, values in zip(feature["keys"], feature["values"], strict=True):
            if values:
                yield key, {*values}
