"""Writes Parquet with row groups of a fixed size, so that its bytes depend on the rows alone."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 1 << 16


class RowGroupWriter:
    """Writes rows given in batches of any size; one column is `row`, the row's number."""

    def __init__(self, path: Path, schema: pa.Schema, repeated: Sequence[str]) -> None:
        """Opens a new file; `repeated` names the columns whose values repeat."""
        self._schema = schema
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=repeated,
            column_encoding={"row": "DELTA_BINARY_PACKED"},
        )
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        """Writes the next rows."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        while self._rows >= ROWS_PER_GROUP:
            self._write_group(ROWS_PER_GROUP)

    def close(self) -> None:
        """Writes the remaining rows and the footer, without which the file is invalid."""
        if self._rows:
            self._write_group(self._rows)
        self._writer.close()

    def _write_group(self, rows: int) -> None:
        table = pa.concat_tables(self._waiting)
        group = table[:rows].cast(self._schema).combine_chunks()
        self._writer.write_table(group, row_group_size=rows)
        self._waiting, self._rows = [table[rows:]], self._rows - rows
