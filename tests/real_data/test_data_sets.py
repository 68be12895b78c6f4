"""Fetches and ingests fifteen public data sets with short configs, and compares with pandas."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from millrace.artifacts.schema import Schema
from millrace.tfrecord import examples

SCRIPTS = Path(__file__).parents[2] / "scripts"
SPLITS = ("train", "validation", "test")
NAMES = [
    "abalone",
    "adult",
    "ames",
    "bike_sharing",
    "california_housing",
    "chicago_taxi",
    "digits",
    "german_credit",
    "higgs_7k",
    "kddcup99_10pct",
    "mushrooms",
    "penguins",
    "petfinder_mini",
    "telco_churn",
    "titanic",
]
MARKERS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"]


def run(monkeypatch: pytest.MonkeyPatch, script: str, **options: str) -> None:
    path = SCRIPTS / f"{script}.py"
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    with pytest.raises(SystemExit) as end:
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})
    assert not end.value.code


def config(data: Path, name: str) -> str:
    """Returns the shortest config of a data set: its name, files and label."""
    entry = next(e for e in json.loads((data / "catalog.json").read_text()) if e["name"] == name)
    paths = [str(data / name / file) for file in entry["files"] if "unlabelled" not in file]
    files: Any = dict(zip(("train", "test"), paths, strict=True)) if len(paths) > 1 else paths[0]
    return yaml.safe_dump({"name": name, "data": {"files": files, "label": entry["label"]}})


def read(folder: Path, schema: Schema, split: str) -> pd.DataFrame:
    batches = examples.read_batches(examples.shard_paths(folder / "examples", split), schema.types)
    return pd.concat([batch.to_pandas() for batch in batches], ignore_index=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_comes_out_as_pandas_reads_it(
    data: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = config(data, name)
    assert len(text.splitlines()) <= 10
    Path("config.yaml").write_text(text)
    run(monkeypatch, "fetch", config="config.yaml", output="raw")
    run(monkeypatch, "ingest", config="config.yaml", raw="raw", part="1", output="parts/1")
    outputs = {"examples": "examples", "schema": "schema.json", "account": "ingest.json"}
    options = outputs | {"rejected": "rejected.csv", "parts": "parts"}
    run(monkeypatch, "gather", config="config.yaml", **options)

    account = json.loads(Path("ingest.json").read_text())
    files = json.loads(Path("raw/manifest.json").read_text())["files"]
    source = pd.concat(
        pd.read_csv(file["path"], na_values=MARKERS, keep_default_na=False, skipinitialspace=True)
        for file in files
    )
    catalog = json.loads((data / "catalog.json").read_text())
    rows = {
        str(data / entry["name"] / file): facts["rows"]
        for entry in catalog
        for file, facts in entry["files"].items()
    }
    assert [file["rows_read"] for file in account["files"]] == [rows[f["path"]] for f in files]
    assert (account["rejected"], account["unlabelled"]) == (0, 0)
    assert sum(account["written"].values()) == account["rows_read"] == len(source)

    schema = Schema.load(Path("schema.json"))
    found = pd.concat([read(tmp_path, schema, split) for split in SPLITS])
    assert list(found.columns) == list(source.columns)
    for column in schema.columns:
        left, right = found[column.name], source[column.name]
        assert left.isna().sum() == right.isna().sum()
        if column.type in ("int64", "float64"):
            sums = [values.astype(np.float32).sort_values().to_numpy() for values in (left, right)]
            np.testing.assert_array_equal(*sums)
        else:
            counts = [values.astype(str).str.strip().value_counts() for values in (left, right)]
            assert counts[0].to_dict() == counts[1].to_dict()
