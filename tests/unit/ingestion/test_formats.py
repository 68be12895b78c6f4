"""Numbers and times as people write them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import blocks, cells, inference, tables
from millrace.ingestion.blocks import Markers
from millrace.ingestion.formats import NUMBERS, Format, NumberFormat, TimeFormat
from tests.helpers.configs import data_config

POINT = NumberFormat(".", ",")
COMMA = NumberFormat(",", ".")
CONFIG = data_config()


def values(format_: Format, *texts: str) -> list[Any]:
    """Returns the texts parsed in a format, None for those that do not match."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    data = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
    classes, found = format_.read(data, spans, np.full(len(texts), cells.TEXT, np.uint8))
    meant: list[Any] = []
    for kind, value in zip(classes, found, strict=True):
        as_type = {
            cells.INT: int,
            cells.FLOAT: lambda x: float(x.view(np.float64)),
            cells.DATE: lambda x: str(x.astype("datetime64[D]")),
            cells.TIMESTAMP: lambda x: str(x.astype("datetime64[us]").astype("datetime64[s]")),
        }.get(int(kind))
        meant.append(as_type(value) if as_type else None)
    return meant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1,234.50", 1234.5),
        ("$ 1,234.50", 1234.5),
        ("1,234.50 USD", 1234.5),
        ("-$5", -5),
        ("$-5", -5),
        ("($1,234.50)", -1234.5),
        ("(300)", -300),
        ("300-", -300),
        ("300 -", -300),
        ("\u2212300", -300),
        ("+5", 5),
        ("12.5%", 12.5),
        ("12.5 %", 12.5),
        (".5", 0.5),
        ("1,234,567", 1234567),
        ("12,34,567", 1234567),
        ("£0.99", 0.99),
        ("1e3", 1000.0),
        ("0.1234567890123456789", 0.1234567890123456789),
        ("(12,345,678,901,234,567,890)", -12345678901234567890.0),
    ],
)
def test_a_number_with_a_decimal_point(text: str, expected: float) -> None:
    assert values(POINT, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *("", "$", "%", "-", "()", "(-5)", "1,23", "1,2345", "0,123", "1,234,56", "1.234.567"),
        *("1,333,22,333", "007", "5 apples", "x5", "$5$", "--5", "-5-", "1,234.5.6", "1 234"),
        *("12.5%%", "1,,234", ",123", "e5", "1e", "€$5", "abc 5"),
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert values(POINT, text) == [None]


@pytest.mark.parametrize(
    ("format_", "text", "expected"),
    [
        (COMMA, "1.234,50 €", 1234.5),
        (COMMA, "0,5", 0.5),
        (COMMA, "1.234", 1234),
        (COMMA, "1.5", None),
        (NumberFormat(",", " "), "1 234 567,5", 1234567.5),
        (NumberFormat(",", " "), "1\u00a0234,5 kr", 1234.5),
        (NumberFormat(",", " "), "1\u202f234", 1234),
        (NumberFormat(".", "'"), "CHF 1'234.50", 1234.5),
        (NumberFormat(".", "'"), "1\u2019234", 1234),
        (NumberFormat(",", ""), "1.234,5", None),
    ],
)
def test_other_separators(format_: NumberFormat, text: str, expected: float | None) -> None:
    assert values(format_, text) == [expected]


@settings(max_examples=200, deadline=None)
@given(
    st.decimals(-(10**12), 10**12, allow_nan=False, places=2),
    st.sampled_from(NUMBERS),
    st.sampled_from(["", "$", "€ ", "kr "]),
)
def test_numbers_are_those_that_python_writes(
    number: Decimal, format_: NumberFormat, sign: str
) -> None:
    grouped = f"{abs(number):,.2f}".replace(",", "T").replace(".", format_.decimal)
    text = ("-" if number < 0 else "") + sign + grouped.replace("T", format_.thousands)
    assert values(format_, text) == [float(number)]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%d/%m/%Y", "31/12/2021"),
        ("%d/%m/%Y", "1/2/2021"),
        ("%m/%d/%Y %I:%M %p", "1/5/2021 3:07 PM"),
        ("%m/%d/%Y %I:%M %p", "12/31/2021 12:07 am"),
        ("%b-%Y", "Dec-2015"),
        ("%d %B %Y", "1 January 1999"),
        ("%a %b %d %H:%M:%S %Y", "Fri May  7 19:52:06 2021"),
        ("%Y%m%d", "20210507"),
        ("%d.%m.%y %H:%M", "31.12.68 23:59"),
        ("%d.%m.%y", "01.01.69"),
        ("%d-%b-%Y %H:%M:%S", "29-FEB-2000 23:59:59"),
        ("%Y-%m-%dT%H:%M:%S%z", "2021-05-07T19:52:06+0230"),
    ],
)
def test_times_are_those_of_strptime(pattern: str, text: str) -> None:
    format_ = TimeFormat(pattern)
    expected = datetime.strptime(text, pattern)
    expected = expected.astimezone(UTC) if expected.tzinfo else expected
    shown = expected.date().isoformat() if format_.kind == "date" else expected.isoformat()[:19]
    assert values(format_, text) == [shown]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S %Z", "2021-05-07 19:52:06 UTC", "2021-05-07T19:52:06"),
        ("%s", "1620417126", "2021-05-07T19:52:06"),
        ("%s", "-1", "1969-12-31T23:59:59"),
        ("%Q", "1620417126999", "2021-05-07T19:52:06"),
        ("%d/%m/%Y", "31/02/2021", None),
        ("%d/%m/%Y", "12/31/2021", None),
        ("%d/%m/%Y", "1/1/21", None),
        ("%b-%Y", "Dez-2015", None),
        ("%s", "99999999999999", None),
        ("%m/%d/%Y %I:%M %p", "1/5/2021 13:07 PM", None),
    ],
)
def test_other_times(pattern: str, text: str, expected: str | None) -> None:
    assert values(TimeFormat(pattern), text) == [expected]


