"""Columns from the folders of a file, such as sales/year=2024/country=DK/part-0.csv."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from millrace.ingestion.blocks import Block, Lines, Markers, Table, classify

# The value by which Hive and Spark mark a missing key.
MISSING = "__HIVE_DEFAULT_PARTITION__"


def keys(path: Path) -> dict[str, str]:
    """Returns the keys and values of the `key=value` folders on a path."""
    pairs = (part.partition("=") for part in path.parts[:-1])
    found = {unquote(key): unquote(value) for key, sign, value in pairs if key and sign}
    return {key: "" if value == MISSING else value for key, value in found.items()}


class PartitionedTable:
    """A table with the keys of its folders appended as columns."""

    def __init__(self, table: Table, constants: dict[str, str]) -> None:
        self.path, self.has_types = table.path, table.has_types
        self.guess = table.guess
        self.names, self.index = [*table.names, *constants], table.index
        self._table, self._constants = table, constants

    @property
    def lines(self) -> Lines | None:
        """The numbers of lines of the table itself."""
        return self._table.lines

    def blocks(self, markers: Markers, types: dict[str, str]) -> Iterator[Block]:
        """Yields the table's rows; `types` are the columns' types, as far as they are known."""
        texts = [value.encode() for value in self._constants.values()]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        spans = np.stack([ends[:-1], ends[1:]], axis=1)[:, None]
        # Padded, because kernels read the first byte even of an empty span.
        data = np.frombuffer(b"".join(texts) + b"\0", np.uint8)
        classes, values = classify(data, spans, markers, list(self._constants), types)
        for block in self._table.blocks(markers, types):
            rows = len(block.counts)
            if block.fractions is not None:
                none = np.zeros((len(texts), rows), np.bool_)
                block = block._replace(fractions=np.append(block.fractions, none, 0))
            yield block._replace(
                data=np.concatenate([block.data, data]),
                spans=np.append(block.spans, (spans + len(block.data)).repeat(rows, axis=1), 0),
                classes=np.append(block.classes, classes.repeat(rows, axis=1), 0),
                values=np.append(block.values, values.repeat(rows, axis=1), 0),
                counts=np.where(block.counts < 0, block.counts, block.counts + len(texts)),
            )
