"""Detects the dialect of a text file: encoding, delimiter, quotes, escapes."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from millrace.errors import MillraceError
from millrace.ingestion import compression, csv_kernels, line_kernels

SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 1000
DELIMITERS = ",\t;|"
QUOTE = '"'
ESCAPE = "\\"
# The share of rows that must have all columns for quotes to be treated as text.
WHOLE_SHARE = 0.99

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_TEXT_CONTROLS = frozenset(b"\t\n\x0b\x0c\r\x1b")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Dialect(NamedTuple):
    """The dialect of a CSV.

    Attributes:
        compression: the name from `compression.container`, or None.
        encoding: the encoding of the text.
        start: the number of bytes before the table: a byte order mark and skipped lines.
        delimiter: the character between cells.
        escape: a backslash, or "" for none.
        quote: the character around cells, or "" for none.
        is_sure: whether `quote` is from the config instead of detected.
        skipped: the number of lines before the table.
        is_quoted: whether quotes must be special for all lines at the beginning to be rows.
    """

    compression: str | None
    encoding: str
    start: int
    delimiter: str
    escape: str = ""
    quote: str = QUOTE
    is_sure: bool = True
    skipped: int = 0
    is_quoted: bool = True


def detect(
    path: Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    escape: str | None = None,
    quote: str | None = None,
    columns: int = 0,
) -> Dialect:
    """Detects the dialect from the first 256 KiB of a CSV, after `skip_lines` lines.

    `delimiter`, `encoding`, `escape` and `quote` override detection; a byte order mark overrides
    `encoding`. `columns` is the number of columns, 0 if unknown.
    Raises MillraceError when the file is empty, damaged, or not text.
    """
    packed = compression.container(path)
    sample = _sample(path, packed)
    encoding, mark = _encoding(sample, encoding)
    try:
        # Incremental, because the sample may end inside a character.
        text = codecs.getincrementaldecoder(encoding)().decode(sample[mark:])
    except UnicodeError as error:
        raise _wrong_encoding(path, encoding, error) from None
    before = _first_lines(path, text, skip_lines)
    text = text[len(before) :]
    start = mark + len(before.encode(encoding))
    if not text.strip():
        raise MillraceError(
            f"{path}: expected a table, found an empty file.",
            note="replace the file, or remove it from data.files.",
        )
    controls = {ord(letter) for letter in text if letter < " "} - _TEXT_CONTROLS
    if controls:
        raise MillraceError(
            f"{path}: expected text, found binary data (a byte {min(controls):#04x}).",
            note="a table can be CSV or JSON lines, compressed once or not, or Parquet; "
            "UTF-16 without a byte order mark needs data.encoding.",
        )
    cut = len(sample) >= SAMPLE_BYTES
    seen = _Sample(text.encode(), cut, columns)
    written, is_quoted = seen.dialect(delimiter, escape, quote)
    return Dialect(packed, encoding, start, *written, quote is not None, skip_lines, is_quoted)


def _sample(path: Path, packed: str | None) -> bytes:
    sample = b""
    for chunk in compression.read(path, packed, SAMPLE_BYTES):
        sample += chunk
        if len(sample) >= SAMPLE_BYTES:
            break
    return sample


def _first_lines(path: Path, text: str, count: int) -> str:
    """Returns the first `count` lines, with their line ends."""
    end = 0
    for _ in range(count):
        found = _LINE_END.search(text, end)
        if found is None:
            raise MillraceError(
                f"{path}: expected a table behind {count} lines, found fewer lines in its first "
                f"{SAMPLE_BYTES >> 10} KiB.",
                note="data.skip_lines says how many to skip.",
            )
        end = found.end()
    return text[:end]


def _encoding(sample: bytes, given: str | None) -> tuple[str, int]:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return encoding, len(mark)
    if given is not None:
        return _text_encoding(given), 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "latin-1", 0
    return "utf-8", 0


def _text_encoding(name: str) -> str:
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):  # ValueError: the codec `undefined`
        raise MillraceError(
            f"data.encoding: expected the name of a text encoding, found {name!r}.",
            note="such as utf-8, latin-1, cp1252, utf-16-le or shift_jis.",
        ) from None


def _wrong_encoding(path: Path, encoding: str, error: UnicodeError) -> MillraceError:
    return MillraceError(
        f"{path}: expected text in {encoding}, found {error}.",
        note="data.encoding names the encoding of a file.",
    )


class _Fit(NamedTuple):
    """How well a dialect fits a sample. The first three fields are compared; greater is better."""

    share: float = 0.0  # of the rows that have as many cells as there are columns
    stray_quotes: int = 0  # minus the number of quotes inside cells
    columns: int = 0
    is_swallowing: bool = False  # whether a quoted cell seems to contain rows
    half_quoted: int = 0  # cells with only an opening quote, minus cells with both


class _Sample:
    """The first bytes of a CSV; `columns` is its number of columns (0: that of the first row)."""

    def __init__(self, text: bytes, is_cut: bool, columns: int) -> None:
        self._text, self._is_cut, self._columns = text, is_cut, columns

    def dialect(
        self, delimiter: str | None, escape: str | None, quote: str | None
    ) -> tuple[tuple[str, str, str], bool]:
        """Returns (delimiter, escape, quote), and whether quotes must be special for all lines to
        be rows.

        The choice gives the most rows as many cells as there are columns, at least two. Arguments
        that are not None are kept.
        """
        escapes = (
            ["", ESCAPE] if escape is None and ESCAPE.encode() in self._text else [escape or ""]
        )
        guess = QUOTE if quote is None else quote
        candidates = [(d, e, guess) for e in escapes for d in delimiter or DELIMITERS]
        fits = {candidate: self._fit(*candidate) for candidate in candidates}
        best = max(candidates, key=lambda candidate: fits[candidate][:3])
        if quote is None and guess.encode() in self._text:
            plain = (best[0], escape or "", "")
            without = self._fit(*plain)
            is_quoted = without.share < 1
            return plain if self._is_unquoted(fits[best], without) else best, is_quoted
        return best, True

    @staticmethod
    def _is_unquoted(quoted: _Fit, plain: _Fit) -> bool:
        """Returns whether quotes are text: as text all rows are whole, as quotes some are lost.

        In doubt, quotes are special.
        """
        # If every line is a row with quotes as text, a single broken row decides.
        tolerated = 0 if plain.share == 1 else 1 - WHOLE_SHARE
        loses = quoted.is_swallowing or quoted.share < plain.share - tolerated
        return loses and plain.share >= WHOLE_SHARE and plain.half_quoted > 0

    def _fit(self, delimiter: str, escape: str, quote: str) -> _Fit:
        columns = self._columns
        if columns < 2:
            columns = int(self._split(delimiter, escape, quote, columns=0)[0][0])
        if columns < 2:
            return _Fit()
        counts, stray, swallows, half = self._split(delimiter, escape, quote, columns)
        # The last row of the sample may be cut off.
        whole = counts[:-1] if len(counts) > 1 and self._is_cut else counts
        return _Fit(float((whole == columns).mean()), -stray, columns, swallows, half)

    def _split(
        self, delimiter: str, escape: str, quote: str, columns: int
    ) -> tuple[np.ndarray[Any, Any], int, bool, int]:
        """Returns the number of cells of each of the first rows, the number of quotes inside cells,
        and the last two fields of `_Fit`."""
        size = len(self._text)
        data = np.frombuffer(self._text + bytes(size), np.uint8).copy()
        counts, breaks = np.zeros(SAMPLE_ROWS, np.int64), np.zeros(SAMPLE_ROWS, np.int64)
        spans = np.zeros((columns, SAMPLE_ROWS, 2), np.int64)
        bounds = np.empty((SAMPLE_ROWS, 2), np.int64)
        dialect = (ord(delimiter), ord(quote or "\0"), ord(escape or "\0"), columns)
        rows, _ = csv_kernels.split_rows(
            data, 0, size, True, *dialect, spans, bounds, counts, breaks
        )
        swallowing = line_kernels.swallowing_row(
            data, bounds[:rows], counts[:rows], breaks[:rows], *dialect[:2], True
        )
        # Only quotes within the sample count: unescaped cells, with doubled quotes, come after it.
        is_quote = (data == ord(QUOTE)) & (np.arange(2 * size) < size)
        quotes = np.cumsum(np.append(0, is_quote))
        stray = int((quotes[spans[..., 1]] - quotes[spans[..., 0]]).sum())
        starts, ends = spans[..., 0], spans[..., 1]
        begins = (ends > starts) & is_quote[np.minimum(starts, 2 * size - 1)]
        ends_too = begins & (ends > starts + 1) & is_quote[ends - 1]
        half = int(begins.sum()) - 2 * int(ends_too.sum())
        return counts[:rows], stray, swallowing >= 0, half


def chunks(path: Path, dialect: Dialect, size: int) -> Iterator[bytes]:
    """Yields a CSV's text, decompressed, in UTF-8, without byte order mark, by about `size` bytes.

    Raises MillraceError when the file is damaged or is not valid in its encoding.
    """
    stream = compression.read(path, dialect.compression, size + dialect.start)
    first = next(stream, b"")
    while len(first) < dialect.start and (more := next(stream, b"")):
        first += more
    first = first[dialect.start :]
    if dialect.encoding == "utf-8":
        yield first
        yield from stream
        return
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in stream:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise _wrong_encoding(path, dialect.encoding, error) from None
