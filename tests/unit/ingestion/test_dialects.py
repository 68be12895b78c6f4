"""Detecting the format of a raw file from its content."""

import bz2
import csv
import gzip
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import compression, delimited, dialects
from millrace.ingestion.blocks import Markers, text
from millrace.ingestion.delimited import DelimitedTable

MARKERS = Markers.of([""])
TEXT = "name;size\n" + "Zoë;1,5\n" * 2000


def zipped(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", data)


def zstd(path: Path, data: bytes) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(data)


WRITERS: dict[str | None, Callable[[Path, bytes], object]] = {
    None: Path.write_bytes,
    "gzip": lambda path, data: path.write_bytes(gzip.compress(data)),
    "bzip2": lambda path, data: path.write_bytes(bz2.compress(data)),
    "xz": lambda path, data: path.write_bytes(lzma.compress(data)),
    "zstd": zstd,
    "zip": zipped,
}


@pytest.mark.parametrize("compression", WRITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_comes_out_as_it_went_in(
    tmp_path: Path, compression: str | None, encoding: str
) -> None:
    path = tmp_path / "table"
    WRITERS[compression](path, TEXT.encode(encoding))
    dialect = dialects.detect(path, None)
    assert (dialect.compression, dialect.delimiter) == (compression, ";")
    assert b"".join(dialects.chunks(path, dialect, 101)).decode() == TEXT


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", "zstd", "zip"])
def test_a_cut_file_is_damaged(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "table"
    data = "".join(f"{n};{n * n % 9973}\n" for n in range(200_000)).encode()
    WRITERS[compression](path, data)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(MillraceError, match=f"expected {compression} data, found a damaged file"):
        list(dialects.chunks(path, dialects.detect(path, None), 1 << 20))


def test_several_files_in_an_archive_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(MillraceError, match="expected an archive of one file, found 2"):
        dialects.detect(tmp_path / "two.zip", None)


def test_notes_of_macos_are_no_second_file(tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x,y\n1,2\n")
        archive.writestr("__MACOSX/._a.csv", b"\0\5\x16\7")
    text = b"".join(dialects.chunks(path, dialects.detect(path, None), 1 << 20))
    assert text == b"x,y\n1,2\n"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a\tb\n1,5\t2,5\n", "\t"),
        ("a;b\n1,5;2,5\n", ";"),
        ("a|b,c|d\n1|2|3\n", "|"),
        ('a,"b;c;d"\n1,"2;3;4"\n', ","),
        ("a\n1\n", ","),
    ],
)
def test_delimiters_are_found(tmp_path: Path, text: str, delimiter: str) -> None:
    (tmp_path / "table").write_text(text)
    assert dialects.detect(tmp_path / "table", None).delimiter == delimiter
    assert dialects.detect(tmp_path / "table", ":").delimiter == ":"


def test_text_that_breaks_its_encoding_is_refused(tmp_path: Path) -> None:
    data = ("a,b\n" + "x,1\n" * 100_000).encode("utf-16") + b"\x00"
    (tmp_path / "table").write_bytes(data)
    dialect = dialects.detect(tmp_path / "table", None)
    with pytest.raises(MillraceError, match="expected text in utf-16-le"):
        list(dialects.chunks(tmp_path / "table", dialect, 1 << 20))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="expected a file, found a directory"):
        compression.container(tmp_path)
    with pytest.raises(MillraceError, match="expected a file, found none"):
        compression.container(tmp_path / "none.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "shift_jis", "cp037"])
def test_a_given_encoding(tmp_path: Path, encoding: str) -> None:
    text = "a;b\nｶﾅ;1\n" if encoding == "shift_jis" else "a;b\nZoë;1\n"
    (tmp_path / "table").write_bytes(text.encode(encoding))
    dialect = dialects.detect(tmp_path / "table", None, encoding)
    assert b"".join(dialects.chunks(tmp_path / "table", dialect, 3)).decode() == text


def test_an_encoding_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"a,b\n\x81,1\n")
    with pytest.raises(MillraceError, match="expected text in cp1252, found"):
        dialects.detect(tmp_path / "table", None, "cp1252")
    for name in ("klingon", "base64"):
        with pytest.raises(MillraceError, match=f"data.encoding: expected .*, found '{name}'"):
            dialects.detect(tmp_path / "table", None, name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_lines_before_the_table_are_skipped(tmp_path: Path, end: str, encoding: str) -> None:
    path = tmp_path / "table"
    notes = [f"Umsätze; \x0b {2013}", "x" * 5000, ""]
    path.write_bytes(end.join([*notes, "a,b", "é,2", ""]).encode(encoding))
    dialect = dialects.detect(path, None, skip_lines=3)
    assert dialect.delimiter == ","
    for size in (1, 100, 1 << 20):
        text = b"".join(dialects.chunks(path, dialect, size)).decode()
        assert text == f"a,b{end}é,2{end}"
    with pytest.raises(MillraceError, match="expected a table behind 9 lines, found fewer"):
        dialects.detect(path, None, skip_lines=9)


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ('a,b\n"x \\"y\\", z",1\n"v",2\n', "\\"),
        ("a,b\nx\\, y,1\nv,2\n", "\\"),
        ('a,b\n"C:\\dir\\",1\n"D:\\",2\n', ""),
        ('a,b\n"x ""y""",1\nC:\\dir,2\n', ""),
    ],
)
def test_a_backslash_is_an_escape_where_rows_need_it(
    tmp_path: Path, text: str, escape: str
) -> None:
    (tmp_path / "table").write_text(text)
    dialect = dialects.detect(tmp_path / "table")
    assert (dialect.delimiter, dialect.escape) == (",", escape)
    for given in ("", "\\"):
        assert dialects.detect(tmp_path / "table", escape=given).escape == given


