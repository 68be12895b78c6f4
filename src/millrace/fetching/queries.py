"""The rows that an SQL query gives, as a Parquet file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError

ROWS_PER_BATCH = 1 << 16
# Configs are given to others: no password may be in them.
PASSWORD = "MILLRACE_DATABASE_PASSWORD"


def write(query: Path, database: str | None, target: Path) -> None:
    """Runs the query in a file and writes its rows, in their order, to `target`.

    `database` is a DuckDB file or an SQLAlchemy URL; None is DuckDB by itself, which reads the
    files that a query names: select * from 'table.csv'. The password of a URL's user is in the
    environment variable MILLRACE_DATABASE_PASSWORD. Raises MillraceError when the query fails.
    """
    text = query.read_text(encoding="utf-8")
    try:
        with _batches(text, database) as batches:
            first = next(batches, None)
            if first is None:
                raise MillraceError(f"{query}: expected rows, found none.")
            with pq.ParquetWriter(target, first.schema) as writer:
                writer.write_batch(first)
                for batch in batches:
                    writer.write_batch(batch.cast(first.schema))
    except (duckdb.Error, pa.ArrowException) as error:
        raise MillraceError(f"{query}: expected a query that gives rows, found {error}.") from None


@contextmanager
def _batches(query: str, database: str | None) -> Iterator[Iterator[pa.RecordBatch]]:
    if database is not None and "://" in database:
        yield from _alchemy_batches(query, database)
        return
    if database is not None and not Path(database).is_file():
        raise MillraceError(f"data.database: expected a DuckDB file or a URL, found {database!r}.")
    with duckdb.connect(database or ":memory:", read_only=database is not None) as connection:
        yield connection.sql(query).to_arrow_reader(ROWS_PER_BATCH)


def _alchemy_batches(query: str, url: str) -> Iterator[Iterator[pa.RecordBatch]]:
    import sqlalchemy

    try:
        address = sqlalchemy.make_url(url)
        if address.username:
            address = address.set(password=os.environ.get(PASSWORD))
        engine = sqlalchemy.create_engine(address)
        with engine.connect().execution_options(yield_per=ROWS_PER_BATCH) as connection:
            result = connection.execute(sqlalchemy.text(query))
            names = list(result.keys())
            yield (
                pa.RecordBatch.from_arrays(
                    [pa.array(values) for values in zip(*rows, strict=True)], names
                )
                for rows in result.partitions()
            )
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise MillraceError(
            f"data.database: expected a database that answers, found {error}."
        ) from None
