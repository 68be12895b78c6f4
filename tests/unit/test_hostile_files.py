"""Files that are no tables, or hardly: each gives its rows, all of them, or one clear error."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import blocks, tables
from millrace.ingestion.blocks import Markers

DATA = {"header": True, "exclude": []}
MARKERS = Markers.of(["", "NA"])

TABLE_LIKE = st.text(alphabet='ab1.-,;\t"\n\r \0é{}[]:', max_size=200).map(str.encode)
FUZZ = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def accounted(path: Path) -> tuple[int, int]:
    """Returns how many rows are good and how many rejected; together they are all there are."""
    table = tables.open_table(path, DATA)
    counts, rows = tables.infer([table], MARKERS)
    types = {name: tables.column_type(counts[name], 0.001) for name in table.names}
    good = rejected = 0
    for block in table.blocks(MARKERS, types):
        batch, _, bad = blocks.typed(block, table.names, types)
        batch.validate(full=True)
        good, rejected = good + batch.num_rows, rejected + len(bad)
    assert good + rejected == rows
    return good, rejected


def survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        accounted(path)
    except MillraceError as error:
        assert str(path) in str(error)


@FUZZ
@given(st.binary(max_size=300) | TABLE_LIKE)
@example(b"\xff\xfea")
@example(b"\xff\xfe\x00\xd8")
@example(b"PAR1")
@example(b"PK\x03\x04")
@example(b'{"a":')
@example(b"a,b\n1,\0\n")
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    survives(tmp_path / "table", data)


@FUZZ
@given(st.integers(0, 400), st.binary(max_size=8))
def test_a_gzip_file_cut_and_changed(tmp_path: Path, place: int, noise: bytes) -> None:
    whole = gzip.compress("".join(f"{n},{n * n}\n" for n in range(200)).encode(), mtime=0)
    survives(tmp_path / "table.gz", whole[:place])
    survives(tmp_path / "table.gz", whole[:place] + noise + whole[place + len(noise) :])


def test_ten_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(10_000)]
    rows = [",".join(str(n * row) for n in range(10_000)) for row in range(3)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(names), *rows, "1,2"]))
    assert accounted(tmp_path / "wide.csv") == (3, 1)


@pytest.mark.parametrize("text", ["a,,b,\n1,2,3,4\n", '"",x\n1,2\n'])
def test_empty_names_get_a_number(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    names = tables.open_table(tmp_path / "t.csv", DATA).names
    expected = [name or f"column_{n}" for n, name in enumerate(text.split("\n")[0].split(","), 1)]
    assert names == [name if name != '""' else "column_1" for name in expected]


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n3,")
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n5,6\n")
    with pytest.raises(MillraceError, match="row 2: expected at most 64 MiB"):
        accounted(path)
    path.write_text(json.dumps({"a": 1}) + "\n" + json.dumps({"a": "x" * 100_000}) + "\n")
    assert accounted(path) == (2, 0)
