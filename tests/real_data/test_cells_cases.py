"""Tables with cells that are hard to interpret, each with the right values."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace import config
from millrace.artifacts.account import Taken
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.schema import SchemaColumn
from millrace.errors import MillraceError
from millrace.ingestion import origins, splits
from millrace.ingestion.ingest import ingest
from millrace.tfrecord import examples

CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture(scope="module")
def cases() -> Iterator[Path]:
    if not CASES.is_dir():
        pytest.skip(f"the cases are not at {CASES}")
    yield CASES


class Read(NamedTuple):
    """Ingests a table. Returns its examples in the order of its rows, with a column `split`;
    the columns of schema.json; and ingest's notes about the cells."""

    table: pd.DataFrame
    columns: dict[str, SchemaColumn]
    taken: list[Taken]


def raw_file(path: Path) -> RawFile:
    return RawFile(path=str(path), split=None, sha256="", bytes=1, source=str(path))


def read(path: Path, **data: Any) -> Read:
    """Ingests a table."""
    job = config.complete({"name": "case", "data": {"files": str(path)} | data})
    files = [raw_file(path)]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "part")
        schema, account = ingest(files, 1, job.data, 0, folder)
        columns = {column.name: column for column in schema.columns}
        parts = []
        for split in splits.SPLITS:
            batches = list(examples.read_batches(examples.shard_paths(folder, split), schema.types))
            rows = pa.Table.from_batches(batches).to_pandas()
            places = origins.read(folder, split, len(rows))["row"].to_pylist()
            parts.append(rows.assign(split=split).set_axis(places))
    return Read(pd.concat(parts).sort_index().reset_index(drop=True), columns, account.taken)


def as_stored(values: Any) -> list[float]:
    """Returns numbers in the precision in which an example stores them."""
    stored: list[float] = np.array(values, np.float32).tolist()
    return stored


def cells(path: Path, column: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def test_money_is_numbers(cases: Path) -> None:
    path = cases / "07-numbers-as-people-write-them" / "money.csv"
    table, _, taken = read(path, label="default")
    amounts = [float(cell.replace("$", "").replace(",", "")) for cell in cells(path, "loan amount")]
    assert as_stored(table["loan amount"]) == as_stored(amounts)
    rates = [float(cell.rstrip("%")) for cell in cells(path, "rate")]
    assert as_stored(table["rate"]) == as_stored(rates)
    assert {note.severity for note in taken} == {"info"}


@pytest.mark.parametrize("data", [{}, {"task": "regression", "types": {"price": "float64"}}])
def test_a_label_with_thousands_is_a_number(cases: Path, data: dict[str, Any]) -> None:
    path = cases / "07-numbers-as-people-write-them" / "pricelabel.csv"
    table = read(path, label="price", **data).table
    expected = [int(cell.replace(",", "")) for cell in cells(path, "price")]
    assert table["price"].tolist() == expected


def test_dates_are_in_their_order(cases: Path) -> None:
    path = cases / "04-time-split-text-dates" / "dates.csv"
    table = read(path, label="late", split={"by": "time", "column": "order date"}).table
    raw = pd.read_csv(path)
    pd.testing.assert_series_equal(
        pd.to_datetime(table["order date"]).astype("datetime64[ns]"),
        pd.to_datetime(raw["order date"], format="%d/%m/%Y").astype("datetime64[ns]"),
    )
    for name, pattern in (("us", "%m/%d/%Y %I:%M %p"), ("pickup", "%Y-%m-%d %H:%M:%S UTC")):
        expected = pd.to_datetime(raw[name], format=pattern)
        assert (table[name].dt.tz_localize(None) == expected).all()
    days = pd.to_datetime(table["order date"]).groupby(table["split"])
    first, last = days.min(), days.max()
    assert last["train"] < first["validation"] <= last["validation"] < first["test"]
    assert first["test"] >= pd.Timestamp("2023-01-01")


def test_a_class_called_na_stops_the_job(cases: Path) -> None:
    path = cases / "06-na-is-a-class" / "region.csv"
    with pytest.raises(MillraceError, match=r"'NA' \(1,049\)(?s:.)*missing_values"):
        read(path, label="region")


def test_unsigned_integers_stay_positive(cases: Path) -> None:
    path = cases / "09-uint64-turns-negative" / "types.parquet"
    kinds = {"u64": "float64", "u32": "float32"}
    table = read(path, label="y", exclude=["x", "dec", "half"], types=kinds).table
    raw = pd.read_parquet(path)["u64"]
    assert as_stored(table["u64"]) == as_stored(raw.astype("float64"))


@pytest.mark.parametrize("file", ["inffeat.csv", "infp.parquet"])
def test_infinity_is_no_reason_to_reject(cases: Path, file: str) -> None:
    path = cases / "14-infinity" / file
    raw = pd.read_csv(path) if file.endswith("csv") else pd.read_parquet(path)
    table, _, taken = read(path, label="y")
    infinite = [name for name in raw if np.isinf(pd.to_numeric(raw[name])).any()]
    assert infinite and len(table) == len(raw)
    for name in infinite:
        assert np.isinf(table[name]).sum() == np.isinf(raw[name]).sum()
    assert {note.column for note in taken if note.kind == "infinite"} == set(infinite)
    table = read(path, label="y", missing_values=["", "inf"]).table
    assert all(table[name].isna().sum() >= np.isinf(raw[name]).sum() for name in infinite)


def test_an_index_that_pandas_stored_has_that_role(cases: Path) -> None:
    columns = read(cases / "13-pandas-index" / "idx.parquet", label="kind").columns
    roles = {name: column.role for name, column in columns.items() if column.role}
    assert roles == {"__index_level_0__": "index"}


def test_numbers_with_holes_name_what_is_none(cases: Path) -> None:
    path = cases / "18-advice-that-misleads" / "holes.csv"
    told = {note.column: note.message for note in read(path, label="y").taken}
    for column, hole in {"none": "None", "na": "n/a", "dash": "-", "excel": "#N/A"}.items():
        assert repr(hole) in told[column] and "data.missing_values" in told[column]


@pytest.mark.parametrize("file", ["ts", "tsms", "tsn", "date", "u64"])
def test_every_row_beyond_the_bounds_is_accounted_for(
    cases: Path, tmp_path: Path, file: str
) -> None:
    path = str(cases / "hostile" / "pq" / f"{file}.parquet")
    job = config.complete({"name": "case", "data": {"files": path, "label": "y"}})
    _, account = ingest([raw_file(Path(path))], 1, job.data, 0, tmp_path / "part")
    written = sum(shard.rows for shards in account.shards.values() for shard in shards)
    left_out = account.unlabelled + sum(account.reasons.values())
    assert written + left_out == len(pq.read_table(path))
