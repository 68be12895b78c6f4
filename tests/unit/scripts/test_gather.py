"""gather: the parts of many jobs give the result of a single one."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from millrace.artifacts.account import LineCounts, ReadFile
from millrace.ingestion import gathering
from millrace.tfrecord import framing
from tests.helpers.ingest_jobs import OUTPUTS, SPLITS, Job, contents, made


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job(monkeypatch)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"drop_duplicates": True},
        {"split": {"by": "stratum"}},
        {"split": {"by": "group", "column": "day"}},
        {"split": {"by": "time", "column": "day", "validation": 0.2, "test": 0.2}},
    ],
    ids=["default", "gzip", "duplicates", "stratum", "group", "time"],
)
def test_many_jobs_give_the_bytes_of_one(job: Job, options: dict[str, Any]) -> None:
    source = made(900)
    source[500:520] = source[:20]
    sizes = [0, 300, 310, 700, 900]
    files: dict[str, str | None] = {}
    for number, (start, end) in enumerate(itertools.pairwise(sizes)):
        path = f"{number}.csv"
        source[start:end].to_csv(path, index=False)
        with Path(path).open("a") as file:
            file.write(f"{number},1.5,odd\n")
        files[path] = None
    options |= {"max_rejected": 9, "examples_per_shard": 70}
    assert job.run(files, results="one", **options) == 0
    assert job.account("one")["rejected"] == 4
    if options.get("drop_duplicates"):
        again = source.dropna(subset="label").duplicated().sum()
        assert job.account("one")["duplicates_dropped"] == again > 0
    for parts in ([1, 2], [4, 1, 2, 3], list(range(1, 9))):
        results = f"in {len(parts)}"
        assert job.run(files, results=results, parts=parts, **options) == 0
        assert contents(results) == contents("one")
        read = [json.loads(Path(f"parts/{part}/ingest.json").read_text()) for part in parts]
        assert [len(account["files"]) for account in read].count(1) >= min(2, len(parts) - 2)


def test_with_a_schema_a_job_reads_its_own_files_only(job: Job) -> None:
    source = made(900)
    files: dict[str, str | None] = {}
    for number, rows in enumerate((source[:400], source[400:])):
        rows.to_csv(f"{number}.csv", index=False)
        files[f"{number}.csv"] = None
    assert job.run(files, results="one") == 0
    Path("schema.json").write_bytes(Path("one/schema.json").read_bytes())
    assert job.run(files, results="two", parts=[1, 2], schema="schema.json") == 0
    assert contents("two") == contents("one")
    accounts = [json.loads(Path(f"parts/{part}/ingest.json").read_text()) for part in (1, 2)]
    assert [[file["rows_read"] for file in account["files"]] for account in accounts] == [
        [400],
        [500],
    ]


def test_a_damaged_part_is_found(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    """A shard cut after a record looks whole: only the account tells."""
    made().to_csv("table.csv", index=False)
    files: dict[str, str | None] = {"table.csv": None}
    assert job.run(files, parts=[1, 2]) == 0
    shard = Path("parts/1/test-00000-of-00001.tfrecord")
    (records,) = framing.read(shard)
    data = shard.read_bytes()
    outputs = OUTPUTS | {"rejected": "rejected.csv"}
    options: dict[str, object] = {option: f"again/{name}" for option, name in outputs.items()}
    options["parts"] = "parts"
    for end, message in (
        (records.spans[-2, 1] + 4, "expected rows read = written"),
        (-9, "record "),
    ):
        shard.write_bytes(data[:end])
        capsys.readouterr()
        assert job.call("gather", options) == 1
        assert message in capsys.readouterr().err
        assert not list(Path("again").iterdir())


@pytest.mark.parametrize("large", [False, True])
def test_groups_that_leave_uneven_splits_are_a_warning(job: Job, large: bool) -> None:
    """pandas counts the rows of a group that is half of the table, which moves as a whole."""
    source = made(4000)
    source["group"] = [0 if large and row < 2000 else row for row in range(len(source))]
    source.to_csv("table.csv", index=False)
    split = {"by": "group", "column": "group", "validation": 0.2, "test": 0.2}
    assert job.run({"table.csv": None}, split=split) == 0
    account = job.account()
    sizes = pd.Series({split: len(job.table(split)) for split in SPLITS})
    found = sizes / sizes.sum()
    uneven = [split for split in ("validation", "test") if not 0.15 <= found[split] <= 0.25]
    warnings = [taken for taken in account["taken"] if taken["kind"] == "split_shares"]
    assert [taken["message"].split()[0] for taken in warnings] == uneven
    assert bool(uneven) is large
    for split, taken in zip(uneven, warnings, strict=True):
        assert taken["severity"] == "warning"
        assert f"{found[split]:.1%} of the rows" in taken["message"]


def test_the_lines_of_a_file_are_explained(job: Job) -> None:
    """Compares with Python's line splitting and csv module."""
    made(300).to_csv("table.csv", index=False)  # with line breaks in the cells of a column
    text = Path("table.csv").read_text()
    Path("table.csv").write_text("a title\n" + text.replace("\n7,", "\n\n\n7,") + "\n")
    assert job.run({"table.csv": None}, skip_lines=1) == 0
    with Path("table.csv").open(newline="") as file:
        lines = file.readlines()
        file.seek(0)
        _, _header, *rows = csv.reader(file)
    in_cells = sum(cell.count("\n") for row in rows for cell in row)
    account = job.account()
    assert account["files"][0]["lines"] == {
        "total": len(lines),
        "skipped": 1,
        "header": 1,
        "in_cells": in_cells,
        "empty": rows.count([]),
        "unexplained": 0,
    }
    assert rows.count([]) == 3 and len(lines) == 2 + 300 + 3 + in_cells
    [note] = [taken for taken in account["taken"] if taken["kind"] == "lines"]
    assert note["severity"] == "info"
    assert f"{len(lines)} lines hold 300 rows; 1 skipped, 1 for the header" in note["message"]


def test_lines_that_nothing_explains_are_a_warning() -> None:
    lines = LineCounts(total=10, skipped=0, header=1, in_cells=2, empty=1, unexplained=1)
    [note] = gathering.line_notes([ReadFile("a.csv", 5, 1, "", lines)])
    assert note.severity == "warning" and "1 unexplained" in note.message
    assert not list(gathering.line_notes([ReadFile("a.parquet", 5, 1, "")]))


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        ('1,"x\n', "set data.quote to none if quotes are text"),
        ("1,2,3\n", "check data.delimiter, data.quote and data.skip_lines"),
        ("word,1\n", "correct the file, give a column another type under data.types"),
    ],
)
def test_too_many_rejected_rows_say_what_helps(
    job: Job, bad: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("table.csv").write_text("n,label\n" + "1,0\n2,1\n" * 100 + bad)
    assert job.run({"table.csv": None}, quote='"', types={"n": "int64", "label": "int64"}) == 1
    found = capsys.readouterr().err
    assert "data.max_rejected: expected at most 0 bad rows out of 201, found 1." in found
    assert f"Note: {advice}" in found
