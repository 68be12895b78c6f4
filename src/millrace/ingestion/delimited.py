"""Reads CSV files with any delimiter as a stream of blocks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from millrace.errors import MillraceError
from millrace.ingestion import csv_kernels, dialects, line_kernels
from millrace.ingestion.blocks import Block, Lines, Markers, classify, text
from millrace.ingestion.dialects import Dialect

BLOCK_BYTES = 4 << 20
LARGEST_ROW_BYTES = 64 << 20
CELLS_PER_BLOCK = 1 << 20

# pandas' name for a first column without a name, usually an index that it wrote itself.
UNNAMED = "Unnamed: 0"

Array = np.ndarray[Any, Any]


class DelimitedTable:
    """A CSV file, compressed or not.

    Attributes:
        names: the names of the columns.
        lines: the numbers of lines, after all blocks have been read.
        guess: a note if quotes are treated as text by detection.

    Raises:
        MillraceError: there is no first row, or it repeats the names given in the config.
    """

    has_types = False

    def __init__(self, path: Path, dialect: Dialect, header: bool | Sequence[str]) -> None:
        self.path = path
        self.dialect = dialect
        self._has_header = header is True
        self.lines: Lines | None = None
        self.guess = ""
        if not (dialect.quote or dialect.is_sure):
            self.guess = (
                "quotes are taken for text, since rows would be lost in quoted cells; "
                "data.quote says what they are: none, or '\"'"
            )
        self.index: tuple[str, ...] = ()
        self.names = self._names() if isinstance(header, bool) else [*header]
        if not isinstance(header, bool):
            self._refuse_header()

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields the rows without the header.

        `types` are the columns' types, as far as they are known.
        """
        columns = len(self.names)
        for data, spans, bounds, counts, row, offset in self._split(columns):
            first = max(0, 1 - row)
            if first == len(counts):
                continue
            spans, bounds, counts = spans[:, first:], bounds[first:], counts[first:]
            classes, values = classify(data, spans, markers, self.names, types)
            place = _Place(data, bounds, offset)
            yield Block(
                data, spans, classes, values, counts, row + first, place.raw, place.byte_offset
            )

    def _refuse_header(self) -> None:
        """Raises MillraceError when the config gives the names, but the first row is a header."""
        data, spans, _, counts, *_ = next(self._split(len(self.names)), (np.zeros(0),) * 6)
        if not len(counts) or counts[0] != len(self.names):
            return
        cells = [text(data, span).casefold() for span in spans[:, 0]]
        same = sum(cell == name.casefold() for cell, name in zip(cells, self.names, strict=True))
        if 2 * same >= len(cells):
            raise MillraceError(
                f"{self.path}: expected a row of data behind the names under data.header, found "
                f"one that repeats {same} of them.",
                note="set data.skip_lines to 1, for the line that has the names.",
            )

    def _names(self) -> list[str]:
        """Returns the names in the first row; column_N for empty ones or without a header."""
        *_, counts, _, _ = next(self._split(columns=0), (np.zeros(0),) * 6)
        if not len(counts):
            raise MillraceError(
                f"{self.path}: expected a table, found no row.",
                note="check data.skip_lines, or replace the file.",
            )
        if counts[0] == csv_kernels.UNCLOSED:
            raise MillraceError(
                f"{self.path}: expected a first row, found a quote in it that is never closed.",
                note="close the quote, or set data.quote to none if quotes are text in this file.",
            )
        data, spans, *_ = next(self._split(int(counts[0])))
        names = [text(data, span) if self._has_header else "" for span in spans[:, 0]]
        found = [name or f"column_{index}" for index, name in enumerate(names, start=1)]
        if self._has_header and (names[0] or UNNAMED) == UNNAMED:
            self.index = (found[0],)
        return found

    def _split(self, columns: int) -> Iterator[tuple[Array, Array, Array, Array, int, int | None]]:
        """Yields rows split into `columns` cells (0: any number).

        Yields the outputs of `csv_kernels.split_rows`, the number of the first row (the header is
        row 0), and the byte offset of the data in the file, or None if it was re-encoded.
        """
        most = max(1, CELLS_PER_BLOCK // max(columns, 1))
        escape = ord(self.dialect.escape or "\0")
        quote = ord(self.dialect.quote or "\0")
        dialect = (ord(self.dialect.delimiter), quote, escape, columns)
        row = 0 if self._has_header else 1
        start = self.dialect.start
        before, lines, in_cells, empty = self.dialect.skipped, 0, 0, 0
        rest = np.empty(0, np.uint8)
        for chunk, final in self._chunks():
            size = len(rest) + len(chunk)
            data = np.empty(2 * size, np.uint8)  # the second half is for unescaped text
            data[: len(rest)], data[len(rest) : size] = rest, chunk
            position, count = 0, most
            while count == most:
                spans = np.empty((columns, most, 2), np.int64)
                bounds, counts = np.empty((most, 2), np.int64), np.empty(most, np.int64)
                breaks = np.empty(most, np.int64)
                count, position = csv_kernels.split_rows(
                    data, position, size, final, *dialect, spans, bounds, counts, breaks
                )
                in_cells += int(breaks[:count].sum())
                if in_cells and not self.dialect.is_sure and columns:
                    self._refuse_swallowed(
                        data, bounds[:count], counts[:count], breaks[:count], row, before + lines
                    )
                offset = start if self.dialect.encoding == "utf-8" else None
                if count:
                    yield data, spans[:, :count], bounds[:count], counts[:count], row, offset
                row += count
            if size - position > LARGEST_ROW_BYTES:
                raise MillraceError(
                    f"{self.path}: row {row}: expected at most {LARGEST_ROW_BYTES >> 20} MiB, "
                    f"found no end of the row within them.",
                    note="a quote may be open that nothing closes, or this may be no table.",
                )
            rest = data[position:size]
            is_first = start == self.dialect.start
            start += position
            ended = line_kernels.count_lines(data[:position], not is_first)
            lines, empty = lines + ended[0], empty + ended[1]
        has_end = not position or data[position - 1] in (10, 13)
        total = before + lines + (not has_end)
        self.lines = Lines(total, before, int(self._has_header), in_cells, empty)

    def _refuse_swallowed(
        self, data: Array, bounds: Array, counts: Array, breaks: Array, row: int, lines: int
    ) -> None:
        """Raises MillraceError when a quoted cell seems to contain whole rows; `row` and `lines`
        are the numbers of rows and lines before the data."""
        found = line_kernels.swallowing_row(
            data,
            bounds,
            counts,
            breaks,
            ord(self.dialect.delimiter),
            ord(self.dialect.quote or "\0"),
            self.dialect.is_quoted,
        )
        if found >= 0:
            line = 1 + lines + line_kernels.line_breaks(data, 0, int(bounds[found, 0]))
            raise MillraceError(
                f"{self.path}: line {line}, row {row + found}: expected a row on a line, found a "
                f"quoted cell over {breaks[found] + 1} lines, each of which would be a whole row.",
                note="if quotes are text in this file, set data.quote to none; if a cell does "
                f"hold these lines, set it to '{self.dialect.quote}'.",
            )

    def _chunks(self) -> Iterator[tuple[Array, bool]]:
        """Yields chunks of the file's text, and whether each is the last."""
        stream = dialects.chunks(self.path, self.dialect, BLOCK_BYTES)
        chunk: bytes | None = next(stream)
        while chunk is not None:
            following = next(stream, None)
            yield np.frombuffer(chunk, np.uint8), following is None
            chunk = following


class _Place:
    """The positions of a block's rows in its data, and of the data in the file."""

    def __init__(self, data: Array, bounds: Array, offset: int | None) -> None:
        self._data, self._bounds, self._offset = data, bounds, offset

    def raw(self, row: int) -> str:
        return text(self._data, self._bounds[row])

    def byte_offset(self, row: int) -> int | None:
        return None if self._offset is None else self._offset + int(self._bounds[row, 0])
