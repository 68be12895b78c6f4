"""The rows of a table in a database, or those that an SQL query gives, as a Parquet file."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError
from millrace.fetching.sources import TABLE, is_table

ROWS_PER_BATCH = 1 << 16
# Configs are given to others: no password may be in them.
PASSWORD = "MILLRACE_DATABASE_PASSWORD"


def write(source: str, database: str | None, target: Path) -> None:
    """Writes the rows of a query or of a table, in their order, to `target`.

    Args:
        source: an .sql file with a query, or `table:name`, where a schema may stand: table:a.b.
        database: a DuckDB file or an SQLAlchemy URL; None is DuckDB by itself, which reads the
            files that a query names: select * from 'table.csv'. The password of a URL's user is in
            the environment variable MILLRACE_DATABASE_PASSWORD.
        target: the Parquet file.

    Raises:
        MillraceError: the query fails, there is no such table, or there are no rows.
    """
    if database is None and is_table(source):
        raise MillraceError(f"{source}: expected data.database, where the table is, found null.")
    try:
        with _batches(source, database) as batches:
            first = next(batches, None)
            if first is None:
                raise MillraceError(f"{source}: expected rows, found none.")
            with pq.ParquetWriter(target, first.schema) as writer:
                writer.write_batch(first)
                for batch in batches:
                    writer.write_batch(batch.cast(first.schema))
    except (duckdb.Error, pa.ArrowException) as error:
        raise MillraceError(f"{source}: expected a query that gives rows, found {error}.") from None


def _text(source: str, quote: Callable[[str], str]) -> str:
    """Returns a source as SQL; `quote` is the database's way to quote a name."""
    if is_table(source):
        return f"select * from {'.'.join(map(quote, source.removeprefix(TABLE).split('.')))}"
    return Path(source).read_text(encoding="utf-8")


@contextmanager
def _batches(source: str, database: str | None) -> Iterator[Iterator[pa.RecordBatch]]:
    if database is not None and "://" in database:
        yield from _alchemy_batches(source, database)
        return
    if database is not None and not Path(database).is_file():
        raise MillraceError(f"data.database: expected a DuckDB file or a URL, found {database!r}.")
    with duckdb.connect(database or ":memory:", read_only=database is not None) as connection:
        text = _text(source, lambda name: '"' + name.replace('"', '""') + '"')
        yield connection.sql(text).to_arrow_reader(ROWS_PER_BATCH)


def _alchemy_batches(source: str, url: str) -> Iterator[Iterator[pa.RecordBatch]]:
    import sqlalchemy

    try:
        address = sqlalchemy.make_url(url)
        if address.username:
            address = address.set(password=os.environ.get(PASSWORD))
        engine = sqlalchemy.create_engine(address)
        with engine.connect().execution_options(yield_per=ROWS_PER_BATCH) as connection:
            text = _text(source, engine.dialect.identifier_preparer.quote)
            result = connection.execute(sqlalchemy.text(text))
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