@pytest.mark.parametrize("name", ["undefined", "no\0such", "idna"])
def test_odd_encodings_are_no_traceback(tmp_path: Path, name: str) -> None:
    (tmp_path / "table").write_bytes(b"a,b\n\x81..,1\n")
    with pytest.raises(MillraceError, match=r"expected (the name of a text encoding|text in)"):
        dialects.detect(tmp_path / "table", encoding=name)


def test_more_lines_to_skip_than_any_file_has(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("a,b\n1,2\n")
    with pytest.raises(MillraceError, match="expected a table behind 5000000000 lines"):
        dialects.detect(tmp_path / "table", skip_lines=5_000_000_000)


TITLES = ["Plain", '"Half', 'Half"', '5" disk', '"Whole"', '"Foo" and more', "x", '"', '""']


@pytest.mark.parametrize("seed", range(5))
def test_a_file_whose_quotes_are_text(tmp_path: Path, seed: int) -> None:
    """Python's csv module reads it line by line, without quotes."""
    draw = random.Random(seed)
    rows = [f"{n}\t{draw.choice(TITLES)}\t{draw.choice(TITLES)}\t{n % 7}" for n in range(500)]
    path = tmp_path / "table"
    path.write_text("\n".join(["id\tname\tother\tn", *rows, ""]))
    dialect = dialects.detect(path)
    assert (dialect.delimiter, dialect.quote) == ("\t", "")
    table = DelimitedTable(path, dialect, True)
    found = [
        block.raw(row) for block in table.blocks(MARKERS, {}) for row in range(len(block.counts))
    ]
    assert found == rows
    assert table.lines == (501, 0, 1, 0, 0)
    assert "quotes are taken for text" in table.guess
    assert not DelimitedTable(path, dialects.detect(path, quote=""), True).guess


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n1,"x, y"\n2,"z"\n',
        'a,b\n1,"x\ny"\n2,"z, w\nv"\n',
        'a,b\n1,"x, y\nz, w"\n2,"z"\n',
        'a,b\n"x ""y""",1\n',
        'a,b\n"x"y,1\nz,2\n',
        # All cells are quoted, so a missing quote is an error.
        "a,b\n" + '"1","x"\n' * 200 + '"2","y\n' + '"3","z"\n' * 9,
        "a,b\n1,2\n",
    ],
)
def test_quotes_that_are_quotes(tmp_path: Path, text: str) -> None:
    (tmp_path / "table").write_text(text)
    assert dialects.detect(tmp_path / "table").quote == '"'
    assert dialects.detect(tmp_path / "table", quote="").quote == ""


@pytest.mark.parametrize(
    "text",
    [
        'a\tb\nq\t"\na\t3.5"|x y\nz\tw\n',
        'a,b\n"3.5""\',11\n"3.5x y,q\nz,w\n',
        'a,b,c\n1,"x,2\n3,y",4\n5,z,6\n',
        # One row in two hundred has an unclosed quote.
        "a,b\n" + "1,x\n" * 200 + '2,"y\n' + "3,z\n" * 9,
    ],
)
def test_quotes_that_are_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "table").write_text(text)
    assert dialects.detect(tmp_path / "table").quote == ""


@pytest.mark.parametrize(
    "rows", ['10,"say\n11,say"\n12,b\n', '"x,198\n",199\na,200\n', '"a,1\nb",2\n']
)
def test_two_columns_whose_quotes_may_be_either(tmp_path: Path, rows: str) -> None:
    """Two rows or one: both are valid CSV, unless another row shows that quotes are meant."""
    path = tmp_path / "table"
    path.write_text("t,u\n" + rows)
    with pytest.raises(MillraceError, match=r"line 2, row 1: .* over 2 lines"):
        list(DelimitedTable(path, dialects.detect(path), True).blocks(MARKERS, {}))
    for quote, quoting in (("", csv.QUOTE_NONE), ('"', csv.QUOTE_MINIMAL)):
        table = DelimitedTable(path, dialects.detect(path, quote=quote), True)
        with path.open(newline="") as file:
            expected = list(csv.reader(file, quoting=quoting))[1:]
        assert sum(len(block.counts) for block in table.blocks(MARKERS, {})) == len(expected)
    path.write_text(f't,u\n0,"x, y"\n{rows}')
    table = DelimitedTable(path, dialects.detect(path), True)
    assert table.dialect.quote == '"'
    with path.open(newline="") as file:
        expected = list(csv.reader(file))[1:]
    assert sum(len(block.counts) for block in table.blocks(MARKERS, {})) == len(expected)


