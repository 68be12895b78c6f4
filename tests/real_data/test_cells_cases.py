"""Tables whose cells mean more than they show, each with its right values."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from millrace import config
from millrace.errors import MillraceError
from millrace.ingestion.plan import Plan

CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture(scope="module")
def cases() -> Iterator[Path]:
    if not CASES.is_dir():
        pytest.skip(f"the cases are not at {CASES}")
    yield CASES


def read(path: Path, **data: Any) -> tuple[pd.DataFrame, Plan]:
    """Returns the examples of a table, in their order, and the plan that made them."""
    job = config.complete({"name": "case", "data": {"files": str(path)} | data})
    plan = Plan([{"path": str(path), "split": None, "source": str(path)}], job["data"], 0)
    batches = [outcome.examples.to_pandas() for _, outcome in plan.outcomes(0)]
    return pd.concat(batches, ignore_index=True), plan


def cells(path: Path, column: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def test_money_is_numbers(cases: Path) -> None:
    path = cases / "07-numbers-as-people-write-them" / "money.csv"
    table, plan = read(path, label="default")
    amounts = [float(cell.replace("$", "").replace(",", "")) for cell in cells(path, "loan amount")]
    assert table["loan amount"].tolist() == amounts
    assert table["rate"].tolist() == [float(cell.rstrip("%")) for cell in cells(path, "rate")]
    assert {taken.severity for taken in plan.taken} == {"info"}


@pytest.mark.parametrize("data", [{}, {"task": "regression", "types": {"price": "float64"}}])
def test_a_label_with_thousands_is_a_number(cases: Path, data: dict[str, Any]) -> None:
    path = cases / "07-numbers-as-people-write-them" / "pricelabel.csv"
    table, _ = read(path, label="price", **data)
    expected = [int(cell.replace(",", "")) for cell in cells(path, "price")]
    assert table["price"].tolist() == expected


def test_dates_are_in_their_order(cases: Path) -> None:
    path = cases / "04-time-split-text-dates" / "dates.csv"
    table, plan = read(path, label="late", split={"by": "time", "column": "order date"})
    raw = pd.read_csv(path)
    pd.testing.assert_series_equal(
        pd.to_datetime(table["order date"]).astype("datetime64[ns]"),
        pd.to_datetime(raw["order date"], format="%d/%m/%Y").astype("datetime64[ns]"),
    )
    for name, pattern in (("us", "%m/%d/%Y %I:%M %p"), ("pickup", "%Y-%m-%d %H:%M:%S UTC")):
        expected = pd.to_datetime(raw[name], format=pattern)
        assert (table[name].dt.tz_localize(None) == expected).all()
    parts = np.concatenate([outcome.splits for _, outcome in plan.outcomes(0)])
    days = pd.to_datetime(table["order date"])
    assert days[parts == 0].max() < days[parts == 1].min() <= days[parts == 1].max()
    assert days[parts == 1].max() < days[parts == 2].min()
    assert days[parts == 2].min() >= pd.Timestamp("2023-01-01")


def test_a_class_called_na_stops_the_job(cases: Path) -> None:
    path = cases / "06-na-is-a-class" / "region.csv"
    with pytest.raises(MillraceError, match=r"'NA' \(1,049\)(?s:.)*missing_values"):
        read(path, label="region")


def test_unsigned_integers_stay_positive(cases: Path) -> None:
    path = cases / "09-uint64-turns-negative" / "types.parquet"
    kinds = {"u64": "float64", "u32": "float32"}
    table, _ = read(path, label="y", exclude=["x", "dec", "half"], types=kinds)
    raw = pd.read_parquet(path)["u64"]
    assert table["u64"].tolist() == raw.astype("float64").tolist()


@pytest.mark.parametrize("file", ["inffeat.csv", "infp.parquet"])
def test_infinity_is_no_reason_to_reject(cases: Path, file: str) -> None:
    path = cases / "14-infinity" / file
    raw = pd.read_csv(path) if file.endswith("csv") else pd.read_parquet(path)
    table, plan = read(path, label="y")
    infinite = [name for name in raw if np.isinf(pd.to_numeric(raw[name])).any()]
    assert infinite and len(table) == len(raw)
    for name in infinite:
        assert np.isinf(table[name]).sum() == np.isinf(raw[name]).sum()
    assert {taken.column for taken in plan.taken if taken.kind == "infinite"} == set(infinite)
    table, _ = read(path, label="y", missing_values=["", "inf"])
    assert all(table[name].isna().sum() >= np.isinf(raw[name]).sum() for name in infinite)


def test_an_index_that_pandas_stored_has_that_role(cases: Path) -> None:
    _, plan = read(cases / "13-pandas-index" / "idx.parquet", label="kind")
    roles = {x["name"]: x["role"] for x in plan.schema()["columns"] if "role" in x}
    assert set(roles.values()) == {"index"}


def test_numbers_with_holes_name_what_is_none(cases: Path) -> None:
    path = cases / "18-advice-that-misleads" / "holes.csv"
    _, plan = read(path, label="y")
    told = {taken.column: taken.message for taken in plan.taken}
    for column, hole in {"none": "None", "na": "n/a", "dash": "-", "excel": "#N/A"}.items():
        assert repr(hole) in told[column] and "data.missing_values" in told[column]


@pytest.mark.parametrize("file", ["ts", "tsms", "tsn", "date", "u64"])
def test_parquet_beyond_the_bounds_has_no_traceback(cases: Path, file: str) -> None:
    path = cases / "hostile" / "pq" / f"{file}.parquet"
    try:
        table, _ = read(path, label="y", max_rejected=0.5)
    except MillraceError:
        return
    raw = pd.read_parquet(path) if file == "u64" else None
    if raw is not None:
        numbers = table.select_dtypes("number")
        assert (numbers.min() >= raw[numbers.columns].min()).all()
