"""The contents of rejected.csv, and what must not be in it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from millrace.ingestion import rejects
from tests.helpers.ingest_jobs import Job


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job(monkeypatch)


def rows(count: int = 300) -> list[dict[str, Any]]:
    return [{"name": f"secret-{n}", "n": n, "word": "a,b", "label": n % 2} for n in range(count)]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_excluded_columns_are_dropped_at_the_door(job: Job, kind: str) -> None:
    table = pd.DataFrame([*rows(), {"name": "secret-x", "n": -7, "word": "bad", "label": 1}])
    path = f"table.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
        with Path(path).open("a") as file:
            file.write("secret-short,1\n")
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
        with Path(path).open("a") as file:
            file.write('["secret-short"]\n')
    else:
        table.to_parquet(path, index=False)
    schema = {"columns": [{"name": "n", "type": "int64", "min": 0}], "label": "label"}
    schema["columns"] += [
        {"name": "word", "type": "string"},
        {"name": "label", "type": "int64"},
    ]
    Path("schema.json").write_text(json.dumps(schema))
    options = {"exclude": ["name"], "schema": "schema.json", "max_rejected": 2}
    assert job.run({path: None}, **options) == 0
    written = Path("results/rejected.csv").read_text()
    assert "secret" not in written
    found = pd.read_csv("results/rejected.csv", keep_default_na=False)
    assert found["row"].tolist() == [301, 302][: len(found)]
    kept = "-7,bad,1" if kind == "csv" else '{"n": -7, "word": "bad", "label": 1}'
    assert found["raw"][0].removeprefix("'") == kept
    assert found["raw"][1:].tolist() == ([""] if kind != "parquet" else [])


def test_nothing_of_an_excluded_time_is_told(job: Job) -> None:
    days = pd.date_range("2021-01-01", periods=300).strftime("%Y-%m-%d").tolist()
    table = pd.DataFrame(rows()).assign(day=[*days[:-1], "secret day"])
    table.to_csv("table.csv", index=False)
    split = {"by": "time", "column": "day"}
    options: dict[str, Any] = {"split": split, "exclude": ["day", "name"], "max_rejected": 1}
    assert job.run({"table.csv": None}, **options) == 0
    assert "secret" not in Path("results/rejected.csv").read_text()
    assert job.account()["reasons"] == {"day: expected date": 1}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(cell: str, expected: str) -> None:
    assert rejects.safe(cell) == expected


def test_rejected_rows_are_safe_for_a_spreadsheet(job: Job) -> None:
    lines = "".join(f"{n},{n % 2}\n" for n in range(300))
    Path("table.csv").write_text(f"n,label\n{lines}=1+1\n")
    assert job.run({"table.csv": None}, max_rejected=1) == 0
    assert pd.read_csv("results/rejected.csv")["raw"].tolist() == ["'=1+1"]
