"""Writes the rows of a database table or an SQL query to a Parquet file."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.config import addresses
from millrace.errors import MillraceError
from millrace.fetching.source_names import TABLE, is_table

if TYPE_CHECKING:
    import sqlalchemy

ROWS_PER_BATCH = 1 << 16
# Strings, quoted names and comments, whose content must not be taken for keywords.
_LITERAL = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
_READS = re.compile(r"\s*\(*\s*(select|with|values|table)\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\b(insert|update|delete|merge|replace\s+into|into|drop|create|alter|truncate|grant|call|copy"
    r"|attach|pragma)\b(?!\s*\()",
    re.IGNORECASE,
)


def write(source: str, database: str | None, target: Path) -> None:
    """Writes the rows of a query or of a table, in their order, to `target`.

    The database is only read: a query must be a single SELECT.

    Args:
        source: an .sql file with a query, or `table:name`, optionally with a schema: table:a.b.
        database: a DuckDB file or an SQLAlchemy URL; None is an empty DuckDB, for queries that
            name files: select * from 'table.csv'. A URL may refer to environment variables as
            ${NAME}; the password of its user may be in MILLRACE_DATABASE_PASSWORD.
        target: the Parquet file.

    Raises:
        MillraceError: the query fails or is not a SELECT, the table does not exist, or there are
            no rows.
    """
    if database is None and is_table(source):
        raise MillraceError(
            f"{source}: expected data.database, where the table is, found null.",
            note="set data.database to a DuckDB file or a URL.",
        )
    try:
        if database is not None and "://" in addresses.resolved(database):
            _write_from_url(source, database, target)
        else:
            _write_from_duckdb(source, database, target)
    except (duckdb.Error, pa.ArrowException) as error:
        found = addresses.scrubbed(str(error), database or "")
        raise MillraceError(
            f"{source}: expected a query that gives rows, found {found}.",
            note="run the query by itself in DuckDB to see what is wrong.",
        ) from None


def _text(source: str, quoted: Callable[[str], str]) -> str:
    """Returns the SQL of a source; `quoted` quotes a name as the database requires."""
    if is_table(source):
        return f"select * from {'.'.join(map(quoted, source.removeprefix(TABLE).split('.')))}"
    return Path(source).read_text(encoding="utf-8")


def _no_select(source: str, found: str) -> MillraceError:
    return MillraceError(
        f"{source}: expected one SELECT, which changes nothing, found {found}.",
        note="run what writes beforehand, with the database's own tools.",
    )


def _no_rows(source: str) -> MillraceError:
    return MillraceError(
        f"{source}: expected rows, found none.",
        note="check the WHERE clause, and that the table has rows.",
    )


def _write_from_duckdb(source: str, database: str | None, target: Path) -> None:
    file = None if database is None else addresses.resolved(database)
    if file is not None and not Path(file).is_file():
        raise MillraceError(
            f"data.database: expected a DuckDB file or a URL, found {database!r}.",
            note="check the path; a URL looks like postgresql://user@host/name.",
        )
    with duckdb.connect(file or ":memory:", read_only=file is not None) as connection:
        text = _text(source, lambda name: '"' + name.replace('"', '""') + '"')
        statements = connection.extract_statements(text)
        if len(statements) != 1:
            raise _no_select(source, f"{len(statements)} statements")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise _no_select(source, str(statements[0].type).rpartition(".")[2])
        batches = iter(connection.sql(text).to_arrow_reader(ROWS_PER_BATCH))
        first = next(batches, None)
        if first is None:
            raise _no_rows(source)
        with pq.ParquetWriter(target, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)


def _write_from_url(source: str, database: str, target: Path) -> None:
    """Writes the result of a query.

    The rows are spooled to disk first, because the type of a column depends on all of them: it may
    begin with nulls, or have its first decimals in the last row.
    """
    with ExitStack() as stack:
        spool = stack.enter_context(_Spool(target))
        for batch in stack.enter_context(_batches(source, database)):
            spool.add(batch)
        if not spool.schemas:
            raise _no_rows(source)
        schema = _common([schema for schema, _ in spool.schemas])
        with pq.ParquetWriter(target, schema) as writer:
            for batch in spool.batches():
                columns = [
                    column.cast(field.type)
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


class _Spool:
    """Batches of rows on disk, in temporary files beside the target."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.schemas: list[tuple[pa.Schema, Path]] = []
        self._writer: Any = None

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()
        for _, path in self.schemas:
            path.unlink(missing_ok=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Appends a batch; a new schema starts a new Arrow file."""
        if not self.schemas or self.schemas[-1][0] != batch.schema:
            if self._writer is not None:
                self._writer.close()
            path = self._target.with_name(f".{self._target.name}.{len(self.schemas)}.arrow")
            self.schemas.append((batch.schema, path))
            self._writer = pa.ipc.new_file(str(path), batch.schema)
        self._writer.write_batch(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields all batches in order; nothing may be added afterwards."""
        self._writer.close()
        for _, path in self.schemas:
            with pa.ipc.open_file(str(path)) as reader:
                yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def _common(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Returns a schema that can hold all values: columns of several kinds become text."""
    fields = []
    for index, field in enumerate(schemas[0]):
        types = [pa.schema([pa.field("x", schema.field(index).type)]) for schema in schemas]
        try:
            type_ = pa.unify_schemas(types, promote_options="permissive").field("x").type
        except pa.ArrowTypeError:
            type_ = pa.string()
        fields.append(pa.field(field.name, type_))
    return pa.schema(fields)


@contextmanager
def _batches(source: str, url: str) -> Iterator[Iterator[pa.RecordBatch]]:
    """Yields the rows of a query on an SQLAlchemy URL, streamed from the server."""
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(_address(url))
        text = _text(source, engine.dialect.identifier_preparer.quote)
        _refuse_writing(source, text)
        with engine.connect() as connection:
            _make_read_only(connection)
            # no_parameters: a colon or a percent sign in a literal is not a placeholder.
            result = connection.execution_options(
                stream_results=True, max_row_buffer=ROWS_PER_BATCH, no_parameters=True
            ).exec_driver_sql(text)
            names = list(result.keys())
            yield (
                pa.RecordBatch.from_arrays(
                    [_array(values) for values in zip(*rows, strict=True)], names
                )
                for rows in result.partitions(ROWS_PER_BATCH)
            )
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        found = addresses.scrubbed(str(error), url)
        raise MillraceError(
            f"data.database: expected a database that answers, found {found}.",
            note="check the query, the address and the credentials, and that the driver of the "
            "database is installed.",
        ) from None


def _address(url: str) -> "sqlalchemy.URL":
    import sqlalchemy

    address = sqlalchemy.make_url(addresses.resolved(url))
    if address.username and not address.password:
        address = address.set(password=os.environ.get(addresses.DATABASE_PASSWORD))
    if address.drivername == "postgresql":
        # SQLAlchemy's default is psycopg2, but psycopg (3) is installed.
        address = address.set(drivername="postgresql+psycopg")
    file = address.database
    if address.get_backend_name() == "sqlite" and file and not file.startswith((":", "file:")):
        # SQLite would create a missing file.
        address = address.set(database=f"file:{quote(file)}")
        address = address.update_query_dict({"mode": "ro", "uri": "true"})
    return address


def _refuse_writing(source: str, text: str) -> None:
    """Raises MillraceError when SQL is not a single statement that only reads."""
    if is_table(source):
        return
    plain = _LITERAL.sub(" '' ", text).strip().removesuffix(";")
    if ";" in plain:
        raise _no_select(source, "several statements")
    if not _READS.match(plain.replace("''", " ", 1) if plain.startswith("''") else plain):
        raise _no_select(source, repr(plain.split(maxsplit=1)[0] if plain.split() else ""))
    if found := _WRITES.search(plain):
        raise _no_select(source, repr(found[0]))


def _make_read_only(connection: "sqlalchemy.Connection") -> None:
    """Makes the database refuse writes, if it can: a SELECT may call a function that writes."""
    match connection.engine.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("pragma query_only = on")
        case "postgresql":
            connection.exec_driver_sql("set transaction read only")


def _array(values: Sequence[Any]) -> pa.Array:
    """Returns a column; values of mixed types, or of types that Parquet lacks, become text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])
