"""Awkward CSV files from three public test suites, and the result of ingesting each.

fixtures/messy.csv has the expected results; `MILLRACE_UPDATE=1 pytest tests/real_data` updates it.
"""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import MillraceError
from millrace.ingestion import blocks, dialects, inference, tables
from millrace.ingestion.blocks import Markers
from tests.helpers.configs import data_config

TABLE = Path(__file__).parents[1] / "fixtures" / "messy.csv"
MARKERS = Markers.of(["", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"])
DATA = data_config()


def cells_of(path: Path) -> tuple[list[str], list[list[str]], list[blocks.Reject]]:
    """Returns the names, the good rows' cells as text, and the rejected rows."""
    table = tables.open_table(path, DATA)
    types = dict.fromkeys(table.names, "string")
    good, rejected = [], []
    for block in table.blocks(Markers.of([]), types):
        batch, _, bad = blocks.typed(block, table.names, types)
        good += [list(row.values()) for row in batch.to_pylist()]
        rejected += bad
    return table.names, good, rejected


def outcome(path: Path, name: str) -> dict[str, Any]:
    """Describes the result for a file: its rows, types and rejected rows, or the error."""
    row = dict.fromkeys(
        ("file", "rows", "rejected", "delimiter", "encoding", "types", "reason"), ""
    )
    row["file"] = name
    try:
        table = tables.open_table(path, DATA)
        counts = tables.census([table], MARKERS)
    except MillraceError as error:
        return row | {"reason": "refused: " + str(error).split("\n")[0].removeprefix(f"{path}: ")}
    types = {name: inference.column_type(counts[name], 0.001) for name in table.names}
    good, rejected = 0, []
    for block in table.blocks(MARKERS, types):
        batch, _, bad = blocks.typed(block, table.names, types)
        good += batch.num_rows
        rejected += bad
    assert good + len(rejected) == counts.rows
    dialect = dialects.detect(path, None)
    shown = [f"{reject.row}: {reject.reason}" for reject in rejected[:3]]
    return row | {
        "rows": str(counts.rows),
        "rejected": str(len(rejected)),
        "delimiter": repr(dialect.delimiter),
        "encoding": dialect.encoding,
        "types": " ".join(list(types.values())[:8]) + (" …" if len(types) > 8 else ""),
        "reason": "; ".join(shown) + ("; …" if len(rejected) > 3 else ""),
    }


def messy_files(data: Path) -> list[Path]:
    folder = data / "messy"
    return sorted(
        path for path in folder.rglob("*.*sv*") if path.is_file() and path.parent.name != "expected"
    )


def test_what_becomes_of_each_file_is_written_down(data: Path) -> None:
    found = [
        outcome(path, path.relative_to(data / "messy").as_posix()) for path in messy_files(data)
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    if os.environ.get("MILLRACE_UPDATE"):
        TABLE.write_text(file.getvalue(), encoding="utf-8")
    with TABLE.open(encoding="utf-8", newline="") as expected:
        assert found == list(csv.DictReader(expected))


def test_csv_spectrum_is_parsed_as_its_publisher_expects(data: Path, tmp_path: Path) -> None:
    folder = data / "messy" / "csv-spectrum"
    for path in sorted(folder.glob("*.csv")):
        expected = json.loads((folder / "expected" / f"{path.stem}.json").read_text())
        expected = expected if isinstance(expected, list) else [expected]
        if path.stem.endswith("_crlf"):
            # Their line ends were changed when they were copied.
            text = path.read_bytes().replace(b"\n", b"\r\n")
            path = tmp_path / path.name
            path.write_bytes(text)
        names, rows, rejected = cells_of(path)
        found = [dict(zip(names, row, strict=True)) for row in rows]
        if path.stem == "location_coordinates":
            # The publisher's two files differ in this number.
            assert found[0].pop("Contact Phone Number") != expected[0].pop("Contact Phone Number")
        assert (path.name, found, rejected) == (path.name, expected, [])


def test_python_reads_the_same_cells_and_no_row_vanishes(data: Path) -> None:
    for path in messy_files(data):
        try:
            names, rows, rejected = cells_of(path)
        except MillraceError:
            continue
        dialect = dialects.detect(path, None)
        text = b"".join(dialects.chunks(path, dialect, 1 << 20)).decode()
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=dialect.delimiter, skipinitialspace=True
        )
        expected = [[cell.strip(" \t") for cell in row] for row in reader if row]
        assert len(rows) + len(rejected) == len(expected) - 1, path
        bad = {reject.row for reject in rejected}
        whole = [row for number, row in enumerate(expected) if number not in bad]
        assert rows == whole[1:], path
        assert all(len(expected[number]) != len(names) for number in bad), path


@pytest.mark.parametrize("name", ["tfx/csv_multi_line_string.csv"])
def test_a_text_over_several_lines_is_one_cell(data: Path, name: str) -> None:
    _, rows, _ = cells_of(data / "messy" / name)
    assert any("\n" in cell for row in rows for cell in row)
