"""Splitting text into rows and cells, compared with Python's csv module."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.ingestion import csv_kernels

CELL = st.text(st.sampled_from("ab\"'\n\r,;\t é—0"), max_size=6)


def split(
    text: bytes,
    columns: int,
    delimiter: str = ",",
    expected: int | None = None,
    escape: str = "\0",
) -> tuple[list[list[str]], list[bytes], list[int]]:
    """Returns the cells, the text and the number of cells of each row."""
    most = len(text) + 1
    data = np.frombuffer(text + bytes(len(text)), np.uint8).copy()
    spans, bounds = np.zeros((columns, most, 2), np.int64), np.zeros((most, 2), np.int64)
    counts, breaks = np.zeros(most, np.int64), np.zeros(most, np.int64)
    expected = columns if expected is None else expected
    dialect = (ord(delimiter), ord('"'), ord(escape), expected)
    found, end = csv_kernels.split_rows(
        data, 0, len(text), True, *dialect, spans, bounds, counts, breaks
    )
    assert end == len(text)
    assert data[: len(text)].tobytes() == text
    taken = np.minimum(np.maximum(counts[:found], 0), columns)
    cells = [
        [data[slice(*spans[column, row])].tobytes().decode() for column in range(taken[row])]
        for row in range(found)
    ]
    return cells, [text[slice(*bounds[row])] for row in range(found)], counts[:found].tolist()


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_cells_are_those_that_were_written(
    table: list[list[str]], newline: str, delimiter: str, ends: bool
) -> None:
    file = io.StringIO()
    # Its minimal quoting does not quote newlines that are not the file's line terminator.
    minimal = not any(set(cell) & {"\r", "\n"} for row in table for cell in row)
    quoting = csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL
    writer = csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerows(table)
    text = file.getvalue()
    found, _, counts = split((text if ends else text.removesuffix(newline)).encode(), 2, delimiter)
    assert counts == [2] * len(table)
    assert found == [[cell.strip(" \t") for cell in row] for row in table]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.lists(st.text(st.sampled_from('ab\\",\nn')), min_size=2, max_size=2), max_size=5),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONE]),
)
def test_escaped_cells_are_those_that_were_written(table: list[list[str]], quoting: int) -> None:
    file = io.StringIO()
    options: Any = {"doublequote": False, "escapechar": "\\", "quoting": quoting}
    csv.writer(file, lineterminator="\n", **options).writerows(table)
    found, _, counts = split(file.getvalue().encode(), 2, escape="\\")
    assert counts == [2] * len(table)
    assert found == table


@settings(deadline=None, max_examples=500)
@given(st.text(st.sampled_from('ab"\n\r, ')))
@example('"a\nb')
@example('a,"b\nc,d\ne,f')
def test_no_byte_is_lost_whatever_the_text(text: str) -> None:
    _, texts, counts = split(text.encode(), 2)
    assert len(texts) == len(counts)
    rest = text
    for row in texts:
        before, _, rest = rest.partition(row.decode())
        assert row and not before.strip("\r\n")
    assert not rest.strip("\r\n")


@settings(deadline=None, max_examples=500)
@given(st.text(st.sampled_from("ab\n,'\t")))
def test_text_without_quotes_is_cut_at_each_delimiter(text: str) -> None:
    lines = [line for line in text.split("\n") if line]
    found, texts, counts = split(text.encode(), 20, expected=0)
    assert [row.decode() for row in texts] == lines
    assert counts == [line.count(",") + 1 for line in lines]
    assert found == [[cell.strip("\t") for cell in line.split(",")[:20]] for line in lines]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('"a""b","c"', ['a"b', "c"]),
        ('"a,b", "c,d" ', ["a,b", "c,d"]),
        ('"ab"c,d', ["abc", "d"]),
        ('a"b,c"', ['a"b', 'c"']),
        ('"",x', ["", "x"]),
        ('" a ",\t', ["a", ""]),
        ('"a\r\nb",c', ["a\r\nb", "c"]),
    ],
)
def test_quotes(text: str, cells: list[str]) -> None:
    assert split(text.encode(), 2)[0] == [cells]


def test_a_stray_quote_does_not_swallow_the_rows_behind_it() -> None:
    _, texts, counts = split(b'a,b\n"c,d\ne,f\ng,"h"\n', 2)
    assert texts == [b"a,b", b'"c,d', b"e,f", b'g,"h"']
    assert counts == [2, 1, 2, 2]


def test_a_quote_that_never_ends_is_said() -> None:
    assert split(b'a,b\n"c,d\ne,f\n', 2)[2] == [2, csv_kernels.UNCLOSED, 2]


def test_the_last_row_is_left_alone_until_it_is_complete() -> None:
    text = np.frombuffer(b'a,b\n"c\n' + bytes(7), np.uint8).copy()
    spans, bounds = np.zeros((2, 9, 2), np.int64), np.zeros((9, 2), np.int64)
    counts, breaks = np.zeros(9, np.int64), np.zeros(9, np.int64)
    found = csv_kernels.split_rows(text, 0, 7, False, 44, 34, 0, 2, spans, bounds, counts, breaks)
    assert found == (1, 4)


def spans_of(table: list[list[bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Joins the cells into one text, with garbage between them."""
    text, spans = b"", np.zeros((len(table[0]), len(table), 2), np.int64)
    for row, cells in enumerate(table):
        for column, cell in enumerate(cells):
            text += bytes([row % 256])
            spans[column, row] = len(text), len(text) + len(cell)
            text += cell
    return np.frombuffer(text + b"#", np.uint8), spans


CELLS = st.lists(st.binary(max_size=20), min_size=3, max_size=3)


@settings(deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=8), st.integers(0, 3))
def test_a_hash_depends_on_a_rows_cells_alone(table: list[list[bytes]], seed: int) -> None:
    together = csv_kernels.hash_rows(*spans_of(table), seed)
    alone = [csv_kernels.hash_rows(*spans_of([row]), seed)[0] for row in table]
    assert together.tolist() == alone
    assert len(set(together.tolist())) == len(set(map(tuple, table)))


def test_hashes_are_spread_evenly() -> None:
    table = [[str(number).encode(), b"x", b""] for number in range(20_000)]
    found = csv_kernels.hash_rows(*spans_of(table), 0)
    for shift in (0, 28, 56):
        counts = np.bincount(
            (found >> np.uint64(shift) & np.uint64(255)).astype(int), minlength=256
        )
        # A chi-squared of 255 degrees of freedom exceeds 360 once in 50,000 times.
        assert ((counts - 20_000 / 256) ** 2 / (20_000 / 256)).sum() < 360


def test_a_hash_is_the_same_for_ever() -> None:
    # Other values would move rows to other splits in all existing jobs.
    found = csv_kernels.hash_rows(*spans_of([[b"0", b"2013-01-01", b"UA"], [b"", b"", b""]]), 0)
    assert found.tolist() == [15594529471069064074, 3916720320892582176]
