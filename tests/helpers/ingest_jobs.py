"""Runs the scripts of the ingest and gather stages in a test's folder."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from millrace.artifacts.schema import Schema
from millrace.tfrecord import examples

SCRIPTS = Path(__file__).parents[2] / "scripts"
SPLITS = ("train", "validation", "test")
OUTPUTS = {"examples": "examples", "schema": "schema.json", "account": "ingest.json"}


class Job:
    """A job in the current folder. Its config is `data`, with files and label filled in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def run(
        self, files: dict[str, str | None], results: str = "results", seed: int = 0, **data: Any
    ) -> int:
        """Runs the scripts in this process; returns the exit code of the last that ran."""
        entries = [
            {"path": path, "split": split, "sha256": "ab" * 32, "bytes": 1, "source": path}
            for path, split in files.items()
        ]
        Path("raw").mkdir(exist_ok=True)
        Path("raw/manifest.json").write_text(json.dumps({"files": entries}))
        data = {"files": list(files), "label": "label"} | data
        config = {"name": "made", "seed": seed, "data": data}
        Path("config.yaml").write_text(json.dumps(config))
        for part in data.get("parts", [1]):
            options = {"raw": "raw", "part": part, "output": f"parts/{part}"}
            if code := self.call("ingest", options):
                return code
        outputs = OUTPUTS | {"rejected": "rejected.csv"}
        placed = {option: f"{results}/{name}" for option, name in outputs.items()}
        return self.call("gather", {"parts": "parts"} | placed)

    def call(self, script: str, options: dict[str, object]) -> int:
        path = SCRIPTS / f"{script}.py"
        options = {"config": "config.yaml"} | options
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        with pytest.raises(SystemExit) as end:
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})
        return int(end.value.code or 0)

    def account(self, results: str = "results") -> dict[str, Any]:
        account: dict[str, Any] = json.loads(Path(results, "ingest.json").read_text())
        left = ("rejected", "unlabelled", "duplicates_dropped", "in_gap")
        out = sum(account[key] for key in left)
        assert account["rows_read"] == sum(account["written"].values()) + out
        return account

    def table(self, split: str, results: str = "results") -> pd.DataFrame:
        schema = Schema.load(Path(results, "schema.json"))
        paths = examples.shard_paths(Path(results, "examples"), split)
        batches = list(examples.read_batches(paths, schema.types))
        return pd.concat([batch.to_pandas() for batch in batches], ignore_index=True)


def made(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": np.arange(rows),
            "size": rng.normal(size=rows).astype(np.float32),
            "city": rng.choice(["Aarhus", "Zürich, CH", 'the "Hague"', "line\nbreak"], rows),
            "day": pd.date_range("2013-01-01", periods=rows, freq="h").strftime("%Y-%m-%d"),
            "label": rng.integers(0, 2, rows),
        }
    )
    table["label"] = table["label"].astype("Int64").mask(rng.random(rows) < 0.05)
    table["size"] = table["size"].mask(rng.random(rows) < 0.1)
    return table


def contents(folder: str) -> dict[str, bytes]:
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
