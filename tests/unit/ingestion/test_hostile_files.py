"""Files that are barely tables or not at all: each gives all its rows or one clear error."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.ingestion import blocks, inference, tables
from millrace.ingestion.blocks import Markers
from tests.helpers.configs import data_config

DATA = data_config()
MARKERS = Markers.of(["", "NA"])

TABLE_LIKE = st.text(alphabet='ab1.-,;\t"\n\r \0é{}[]:', max_size=200).map(str.encode)
FUZZ = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def accounted(path: Path, **data: Any) -> tuple[int, int]:
    """Returns the numbers of good and rejected rows, which together are all rows."""
    table = tables.open_table(path, data_config(**data))
    counts = tables.census([table], MARKERS)
    types = {name: inference.column_type(counts[name], 0.001) for name in table.names}
    good = rejected = 0
    for block in table.blocks(MARKERS, types):
        batch, _, bad = blocks.typed(block, table.names, types)
        batch.validate(full=True)
        good, rejected = good + batch.num_rows, rejected + len(bad)
    assert good + rejected == counts.rows
    return good, rejected


def survives(path: Path, content: bytes, **data: Any) -> int | None:
    """Returns the number of rows, or None if an error names the file."""
    path.write_bytes(content)
    try:
        return sum(accounted(path, **data))
    except MillraceError as error:
        assert str(path) in str(error)
        return None


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


ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "shift_jis", "utf-7"]


@FUZZ
@given(TABLE_LIKE, st.sampled_from(ENCODINGS), st.sampled_from(ENCODINGS), st.integers(0, 3))
def test_any_text_in_any_encoding(
    tmp_path: Path, data: bytes, written: str, read: str, skip_lines: int
) -> None:
    text = data.decode().encode(written, errors="replace")
    survives(tmp_path / "table", text, encoding=read, skip_lines=skip_lines)


@FUZZ
@given(st.lists(st.text("ab1é", min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 9))
def test_lines_that_are_skipped_are_no_rows(
    tmp_path: Path, cells: list[str], skip_lines: int
) -> None:
    """Lines before the table do not change it, in any encoding."""
    text = "x,y\n" + "".join(f"{cell},1\n" for cell in cells)
    before = 'a "title"\n' * skip_lines
    for encoding in ("utf-8", "utf-16-le", "latin-1"):
        content = (before + text).encode(encoding)
        found = survives(tmp_path / "t", content, encoding=encoding, skip_lines=skip_lines)
        assert found == len(cells)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@FUZZ
@given(st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3) | JSON, max_size=6))
def test_any_json_lines(tmp_path: Path, values: list[Any]) -> None:
    lines = [json.dumps({"a": 1}), *map(json.dumps, values)]
    assert survives(tmp_path / "t.jsonl", "\n".join(lines).encode()) in (None, len(lines))


@FUZZ
@given(st.text('{}[]":,ab1\\u \n\t', max_size=80))
@example('"a": 1e999}\n{"a": "\\ud800"}')
@example('"a": 1}\n' + "[" * 5000)
def test_any_text_as_json_lines(tmp_path: Path, text: str) -> None:
    survives(tmp_path / "t.jsonl", b'{"a": 1}\n{' + text.encode())


@FUZZ
@given(st.integers(0), st.binary(min_size=1, max_size=8), st.booleans())
@example(368229, b"\x80", False)  # in a column's name
@example(692, b"\x16", False)  # in a column's statistics, which crashed the process
def test_a_parquet_file_cut_and_changed(
    tmp_path: Path, place: int, noise: bytes, cut: bool
) -> None:
    table = pa.table({"n": range(50), "s": [f"text {n}" for n in range(50)]})
    pq.write_table(table, tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    place %= len(whole)
    changed = whole[:place] if cut else whole[:place] + noise + whole[place + len(noise) :]
    if changed:
        survives(tmp_path / "t.parquet", changed)


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
