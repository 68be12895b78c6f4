"""Tables of a local PostgreSQL server, compared with psycopg."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from millrace.errors import MillraceError
from millrace.fetching import queries

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("initdb"), reason="needs PostgreSQL's initdb: apt install postgresql"
    ),
]
SECRET = "s3cret word"
USER = "ann"
ROWS = 150_000


def call(*command: str) -> None:
    """Runs a program of PostgreSQL, not as root, which it rejects."""
    user = "postgres" if os.geteuid() == 0 else None
    done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


def connect(host: str) -> psycopg.Connection:
    return psycopg.connect(host=host, user=USER, password=SECRET, dbname="postgres")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database on a socket, whose user has the password SECRET."""
    folder = tmp_path_factory.mktemp("pg")
    for path in (folder, *folder.parents):
        if path.is_relative_to(tempfile.gettempdir()) and path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o055)
    folder.chmod(0o777)
    (folder / "password").write_text(SECRET)
    (folder / "password").chmod(0o644)
    call(
        "initdb", "-D", f"{folder}/data", "-U", USER, "--auth=scram-sha-256",
        f"--pwfile={folder}/password",
    )  # fmt: skip
    options = f"-c listen_addresses='' -k {folder}"
    call("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    try:
        with connect(str(folder)) as db:
            db.execute("create table trips (n int, city text, fare numeric, day date, note text)")
            db.execute(
                f"""insert into trips select n, case when n % 3 = 0 then ':oslo' else '5% off' end,
                case when n > 100000 then n / 8.0 end, date '2020-01-01' + n % 900,
                case when n > 140000 then 'late' end from generate_series(1, {ROWS}) n"""
            )
        yield f"postgresql+psycopg://{USER}@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DATABASE_PASSWORD", SECRET)
    return tmp_path


def test_a_table_comes_whole_with_the_types_of_all_its_rows(folder: Path, server: str) -> None:
    queries.write("table:trips", server, Path("out.parquet"))
    table = pq.read_table("out.parquet")
    host = server.partition("host=")[2]
    with connect(host) as db:
        expected = db.execute("select * from trips").fetchall()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert len(rows) == ROWS
    assert rows == expected
    assert isinstance(rows[-1][2], Decimal)
    assert pq.ParquetFile("out.parquet").num_row_groups == 3


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_query_takes_colons_and_percent_signs_as_they_are(
    folder: Path, server: str, scheme: str
) -> None:
    server = server.replace("postgresql+psycopg", scheme)
    Path("q.sql").write_text("select n from trips where city = ':oslo' and city not like '5%'")
    queries.write("q.sql", server, Path("out.parquet"))
    assert pq.read_table("out.parquet").num_rows == ROWS // 3


@pytest.mark.parametrize("query", ["drop table trips", "select nextval('counter')"])
def test_a_query_changes_nothing(folder: Path, server: str, query: str) -> None:
    """The second one is a SELECT: the database itself rejects it."""
    host = server.partition("host=")[2]
    with connect(host) as db:
        db.execute("create sequence if not exists counter")
    Path("q.sql").write_text(query)
    with pytest.raises(MillraceError, match=r"expected one SELECT|read-only transaction"):
        queries.write("q.sql", server, Path("out.parquet"))


def test_a_wrong_password_is_not_repeated(
    folder: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_DATABASE_PASSWORD", "wr0ng word")
    with pytest.raises(MillraceError, match="expected a database that answers") as raised:
        queries.write("table:trips", server, Path("out.parquet"))
    assert "wr0ng" not in str(raised.value)
