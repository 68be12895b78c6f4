"""The fields of the page's form, and their initial values."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from millrace.artifacts.records import Value
from millrace.artifacts.signature import Input
from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.report.privacy import Privacy

# The most values of a text column to choose from; others can be typed.
LISTED_VALUES = 500

# If all dates are too rare, the first days of months are offered, or else of years.
COARSER = ((7, "-01"), (4, "-01-01"))


@dataclass(frozen=True)
class Slider:
    """The range, step and initial value of a number's slider."""

    low: float
    high: float
    step: float
    default: float | None


@dataclass(frozen=True)
class Field:
    """A field of the form.

    Attributes:
        item: the model's input.
        offered: the values to choose from, with their training rows; empty for a slider.
        slider: the slider of a number.
    """

    item: Input
    offered: list[tuple[Value, int]]
    slider: Slider | None = None

    def as_json(self) -> dict[str, object]:
        """Returns the field as the JSON of the page's script."""
        item = self.item
        # The form takes numbers, and times in ISO 8601, however the table writes them.
        common = {**vars(item), "decimal": None, "thousands": None, "format": None}
        if self.slider:
            return {**common, "input": "number", **vars(self.slider)}
        is_bool = item.column_type == "bool"
        return {
            **common,
            "input": "text",
            "date": item.column_type == "date",
            "numeric": is_bool,
            "values": [
                [value, str(bool(value)).lower() if is_bool else value] for value, _ in self.offered
            ],
            "default": max(self.offered, key=lambda pair: pair[1])[0] if self.offered else None,
        }


def of_input(item: Input, splits: list[ColumnStatistics], privacy: Privacy) -> Field:
    """Returns the field of an input.

    Args:
        item: the input.
        splits: the column's statistics in each split, train first.
        privacy: decides what may be shown.
    """
    # A date is entered as text and converted to a number.
    if item.column_type in ("date", "timestamp"):
        offered = privacy.frequent(item.name) or _coarser_dates(splits[0], privacy.min_count)
        return Field(item, offered[:LISTED_VALUES])
    if item.type == "string":
        return Field(item, privacy.frequent(item.name)[:LISTED_VALUES])
    if item.column_type == "bool":
        rows = dict(splits[0].values)
        return Field(item, [(int(value), rows.get(value, 0)) for value in (True, False)])
    numbers = [
        column
        for column in splits
        if isinstance(column, NumberStatistics) and privacy.has_figures(item.name, column)
    ]
    return Field(item, [], slider(numbers, item.column_type == "int64"))


def _coarser_dates(column: ColumnStatistics, min_count: int) -> list[tuple[Value, int]]:
    for length, rest in COARSER:
        rows: Counter[Value] = Counter()
        for value, count in column.values:
            rows[str(value)[:length] + rest] += count
        if frequent := [pair for pair in rows.most_common() if pair[1] >= min_count]:
            return frequent
    return []


def slider(splits: list[NumberStatistics], whole: bool) -> Slider:
    """Returns a slider; the default is the median of train.

    The range covers the middle 98 % of the rows of each split. All values are multiples of the
    step, as browsers require.
    """
    quantiles = [np.asarray(column.quantiles) for column in splits if column.quantiles]
    if not quantiles:
        return Slider(0, 1, 1 if whole else 0.01, None)
    at = [np.interp([0.01, 0.5, 0.99], np.linspace(0, 1, len(q)), q).tolist() for q in quantiles]
    low, high = min(low for low, _, _ in at), max(high for _, _, high in at)
    step = step_of(high - low, whole)
    low = math.floor(low / step) * step
    high = max(math.ceil(high / step) * step, low + step)
    median = round(at[0][1] / step) * step
    low, high, median = (rounded_to(value, step) for value in (low, high, median))
    return Slider(low, high, step, median)


def step_of(width: float, whole: bool) -> float | int:
    """Returns 1, 2 or 5 times a power of ten: about a hundredth of the width."""
    if width <= 0:
        return 1 if whole else 0.01
    exponent = math.floor(math.log10(width / 100))
    mantissa = width / 100 / 10.0**exponent
    step = float(f"{next(m for m in (1, 2, 5, 10) if mantissa <= m + 1e-9)}e{exponent}")
    return max(1, round(step)) if whole else step


def rounded_to(value: float, step: float) -> float | int:
    """Rounds a multiple of the step to remove the noise of binary fractions."""
    # 3 * 0.1 is 0.30000000000000004: the digits beyond the step's own are noise.
    digits = max(0, -math.floor(math.log10(step)))
    return round(value, digits) if digits else round(value)
