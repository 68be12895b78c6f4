"""The origin of each example: its file, its row and its ids; a Parquet file per split.

The rows of `train.origins.parquet` are those of the split's shards, in the same order. `file` is
the path in fetch's manifest, `row` the row's number in the file as in rejected.csv: from 1, the
header left out. The columns of `data.ids` follow, as text.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError
from millrace.ingestion.row_groups import RowGroupWriter


def is_reserved(name: str) -> bool:
    """Says whether a column of predictions.parquet, or of scored rows, may have this name."""
    return name in ("file", "row", "label", "class", "decision") or name.startswith("prediction")


def path(examples: Path, split: str) -> Path:
    """Returns the file that tells where the examples of a split come from."""
    return examples / f"{split}.origins.parquet"


def fields(ids: Sequence[str]) -> pa.Schema:
    """Returns the columns of a table for `OriginWriter`."""
    file = pa.field("file", pa.dictionary(pa.int32(), pa.string()))
    texts = [pa.field(name, pa.string()) for name in ids]
    return pa.schema([file, pa.field("row", pa.int64()), *texts])


def read(examples: Path, split: str, rows: int) -> pa.Table:
    """Reads where the examples of a split come from.

    Raises MillraceError unless that is told of as many `rows` as the split has.
    """
    source = path(examples, split)
    try:
        table = pq.read_table(source, read_dictionary=["file"])
    except (OSError, pa.ArrowException) as error:
        raise MillraceError(
            f"{source}: expected where each example comes from, found no such file ({error}).",
            note="run the gather stage again.",
        ) from None
    if table.num_rows != rows:
        raise MillraceError(
            f"{source}: expected {rows:,} rows, found {table.num_rows:,}.",
            note="run the gather stage again.",
        )
    return table


class OriginWriter(RowGroupWriter):
    """Writes where the examples of one split come from, in their order."""

    def __init__(self, folder: Path, split: str, ids: Sequence[str]) -> None:
        # What is in a dictionary, and in which order, would depend on the batches.
        schema = fields(ids).set(0, pa.field("file", pa.string()))
        super().__init__(path(folder, split), schema, repeated=["file"])


def join(parts: Sequence[Path], folder: Path, split: str) -> None:
    """Makes a split's file out of those in several folders, as one writer would have."""
    if len(parts) == 1:
        shutil.copyfile(path(parts[0], split), path(folder, split))
        return
    sources = [pq.ParquetFile(path(part, split)) for part in parts]
    ids = sources[0].schema_arrow.names[2:]
    writer = OriginWriter(folder, split, ids)
    for source in sources:
        for group in range(source.num_row_groups):
            writer.write(source.read_row_group(group).cast(fields(ids)))
    writer.close()
