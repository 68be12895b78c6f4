"""The origin of each example, compared with the raw files as read by pandas and csv."""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.errors import MillraceError
from millrace.ingestion import origins, row_groups
from tests.helpers.ingest_jobs import SPLITS, Job, contents, made


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job(monkeypatch)


def origins_of(split: str, results: str = "results") -> pd.DataFrame:
    return pq.read_table(origins.path(Path(results, "examples"), split)).to_pandas()


@pytest.mark.parametrize("parts", [[1], [1, 2]])
def test_each_example_is_found_again_in_its_file(job: Job, parts: list[int]) -> None:
    source = made().assign(key=lambda table: table["id"].map("{:06}".format))
    source[:1200].to_csv("a.csv", index=False)
    with gzip.open("b.csv.gz", "wt", newline="") as file:
        source[source.columns[::-1]][1200:].to_csv(file, index=False)
    with Path("a.csv").open("a") as end:
        end.write("x,,,\n")  # a bad row is counted as a row
    files: dict[str, str | None] = {"a.csv": None, "b.csv.gz": None}
    options = {"ids": ["key"], "parts": parts, "max_rejected": 1, "examples_per_shard": 500}
    assert job.run(files, **options) == 0
    raw = {}
    for name in files:
        data = Path(name).read_bytes()
        text = gzip.decompress(data) if name.endswith(".gz") else data
        raw[name] = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    for split in SPLITS:
        table, found = job.table(split), origins_of(split)
        assert list(found.columns) == ["file", "row", "key"]
        assert "key" not in table.columns
        assert len(found) == len(table) > 0
        rows = [raw[file][row - 1] for file, row in zip(found["file"], found["row"], strict=True)]
        assert [int(row["id"]) for row in rows] == table["id"].tolist()
        assert [row["key"] for row in rows] == found["key"].tolist()


def test_any_number_of_parts_and_batches_gives_the_same_bytes(job: Job) -> None:
    files: dict[str, str | None] = {}
    for name in ("a", "b", "c", "d"):
        made(500, seed=ord(name)).to_parquet(f"{name}.parquet", index=False)
        files[f"{name}.parquet"] = None
    assert job.run(files, results="one", ids=["id", "city"]) == 0
    assert job.run(files, results="three", ids=["id", "city"], parts=[1, 2, 3]) == 0
    assert contents("one") == contents("three")
    assert origins_of("train", "one")["id"].str.fullmatch(r"\d+").all()


def test_row_groups_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    rows = 3 * row_groups.ROWS_PER_GROUP // 2
    schema = origins.fields(["id"])
    file = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["a.csv"])
    ids = pa.array(map(str, range(rows)))
    table = pa.Table.from_arrays([file, pa.array(np.arange(rows)), ids], schema=schema)
    written = []
    for size in (1000, rows):
        writer = origins.OriginWriter(tmp_path, "test", ["id"])
        for first in range(0, rows, size):
            writer.write(table[first : first + size])
        writer.close()
        written.append(origins.path(tmp_path, "test").read_bytes())
    assert written[0] == written[1]
    assert origins.read(tmp_path, "test", rows).to_pylist()[-1]["id"] == str(rows - 1)


def test_a_file_that_is_not_there_or_cut_is_named(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="expected where each example comes from"):
        origins.read(tmp_path, "train", 1)
    writer = origins.OriginWriter(tmp_path, "train", [])
    writer.close()
    with pytest.raises(MillraceError, match="expected 1 rows, found 0"):
        origins.read(tmp_path, "train", 1)
    origins.path(tmp_path, "train").write_bytes(b"PAR1")
    with pytest.raises(MillraceError, match="found no such file"):
        origins.read(tmp_path, "train", 1)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["label"], "data.ids: expected no label, found 'label'"),
        (["nothing"], "data.ids: expected a column of the table, found 'nothing'"),
        (["row"], "data.ids: expected names that no column of predictions has"),
        (["class"], "data.ids: expected names that no column of predictions has"),
    ],
)
def test_columns_that_are_no_ids(
    job: Job, capsys: pytest.CaptureFixture[str], ids: list[str], message: str
) -> None:
    made(300).assign(row=1, **{"class": 1}).to_csv("table.csv", index=False)
    assert job.run({"table.csv": None}, ids=ids) == 1
    assert message in capsys.readouterr().err
