"""The results of queries, written to files and compared with pandas."""

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from millrace.errors import MillraceError
from millrace.fetching import queries


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"fare": rng.gamma(2, 9, 200_000).round(2), "n": range(200_000)})
    table["tips"] = (table["fare"] * rng.uniform(0, 0.4, len(table))).round(2)
    table.loc[5, "tips"] = None
    table.to_csv("taxi.csv", index=False)
    return tmp_path


def run(query: str, database: str | None = None) -> pd.DataFrame:
    Path("query.sql").write_text(query)
    return rows_of("query.sql", database)


def rows_of(source: str, database: str | None) -> pd.DataFrame:
    queries.write(source, database, Path("out.parquet"))
    return pq.read_table("out.parquet").to_pandas()


def test_a_query_reads_files_and_keeps_their_order(folder: Path) -> None:
    found = run("select * exclude tips, tips > 0.2 * fare as big_tip from 'taxi.csv'")
    table = pd.read_csv("taxi.csv")
    assert found["n"].tolist() == table["n"].tolist()
    expected = (table["tips"] > 0.2 * table["fare"]).astype("boolean").mask(table["tips"].isna())
    assert found["big_tip"].isna().sum() == 1
    # DuckDB computes 0.2 * fare in decimals.
    assert (found["big_tip"].astype("boolean") == expected).mean() > 0.9999


def test_a_query_runs_in_a_database_file(folder: Path) -> None:
    with duckdb.connect("taxi.duckdb") as connection:
        connection.execute("create table taxi as select * from 'taxi.csv'")
    found = run("select n from taxi where n < 10", "taxi.duckdb")
    assert found["n"].tolist() == list(range(10))


def test_a_table_needs_no_query(folder: Path) -> None:
    expected = pd.read_csv("taxi.csv")[:9]
    with duckdb.connect("taxi.duckdb") as connection:
        connection.execute('create schema "of May"')
        connection.execute("""create table "of May"."a ""taxi" as from 'taxi.csv' limit 9""")
    with sqlite3.connect("taxi.sqlite") as connection:
        expected.to_sql("order", connection, index=False)
    for source, database in {
        'table:of May.a "taxi': "taxi.duckdb",
        "table:order": "sqlite:///taxi.sqlite",
        "table:main.order": "sqlite:///taxi.sqlite",
    }.items():
        pd.testing.assert_frame_equal(rows_of(source, database), expected)


@pytest.mark.parametrize(
    ("database", "message"),
    [
        (None, "table:none: expected data.database, where the table is, found null"),
        ("taxi.duckdb", "table:none: expected a query that gives rows, found .* does not exist"),
        ("sqlite:///taxi.sqlite", "expected a database that answers, found .* no such table: none"),
    ],
)
def test_a_table_that_is_not_there(folder: Path, database: str | None, message: str) -> None:
    duckdb.connect("taxi.duckdb").close()
    sqlite3.connect("taxi.sqlite").close()
    Path("taxi.sqlite").touch()
    with pytest.raises(MillraceError, match=message):
        rows_of("table:none", database)


@pytest.mark.slow
def test_a_query_runs_behind_a_url(folder: Path) -> None:
    with sqlite3.connect("taxi.sqlite") as connection:
        pd.read_csv("taxi.csv").to_sql("taxi", connection, index=False)
    found = run("select n, tips from taxi where n < 100000", "sqlite:///taxi.sqlite")
    expected = pd.read_csv("taxi.csv")[:100_000][["n", "tips"]]
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("query", "database", "message"),
    [
        ("selekt 1", None, r"query\.sql: expected a query that gives rows, found"),
        ("select * from 'none.csv'", None, r"query\.sql: expected a query that gives rows, found"),
        ("select n from 'taxi.csv' where n < 0", None, r"query\.sql: expected rows, found none"),
        ("select 1", "none.duckdb", "expected a DuckDB file or a URL, found 'none.duckdb'"),
        ("select 1", "nosuch://x", "expected a database that answers, found"),
        ("select * from nothing", "sqlite:///x.sqlite", "expected a database that answers, found"),
    ],
)
def test_queries_that_fail(folder: Path, query: str, database: str | None, message: str) -> None:
    with pytest.raises(MillraceError, match=message):
        run(query, database)


