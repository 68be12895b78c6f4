"""The inputs of the models, compared with TensorFlow's parsing of the same cells in an example."""

import json
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.signature import Input, Signature
from millrace.features.feature_columns.text import WORDS
from millrace.features.raw_row import name_columns, raw_columns
from millrace.serving.model_inputs import tensors
from millrace.serving.new_rows import Contract, NewFile
from tests.helpers.configs import data_config

TYPES = {
    "amount": "float64",
    "count": "int64",
    "member": "bool",
    "day": "date",
    "at": "timestamp",
    "tags": "string",
    "title": "string",
    "city": "string",
}
FORMATS = {
    "amount": {"decimal": ",", "thousands": "."},
    "day": {"format": "%d/%m/%Y"},
    "at": {"format": "%d.%m.%Y %H:%M"},
}
COLUMNS = name_columns(
    TYPES,
    sequences={"tags": (3, "|"), "title": (4, WORDS)},
    missing=dict.fromkeys(TYPES, ("", "NA", "-1")),
)
HEADER = ";".join(TYPES)
LINES = {
    "1.234,5;7; true;31/12/2021;31.12.2021 23:59; a | b||c|d;Der Maß, 2 Euro;  Aarhus ": {
        "amount": 1234.5,
        "count": 7.0,
        "member": 1.0,
        "day": float((date(2021, 12, 31) - date(1970, 1, 1)).days),
        "at": [float((date(2021, 12, 31) - date(1970, 1, 1)).days), 86340.0],
        "tags": ["a", "b", "c"],
        "title": ["der", "maß", "2", "euro"],
        "city": "Aarhus",
    },
    "NA;-1;;;NA;NA; ;NA": {
        "amount": np.nan,
        "count": np.nan,
        "member": np.nan,
        "day": np.nan,
        "at": [np.nan, np.nan],
        "tags": ["", "", ""],
        "title": ["", "", "", ""],
        "city": "",
    },
    "(5);-20;false;01/02/1969;01.02.1969 00:30;x;naïve;?": {
        "amount": -5.0,
        "count": -20.0,
        "member": 0.0,
        "day": float((date(1969, 2, 1) - date(1970, 1, 1)).days),
        "at": [float((date(1969, 2, 1) - date(1970, 1, 1)).days), 1800.0],
        "tags": ["x", "", ""],
        "title": ["naïve", "", "", ""],
        "city": "?",
    },
}


def contract() -> Contract:
    """Returns the schema of a job whose training table was written like these lines."""
    columns = [
        SchemaColumn(name, type_, True, ["", "NA", "-1"], **FORMATS.get(name, {}))
        for name, type_ in TYPES.items()
    ]
    inputs = [
        Input(
            name=column.name,
            key=column.key,
            type="float32" if column.is_number else "string",
            column_type=column.type,
            max_length=column.max_length,
            delimiter=column.delimiter,
            missing=["", "NA", "-1"],
            takes_cells=False,
            decimal=None,
            thousands=None,
            format=None,
        )
        for column in COLUMNS
    ]
    data = data_config(missing_values=["", "NA", "-1"])
    signature = Signature("m", inputs, "predictions", "binary", [0, 1], "y", "int64", 1.0, 0.5)
    return Contract(data, Schema(columns, "y"), signature)


def fed(path: Path) -> dict[str, np.ndarray]:
    (piece,) = NewFile(path, contract()).pieces()
    assert not piece.rejected
    return tensors(piece.cells, contract().signature.inputs)


def test_cells_mean_what_they_meant_in_training(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("\n".join([HEADER, *LINES]) + "\n", encoding="utf-8")
    found = fed(path)
    for column in COLUMNS:
        expected = [row[column.name] for row in LINES.values()]
        if column.is_number:
            assert found[column.key].dtype == np.float32
            np.testing.assert_array_equal(found[column.key], np.array(expected, np.float32))
        else:
            encoded = np.vectorize(str.encode, otypes=[object])(np.array(expected, object))
            assert found[column.key].tolist() == encoded.tolist()


def test_times_are_rounded_as_in_training(tmp_path: Path) -> None:
    times = ["2013-11-05T08:59:59.999999Z", "1969-12-31T23:59:58.75Z", "9999-12-31T23:59:00Z"]
    path = tmp_path / "new.jsonl"
    rows = [dict.fromkeys(TYPES, None) | {"at": time} for time in times]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    described = contract()
    columns = [
        SchemaColumn(x.name, x.type, True, x.missing_values) for x in described.schema.columns
    ]
    plain = Contract(described.data, Schema(columns, "y"), described.signature)
    (piece,) = NewFile(path, plain).pieces()
    found = tensors(piece.cells, described.signature.inputs)["at"]
    moment = next(column for column in COLUMNS if column.name == "at")
    expected = raw_columns(pd.DataFrame({"at": times}), (moment,))["at"]
    np.testing.assert_array_equal(found, expected)
    assert found[1].tolist() == [-1.0, 86398.75]
    assert datetime(1970, 1, 1).toordinal() + int(found[2, 0]) == date(9999, 12, 31).toordinal()


@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_that_the_file_lacks_is_missing_in_every_row(rows: int) -> None:
    batch = pa.record_batch({"count": pa.array([1] * rows, pa.int64())})
    found = tensors(batch, contract().signature.inputs)
    assert found["count"].tolist() == [1.0] * rows
    assert np.isnan(found["at"]).all() and found["at"].shape == (rows, 2)
    assert found["tags"].tolist() == [[b""] * 3] * rows
    assert found["city"].tolist() == [b""] * rows
