"""`features: auto` on public data sets, from files to encoded examples, compared with pandas."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from millrace import config

SCRIPTS = Path(__file__).parents[2] / "scripts"
MARKERS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"]
# Columns of each kind as a person would choose, and columns that no model should use.
EXPECTED: dict[str, dict[str, str]] = {
    "adult": {
        "age": "numeric",
        "fnlwgt": "numeric",
        "capital-gain": "numeric",
        "workclass": "vocabulary",
        "native-country": "vocabulary",
    },
    "chicago_taxi": {
        "trip_miles": "numeric",
        "trip_start_hour": "numeric",
        # Seconds since 1970: a quantity, with seven digits in float32.
        "trip_start_timestamp": "numeric",
        "payment_type": "vocabulary",
        "company": "vocabulary",
    },
    "ames": {
        "Order": "left out",
        "PID": "left out",
        "area": "numeric",
        "Lot.Area": "numeric",
        "Neighborhood": "vocabulary",
    },
}
STAGES = {
    "fetch": {"output": "raw"},
    "ingest": {"raw": "raw", "part": "1", "output": "parts/1"},
    "gather": {
        "parts": "parts",
        "examples": "examples",
        "schema": "schema.json",
        "account": "ingest.json",
        "rejected": "rejected.csv",
    },
    "analyze": {
        "examples": "examples",
        "schema": "schema.json",
        "account": "ingest.json",
        "statistics": "statistics.json",
        "anomalies": "anomalies.json",
        "suggestion": "suggested_schema.json",
    },
    "preprocess": {
        "examples": "examples",
        "schema": "schema.json",
        "statistics": "statistics.json",
        "preprocessing": "preprocessing.json",
        "features": "features.yaml",
        "encoded": "encoded",
    },
}


def run(monkeypatch: pytest.MonkeyPatch, script: str, **options: str) -> None:
    path = str(SCRIPTS / f"{script}.py")
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name="__main__")
    assert not end.value.code


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_features_auto_runs_to_encoded_examples(
    data: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = next(e for e in json.loads((data / "catalog.json").read_text()) if e["name"] == name)
    paths = [str(data / name / file) for file in entry["files"]]
    files: Any = dict(zip(("train", "test"), paths, strict=True)) if len(paths) > 1 else paths[0]
    job = {"name": name, "data": {"files": files, "label": entry["label"]}}
    Path("config.yaml").write_text(yaml.safe_dump(job))
    for stage, options in STAGES.items():
        run(monkeypatch, stage, config="config.yaml", **options)

    learned = json.loads(Path("preprocessing.json").read_text())
    chosen = {column["name"]: column["kind"] for column in learned["columns"]}
    chosen |= dict.fromkeys(learned["left_out"], "left out")
    columns = pd.read_csv(paths[0], nrows=1).columns
    assert set(chosen) == set(columns) - {entry["label"]}
    assert {column: chosen[column] for column in EXPECTED[name]} == EXPECTED[name]
    check_what_was_learned(learned, paths[0])
    check_that_it_can_be_pasted(monkeypatch, job)


def check_what_was_learned(learned: dict[str, Any], path: str) -> None:
    """Vocabularies and defaults are consistent with what pandas finds in the file."""
    table = pd.read_csv(path, na_values=MARKERS, keep_default_na=False, skipinitialspace=True)
    for column in learned["columns"]:
        values = table[column["column"]].dropna()
        if column["kind"] == "numeric":
            low, high = np.float32([values.min(), values.max()])
            assert low <= column["default"] <= high
        else:
            counts = (values.str.strip() if values.dtype == "str" else values).value_counts()
            # The file also contains the test rows, so more of its values may be frequent.
            assert set(column["values"]) <= set(counts[counts >= 3].index)


def check_that_it_can_be_pasted(monkeypatch: pytest.MonkeyPatch, job: dict[str, Any]) -> None:
    """The proposal, copied into the config, gives the same preprocessing."""
    Path("pasted.yaml").write_text(yaml.safe_dump(job) + Path("features.yaml").read_text())
    assert config.load(Path("pasted.yaml")).features != "auto"
    again = {"preprocessing": "again.json", "features": "again.yaml", "encoded": "again"}
    run(monkeypatch, "preprocess", config="pasted.yaml", **(STAGES["preprocess"] | again))
    first, second = (json.loads(Path(f"{x}.json").read_text()) for x in ("preprocessing", "again"))
    assert second["columns"] == first["columns"]
    for path in Path("encoded").iterdir():
        assert (Path("again") / path.name).read_bytes() == path.read_bytes()
