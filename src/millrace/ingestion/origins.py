"""The origin of each example (its file, row and ids), in a Parquet file per split.

The rows of `train.origins.parquet` are those of the split's shards, in the same order. `file` is
the path in fetch's manifest; `row` is the row's number in the file, from 1 without the header, as
in rejected.csv. The columns of `data.ids` follow, as text.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError
from millrace.ingestion.row_groups import RowGroupWriter


def is_reserved(name: str) -> bool:
    """Returns whether predictions.parquet or scored rows use this name for their own columns."""
    return name in ("file", "row", "label", "class", "decision") or name.startswith("prediction")


def path(examples: Path, split: str) -> Path:
    """Returns the path of a split's file."""
    return examples / f"{split}.origins.parquet"


def fields(ids: Sequence[str]) -> pa.Schema:
    """Returns the columns of a table for `OriginWriter`."""
    file = pa.field("file", pa.dictionary(pa.int32(), pa.string()))
    texts = [pa.field(name, pa.string()) for name in ids]
    return pa.schema([file, pa.field("row", pa.int64()), *texts])


def read(examples: Path, split: str, rows: int) -> pa.Table:
    """Reads the origins of a split's examples.

    Raises MillraceError when the file is missing or does not have `rows` rows.
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
    """Writes the origins of one split's examples, in order."""

    def __init__(self, folder: Path, split: str, ids: Sequence[str]) -> None:
        # Plain strings: the content and order of a dictionary would depend on the batches.
        schema = fields(ids).set(0, pa.field("file", pa.string()))
        super().__init__(path(folder, split), schema, repeated=["file"])


def join(parts: Sequence[Path], folder: Path, split: str) -> None:
    """Joins the files of a split from several folders; equals the output of a single writer."""
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
