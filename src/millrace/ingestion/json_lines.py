"""Reads JSON lines, one object per line, as a stream of blocks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from millrace.errors import MillraceError
from millrace.ingestion import cells, csv_kernels, dialects
from millrace.ingestion.blocks import NO_OBJECT, Block, Lines, Markers, classify
from millrace.ingestion.delimited import LARGEST_ROW_BYTES
from millrace.ingestion.dialects import Dialect

CHUNK_BYTES = 1 << 20
ROWS_PER_BLOCK = 1 << 14

Line = tuple[int, bytes, dict[str, Any] | None]


class JsonLinesTable:
    """A file of JSON objects, one per line, compressed or not.

    `names` are all keys of the file, in order of appearance. Values are classified by their text,
    like the cells of a CSV; lists and objects are text.
    """

    has_types = False
    guess = ""
    lines: Lines | None = None
    index: tuple[str, ...] = ()

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.path, self.dialect = path, dialect
        keys: dict[str, None] = {}
        for _, _, row in self._lines():
            keys.update(dict.fromkeys(row or ()))
        self.names = list(keys)
        if not self.names:
            raise MillraceError(
                f"{path}: expected JSON objects, one per line, found none.",
                note='write one object per line, such as {"age": 31, "city": "Oslo"}.',
            )

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields the rows; `types` are the columns' types, as far as they are known."""
        taken: list[Line] = []
        row = 1
        for line in self._lines():
            taken.append(line)
            if len(taken) == ROWS_PER_BLOCK:
                yield self._block(taken, row, markers, types)
                row += len(taken)
                taken = []
        if taken:
            yield self._block(taken, row, markers, types)

    def _lines(self) -> Iterator[Line]:
        """Yields the byte offset, the text and the object, if any, of each nonempty line."""
        offset = self.dialect.start
        lines, empty, line = self.dialect.skipped, 0, b""
        for line in self._texts():
            if line.strip():
                yield offset, line.rstrip(b"\r"), _object(line)
            else:
                empty += 1
            lines += 1
            offset += len(line) + 1
        # After a final newline, `_texts` yields an empty text that is not a line.
        behind = not line
        self.lines = Lines(lines - behind, self.dialect.skipped, 0, 0, empty - behind)

    def _texts(self) -> Iterator[bytes]:
        """Yields each line without its end."""
        number, parts = 1, [b""]  # of a line that may continue in the next chunk
        size = 0
        for chunk in dialects.chunks(self.path, self.dialect, CHUNK_BYTES):
            first, *others = chunk.split(b"\n")
            parts.append(first)
            size += len(first)
            if size > LARGEST_ROW_BYTES:
                raise MillraceError(
                    f"{self.path}: line {number}: expected at most {LARGEST_ROW_BYTES >> 20} MiB, "
                    "found no end of the line within them.",
                    note="one JSON object is one line; `jq -c '.[]'` writes an array so.",
                )
            if others:
                yield b"".join(parts)
                yield from others[:-1]
                number += len(others)
                parts, size = [others[-1]], len(others[-1])
        yield b"".join(parts)

    def _block(self, lines: list[Line], row: int, markers: Markers, types: dict[str, str]) -> Block:
        objects = [found or {} for _, _, found in lines]
        columns = [[found.get(name) for found in objects] for name in self.names]
        texts = [_text(value) for column in columns for value in column]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        shape = len(self.names), len(lines)
        spans = np.stack([ends[:-1].reshape(shape), ends[1:].reshape(shape)], axis=2)
        # Padded, because kernels read the first byte even of an empty span.
        data = np.frombuffer(b"".join(texts) + b"\0", np.uint8)
        csv_kernels.strip_cells(data, spans)
        classes, values = classify(data, spans, markers, self.names, types)
        classes[np.array([[value is None for value in column] for column in columns])] = (
            cells.MISSING
        )
        counts = [len(self.names) if found is not None else NO_OBJECT for _, _, found in lines]
        exact = self.dialect.encoding == "utf-8"
        return Block(
            data,
            spans,
            classes,
            values,
            np.array(counts, np.int64),
            row,
            lambda index: lines[index][1].decode("utf-8", errors="backslashreplace"),
            lambda index: lines[index][0] if exact else None,
            np.array([[isinstance(value, float) for value in column] for column in columns]),
        )


def _object(line: bytes) -> dict[str, Any] | None:
    """Returns the object of a line, or None if it is not an object, repeats a key, or has a key
    that is not valid Unicode."""
    try:
        found = json.loads(line, object_pairs_hook=_unique)
        "".join(found).encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("repeated key")
    return found


def _text(value: Any) -> bytes:
    if value is None:
        return b""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate, possible in JSON but not in UTF-8, makes the cell BROKEN.
    return text.encode("utf-8", errors="surrogatepass")
