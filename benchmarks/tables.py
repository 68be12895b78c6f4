"""The tables of benchmarks/models.py: their paths, labels and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from millrace.fetching import bundled

import numpy as np
import pandas as pd

Splits = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class Table:
    """A table to learn from.

    Attributes:
        folder: under the data directory; `flights` is that of the default job, by its dates.
        label: the column to predict.
        task: binary or regression.
        drop: columns that no contestant may use: ids, dates, leaks.
        make: computes the label, if it is not a column.
        unit: the unit in which the error of a regression is reported.
        by_date: whether the test rows are the latest flights; otherwise they are random.
    """

    folder: str
    label: str
    task: str
    drop: tuple[str, ...] = ()
    make: Callable[[pd.DataFrame], pd.Series] | None = None
    unit: float = 1.0
    by_date: bool = True

    def read(self, data: Path) -> Splits:
        """Returns the training, validation and test rows."""
        table = self._rows(data)
        if self.make is not None:
            table[self.label] = self.make(table)
        dates = table.get("date")
        table = table.drop(columns=list(self.drop))
        if self.folder == "flights":
            validation, test = divide_flights(dates, self.by_date)
        else:
            validation, test = (
                table.index.isin(read_places(data, self.folder, split)) for split in ("val", "test")
            )
        return table[~(validation | test)], table[validation], table[test]

    def _rows(self, data: Path) -> pd.DataFrame:
        if self.folder == "flights":
            return read_flights()
        folder = data / self.folder
        parts = sorted(folder.glob("train.csv*")) + sorted(folder.glob("test.csv*"))
        files = parts or [folder / "data.csv"]
        tables = [pd.read_csv(file, skipinitialspace=True) for file in files]
        return pd.concat(tables, ignore_index=True)


def read_flights() -> pd.DataFrame:
    """Returns the bundled flights that arrived, from the package with the data.

    Raises MillraceError, which says how to install the package, if it is absent.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "flights.csv"
        bundled.write_flights(path)
        table = pd.read_csv(path).dropna(subset="late")
    return table.astype({"late": int}).reset_index(drop=True)


def divide_flights(dates: pd.Series, by_date: bool) -> tuple[pd.Series, pd.Series]:
    """Returns the validation and test rows; a random split has the same sizes as by date."""
    # ISO dates compare as strings; config/config.yaml uses the same two dates.
    test = dates >= "2013-11-01"
    validation = (dates >= "2013-10-01") & ~test
    if by_date:
        return validation, test
    order = np.random.default_rng(0).permutation(len(dates))
    return validation.iloc[order].set_axis(dates.index), test.iloc[order].set_axis(dates.index)


def read_places(data: Path, name: str, split: str) -> list[int]:
    """Returns the row numbers of a split, from 0."""
    return [int(x) for x in (data / "splits" / f"{name}.{split}_idx.txt").read_text().split()]


def big_tipper(table: pd.DataFrame) -> pd.Series:
    """Returns the label of TFX's taxi example: whether the tip is more than a fifth of the fare."""
    return (table["tips"] > 0.2 * table["fare"]).astype(int)


# As in config/config.yaml: no month, and no type, which the engine implies.
NOT_OF_FLIGHTS = ("date", "month", "plane_type")

TABLES = {
    "adult": Table("adult", "income", "binary"),
    "california_housing": Table(
        "california_housing", "median_house_value", "regression", unit=100_000.0
    ),
    "telco_churn": Table("telco_churn", "Churn", "binary", ("customerID",)),
    "chicago_taxi": Table(
        "chicago_taxi", "big_tipper", "binary", ("tips", "trip_start_timestamp"), big_tipper
    ),
    "bike_sharing": Table(
        "bike_sharing", "cnt", "regression", ("instant", "dteday", "casual", "registered")
    ),
    "ames": Table("ames", "price", "regression", ("Order", "PID")),
    "higgs_7k": Table("higgs_7k", "label", "binary"),
    "flights": Table("flights", "late", "binary", NOT_OF_FLIGHTS),
    # Only for docs/honest-auc.md.
    "flights_random": Table("flights", "late", "binary", NOT_OF_FLIGHTS, by_date=False),
}