def test_the_password_of_a_user_is_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Guarded(SQLiteDialect_pysqlite):
        """A database file that only one user may read."""

        supports_statement_cache = True

        def create_connect_args(self, url: Any) -> Any:
            if (url.username, url.password) != ("ann", "s3cret"):
                raise sqlalchemy.exc.ArgumentError("wrong password")
            return ([url.database], {})

    sqlalchemy.dialects.registry.impls["guarded"] = lambda: Guarded
    sqlite3.connect("taxi.sqlite").close()
    with pytest.raises(MillraceError, match="expected a database that answers, found wrong pass"):
        run("select 1 as n", "guarded://ann@host/taxi.sqlite")
    monkeypatch.setenv("MILLRACE_DATABASE_PASSWORD", "s3cret")
    assert run("select 1 as n", "guarded://ann@host/taxi.sqlite")["n"].tolist() == [1]


def made(name: str, *statements: str) -> str:
    with sqlite3.connect(name) as connection:
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{name}"


def test_types_are_those_of_all_rows(folder: Path) -> None:
    """The first batch has only nulls and whole numbers; the result is compared with pandas."""
    rows = 70_000
    url = made("t.sqlite", "create table t (n, x, s, m)")
    with sqlite3.connect("t.sqlite") as connection:
        connection.executemany(
            "insert into t values (?, ?, ?, ?)",
            (
                (n, n if n < 66_000 else n + 0.5, None if n < 66_000 else "é", n if n % 2 else "a")
                for n in range(rows)
            ),
        )
        expected = pd.read_sql("select * from t", connection)
    found = run("select * from t", url)
    assert pq.read_table("out.parquet").schema.types[:3] == [pa.int64(), pa.float64(), pa.string()]
    assert found["n"].tolist() == expected["n"].tolist()
    assert found["x"].tolist() == expected["x"].tolist()
    assert found["s"].isna().sum() == 66_000
    assert found["m"].tolist() == expected["m"].map(str).tolist()
    assert pq.ParquetFile("out.parquet").num_row_groups == 2
    assert not list(folder.glob(".*"))


def test_colons_and_percent_signs_in_a_literal_are_text(folder: Path) -> None:
    url = made("t.sqlite", "create table t (s)", "insert into t values (':oslo 5% ?')")
    found = run(
        "-- a; comment\nselect s, '; drop table t' as d from t where s = ':oslo 5% ?';", url
    )
    assert found.to_dict("list") == {"s": [":oslo 5% ?"], "d": ["; drop table t"]}


WRITING = [
    "drop table t",
    "select 1; drop table t",
    "insert into t values (2) returning n",
    "with x as (select 1) delete from t",
    "pragma writable_schema = on",
    "attach 'other.sqlite' as o",
    "select * into u from t",
    "",
]


@pytest.mark.parametrize("query", WRITING)
def test_a_query_changes_nothing(folder: Path, query: str) -> None:
    url = made("t.sqlite", "create table t (n)", "insert into t values (1)")
    before = Path("t.sqlite").read_bytes()
    with pytest.raises(MillraceError, match=r"query\.sql: expected one SELECT"):
        run(query, url)
    assert Path("t.sqlite").read_bytes() == before
    assert not Path("other.sqlite").exists()


@pytest.mark.parametrize(
    "query",
    ["copy (select 1) to 'x.csv'", "attach 'x.duckdb' as x", "select 1; select 2", "drop table t"],
)
@pytest.mark.parametrize("database", [None, "t.duckdb"])
def test_a_query_in_duckdb_changes_nothing(folder: Path, query: str, database: str | None) -> None:
    with duckdb.connect("t.duckdb") as connection:
        connection.execute("create table t as select 1 as n")
    with pytest.raises(MillraceError, match=r"query\.sql: expected one SELECT"):
        run(query, database)
    assert {path.name for path in folder.iterdir()} <= {"taxi.csv", "t.duckdb", "query.sql"}


def test_a_database_that_is_not_there_is_not_made(folder: Path) -> None:
    with pytest.raises(MillraceError, match="expected a database that answers"):
        run("select 1 as n", "sqlite:///none.sqlite")
    assert not Path("none.sqlite").exists()


def test_secrets_come_from_the_environment_and_are_shown_nowhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILE", "s3cret.sqlite")
    with pytest.raises(MillraceError) as raised:
        run("select nothing from s3cret", "sqlite:///${FILE}")
    assert "s3cret.sqlite" not in str(raised.value)
    made("s3cret.sqlite", "create table t (n)", "insert into t values (7)")
    assert run("select n from t", "sqlite:///${FILE}")["n"].tolist() == [7]
    monkeypatch.setenv("DATABASE", "sqlite:///s3cret.sqlite")
    assert run("select n from t", "${DATABASE}")["n"].tolist() == [7]
    with pytest.raises(MillraceError, match="expected the environment variable NONE"):
        run("select 1 as n", "sqlite:///${NONE}")
