"""New rows are read like training rows: scoring the same files gives the examples' values.

So do their raw cells, sent through the clients as an application would.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from millrace import config
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.config.data import DataConfig
from millrace.export import raw_cells
from millrace.export.signature import describe_input
from millrace.features.raw_row import RawColumn, name_columns, raw_columns, read_cells
from millrace.ingestion import origins, splits
from millrace.ingestion.ingest import ingest
from millrace.serving.model_inputs import tensors
from millrace.serving.new_rows import Contract, NewFile
from millrace.tfrecord.examples import shard_paths
from tests.helpers.runner_requests import CLIENTS, model_values

CASES = Path(__file__).parents[3] / "shared" / "cases"
NAMES = [
    *("abalone", "adult", "ames", "bike_sharing", "california_housing", "german_credit"),
    *("mushrooms", "penguins", "petfinder_mini", "telco_churn", "titanic"),
]
# So many rows of a file go through the clients.
CLIENT_ROWS = 3000

Values = dict[tuple[str, int], list[Any]]


def check(files: list[str], **data: Any) -> int:
    """Compares all cells of all examples; returns the number of rows."""
    job = config.complete({"name": "case", "data": {"files": files} | data})
    entries = [RawFile(path=file, split=None, sha256="", bytes=1, source=file) for file in files]
    folder = Path("part")
    schema, _ = ingest(entries, 1, job.data, 0, folder)
    types = {name: type_ for name, type_ in schema.types.items() if name != schema.label}
    described = {column.name: column for column in schema.columns}
    columns = tuple(
        replace(
            column,
            decimal=described[column.name].decimal,
            thousands=described[column.name].thousands,
            format=described[column.name].format,
        )
        for column in name_columns(types, missing=dict.fromkeys(types, job.data.markers))
    )
    before = dict(from_examples(folder, columns))
    after = dict(scored(files, schema, columns, job.data))
    assert len(before) > 0
    assert before.keys() <= after.keys()
    for row, cells in before.items():
        for column, old, new in zip(columns, cells, after[row], strict=True):
            assert np.array_equal(old, new, equal_nan=column.is_number), (row, column, old, new)
    for file in files:
        check_clients(file, columns, job.data, before)
    return len(before)


def check_clients(
    file: str, columns: tuple[RawColumn, ...], data: DataConfig, before: Values
) -> None:
    """Compares what the clients make of a raw file's cells with what the examples hold."""
    rows = [
        (cells, before[file, number])
        for number, cells in raw_cells.read_rows(Path(file), data, range(1, CLIENT_ROWS + 1))
        if (file, number) in before
    ]
    assert rows
    sent = {x.name: [raw_cells.as_sent(cells[x.name], x) for cells, _ in rows] for x in columns}
    for client in CLIENTS:
        found = model_values(client, sent, [describe_input(column) for column in columns])
        for place, column in enumerate(columns):
            old = [stored[place] for _, stored in rows]
            if column.is_number:
                # JSON has null for NaN. Seconds of a day are rounded once here, twice in examples.
                new = np.array(found[column.name], np.float32)
                np.testing.assert_allclose(new, np.array(old), rtol=1e-6, err_msg=column.name)
            else:
                assert found[column.name] == old, (client, column)


def from_examples(
    folder: Path, columns: tuple[RawColumn, ...]
) -> Iterator[tuple[tuple[str, int], list[Any]]]:
    """Returns what preprocessing, evaluation and the certificate read, by file and row."""
    for split in splits.SPLITS:
        table = read_cells(shard_paths(folder, split), columns)
        arrays = raw_columns(table, columns)
        places = origins.read(folder, split, len(table)).select(["file", "row"]).to_pylist()
        for index, place in enumerate(places):
            yield (place["file"], place["row"]), [arrays[x.name][index] for x in columns]


def scored(
    files: list[str], schema: Schema, columns: tuple[RawColumn, ...], data: DataConfig
) -> Iterator[tuple[tuple[str, int], list[Any]]]:
    """Returns what the exported model is given, by file and row."""
    inputs = [describe_input(column) for column in columns]
    signature = Signature(
        "m", inputs, "predictions", "binary", [0, 1], schema.label, "int64", 1.0, 0.5
    )
    for file in files:
        for piece in NewFile(Path(file), Contract(data, schema, signature)).pieces():
            fed = tensors(piece.cells, inputs)
            for index, number in enumerate(piece.numbers.tolist()):
                cells = [fed[column.key][index] for column in columns]
                yield (file, number), [x.decode() if isinstance(x, bytes) else x for x in cells]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_public_data_sets(data: Path, name: str) -> None:
    entry = next(e for e in json.loads((data / "catalog.json").read_text()) if e["name"] == name)
    files = [str(data / name / file) for file in entry["files"] if "unlabelled" not in file]
    assert check(files, label=entry["label"]) > 100


@pytest.mark.parametrize(
    "case",
    [
        "02-missing-markers-skew/config.yaml",
        "04-time-split-text-dates/config.yaml",
        "05-unclosed-quotes-swallow-rows/config.yaml",
        "07-numbers-as-people-write-them/config.yaml",
        "07-numbers-as-people-write-them/pricelabel2.yaml",
        "09-uint64-turns-negative/config.yaml",
        "13-pandas-index/config.yaml",
    ],
)
def test_shared_cases(case: str) -> None:
    if not CASES.is_dir():
        pytest.skip(f"the cases are not at {CASES}")
    settings = yaml.safe_load((CASES / case).read_text())["data"]
    named = settings.pop("files")
    names = named.values() if isinstance(named, dict) else [named]
    folder = (CASES / case).parent
    assert check([str(folder / Path(name).name) for name in names], **settings) > 0