def test_a_given_quote(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("a,b\n'x, y',1\n'z',2\n")
    dialect = dialects.detect(tmp_path / "table", quote="'")
    table = DelimitedTable(tmp_path / "table", dialect, True)
    (block,) = table.blocks(MARKERS, {})
    assert [text(block.data, span) for span in block.spans[0]] == ["x, y", "z"]


def late(path: Path) -> int:
    """Writes a table whose quotes are balanced in the part that is examined first, and not after;
    returns the line with the first unbalanced quote."""
    rows = [f'{n},"a, b",{n % 3}' for n in range(30_000)]
    rows += ['7,"a,1', "8,b,2", '9,c",3', *(f"{n},d,0" for n in range(10))]
    path.write_text("\n".join(["x,y,z", *rows, ""]))
    return 30_002


def test_a_quoted_cell_that_swallows_rows_is_refused_with_its_line(tmp_path: Path) -> None:
    line = late(tmp_path / "table")
    with pytest.raises(MillraceError, match=f"line {line}, row 30001: .* over 3 lines"):
        DelimitedTable(tmp_path / "table", dialects.detect(tmp_path / "table"), True)
    # With the config's quotes, the cell has three lines.
    dialect = dialects.detect(tmp_path / "table", quote='"')
    table = DelimitedTable(tmp_path / "table", dialect, True)
    rows = sum(len(block.counts) for block in table.blocks(MARKERS, {}))
    with (tmp_path / "table").open(newline="") as file:
        assert rows == len(list(csv.reader(file))) - 1 == 30_011
    assert table.lines == (30_014, 0, 1, 2, 0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "end"])
def test_lines_are_counted(tmp_path: Path, end: str, last: str) -> None:
    text = end.join(["title", "a,b", '1,"x', "y", 'z"', "", "2,w", ""]) + (last and "3,4")
    (tmp_path / "table").write_bytes(text.encode())
    table = DelimitedTable(
        tmp_path / "table", dialects.detect(tmp_path / "table", skip_lines=1), True
    )
    rows = sum(len(block.counts) for block in table.blocks(MARKERS, {}))
    assert (rows, table.lines) == ((3, (8, 1, 1, 2, 1)) if last else (2, (7, 1, 1, 2, 1)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("seed", range(4))
def test_lines_are_those_of_the_csv_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, seed: int
) -> None:
    """Reads blocks of a few bytes, whose boundaries split line ends and empty lines."""
    draw = random.Random(seed)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", draw.randrange(5, 40))
    path, kinds = tmp_path / "table", ["1,x", f'2,"a{end}{end}b"', '"3",z', "", f'{end}4,""']
    lines = ["n,text", *draw.choices(kinds, k=60), *draw.choice([[], [""], ["", ""]])]
    path.write_bytes(end.join(lines).encode())
    table = DelimitedTable(path, dialects.detect(path, quote='"'), True)
    rows = sum(len(block.counts) for block in table.blocks(MARKERS, {}))
    with path.open(newline="") as file:
        read = list(csv.reader(file))
    assert rows == sum(map(bool, read)) - 1
    in_cells = sum(cell.count(end) for row in read for cell in row)
    in_empty = in_cells // 2  # one of the two line breaks in a cell ends an empty line
    total = len(path.read_text().splitlines())
    empty = read.count([]) + in_empty
    assert table.lines == (total, 0, 1, in_cells, empty)


def test_the_delimiter_gives_the_columns_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("|1x3 Cross validator\n" + "25, Private, 7, no.\n" * 20)
    assert dialects.detect(tmp_path / "table").delimiter == "|"
    assert dialects.detect(tmp_path / "table", columns=4).delimiter == ","


def test_a_first_row_that_repeats_the_given_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("A,A,ref,B\n1,2,3,yes\n")
    dialect = dialects.detect(tmp_path / "table")
    with pytest.raises(MillraceError, match=r"repeats 2 of them\.\nNote: set data.skip_lines to 1"):
        DelimitedTable(tmp_path / "table", dialect, ["A1", "A2", "ref", "B"])
    dialect = dialects.detect(tmp_path / "table", skip_lines=1)
    assert DelimitedTable(tmp_path / "table", dialect, ["A1", "A2", "ref", "B"]).names[3] == "B"