@pytest.mark.parametrize("pattern", ["%d/%m", "%j %Y", "day", "%"])
def test_a_pattern_that_says_no_day_is_refused(pattern: str) -> None:
    with pytest.raises(MillraceError, match="expected"):
        TimeFormat(pattern)


def inferred(
    path: Path, *columns: list[str], types: dict[str, Any] | None = None, **data: Any
) -> tuple[inference.Inferred, pa.Table]:
    """Returns the inferred types of columns c0, c1 …, and their values."""
    names = [f"c{index}" for index in range(len(columns))]
    quoted = [['"' + cell + '"' for cell in column] for column in columns]
    lines = [",".join(names), *(",".join(row) for row in zip(*quoted, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    table = tables.open_table(path, CONFIG)
    markers = Markers.of(["", "NA"])
    wanted = inference.Given.of(data_config(types=types or {}, **data))
    census = tables.census([table], markers, given=wanted.separators)
    found = inference.infer(census, names, wanted, 0.001)
    batches = []
    for block in table.blocks(markers, dict.fromkeys(found.formats, "string")):
        batch, _, rejects = blocks.typed(block, names, found.types, formats=found.formats)
        assert not rejects
        batches.append(batch)
    return found, pa.Table.from_batches(batches)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_formats_are_found(path: Path) -> None:
    found, table = inferred(
        path,
        ["$1,200.50", "$3.00", "NA", "($7.25)"],
        ["1.200,50", "3,00", "", "1.000.000,00"],
        ["12%", "7%", "3.5%", "1%"],
        ["31/12/2021", "01/02/2021", "", "02/02/2021"],
        ["5/7/2021 3:07 PM", "5/17/2021 12:00 AM", "5/7/2021 1:00 PM", "5/7/2021 2:00 PM"],
    )
    assert found.types == {
        **dict.fromkeys(["c0", "c1", "c2"], "float64"),
        "c3": "date",
        "c4": "timestamp",
    }
    assert table["c0"].to_pylist() == [1200.5, 3, None, -7.25]
    assert table["c1"].to_pylist() == [1200.5, 3, None, 1_000_000]
    assert table["c2"].to_pylist() == [12, 7, 3.5, 1]
    assert [str(day) for day in table["c3"].to_pylist()][:2] == ["2021-12-31", "2021-02-01"]
    assert table["c4"][0].as_py() == pd.Timestamp("2021-05-07 15:07", tz="UTC")
    assert [taken.severity for taken in found.taken] == ["info"] * 5


def test_whole_numbers_stay_whole(path: Path) -> None:
    found, table = inferred(path, ["1,234,567", "12", "1,000"])
    assert found.types == {"c0": "int64"} and table["c0"].to_pylist() == [1234567, 12, 1000]


def test_the_table_tells_thousands_from_decimals(path: Path) -> None:
    found, table = inferred(path, ["1,234", "5,678"], ["0.5", "1.25"])
    assert table["c0"].to_pylist() == [1234, 5678]
    assert [taken.severity for taken in found.taken] == ["warning", "info"]
    found, table = inferred(path, ["1,234", "5,678"], ["0,5", "1,25"])
    assert table["c0"].to_pylist() == [1.234, 5.678]


def test_what_nothing_decides_is_refused(path: Path) -> None:
    with pytest.raises(MillraceError, match=r"'1,234'.*(?s:.)*data\.decimal"):
        inferred(path, ["1,234", "5,678"])
    _, table = inferred(path, ["1,234", "5,678"], decimal=",")
    assert table["c0"].to_pylist() == [1.234, 5.678]
    _, table = inferred(
        path, ["1,234", "5,678"], types={"c0": {"kind": "float32", "thousands": ","}}
    )
    assert table["c0"].to_pylist() == [1234, 5678]


def test_a_given_decimal_comma_reads_plain_cells_too(path: Path) -> None:
    _, table = inferred(path, ["1.234", "5.678"], ["1,5", "2"], decimal=",")
    assert table["c0"].to_pylist() == [1234, 5678] and table["c1"].to_pylist() == [1.5, 2]


def test_points_among_decimal_commas_are_a_warning(path: Path) -> None:
    found, table = inferred(path, ["1.234", "5.678"], ["1,5", "2,25"])
    assert table["c0"].to_pylist() == [1.234, 5.678]
    (warning,) = [taken for taken in found.taken if taken.severity == "warning"]
    assert warning.column == "c0" and "'c1' has decimal commas" in warning.message


def test_a_day_that_may_be_a_month_is_refused(path: Path) -> None:
    with pytest.raises(MillraceError, match=r"%d/%m/%Y, %m/%d/%Y(?s:.)*format"):
        inferred(path, ["01/02/2021", "03/04/2021"])
    _, table = inferred(
        path,
        ["01/02/2021", "03/04/2021"],
        types={"c0": {"kind": "date", "format": "%d/%m/%Y"}},
    )
    assert str(table["c0"][0]) == "2021-02-01"
    found, _ = inferred(path, ["01/02/2021", "03/04/2021"], types={"c0": "string"})
    assert found.types == {"c0": "string"}


@pytest.mark.parametrize(
    "column",
    [
        ["$5", "€7"],
        ["12%", "5"],
        ["10.0.0.1", "192.168.1.1"],
        ["555-1234", "555-9876"],
        ["5 kg", "7 kg"],
        ["2021Q1", "2021Q2"],
        ["1/2", "3/4"],
        ["012 345", "678 901"],
    ],
)
def test_other_text_stays_text(path: Path, column: list[str]) -> None:
    found, table = inferred(path, column)
    assert found.types == {"c0": "string"} and table["c0"].to_pylist() == column


def test_a_mixed_column_names_the_cells_that_are_no_numbers(path: Path) -> None:
    found, _ = inferred(path, ["$1,000", "$20", "$7", "n/k"])
    (taken,) = found.taken
    assert "'n/k'" in taken.message and "data.missing_values" in taken.message


def test_infinity_in_a_csv_is_kept_and_said(path: Path) -> None:
    found, table = inferred(path, ["1.5", "inf", "-Infinity"])
    assert table["c0"].to_pylist() == [1.5, float("inf"), -float("inf")]
    (taken,) = found.taken
    assert (taken.severity, taken.kind) == ("warning", "infinite") and "2 rows" in taken.message


def test_a_kind_that_does_not_fit_its_format_is_refused() -> None:
    with pytest.raises(MillraceError, match="timestamp"):
        inference.Given.of(data_config(types={"day": {"kind": "date", "format": "%d/%m/%Y %H:%M"}}))
    with pytest.raises(MillraceError, match="int64"):
        inference.Given.of(data_config(types={"x": {"kind": "string", "decimal": ","}}))
