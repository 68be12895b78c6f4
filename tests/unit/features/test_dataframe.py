"""Feature columns on a DataFrame, compared with the real workflow and pandas."""

import datetime
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millrace.errors import MillraceError
from millrace.features import dataframe
from millrace.features.preprocessing import Preprocessing

EPOCH = datetime.date(1970, 1, 1)
TABLE = pd.DataFrame(
    {
        "size": [1.0, 2.0, None, 4.0],
        "rooms": pd.array([1, None, 3, 3], "Int64"),
        "city": pd.Categorical(["é", "b", "é", None]),
        "opened": [datetime.date(2020, 1, 31), None, datetime.date(2020, 2, 29), EPOCH],
        "seen": pd.to_datetime(["2020-01-01 23:59:59", "2020-01-02 00:30:00", None, EPOCH]),
        "ok": [True, False, True, True],
        "sold": ["yes", "no", "no", "yes"],
    }
)
FEATURES = {
    "size": {"kind": "numeric", "normalizer": "standard"},
    "rooms": {"kind": "identity", "buckets": 4},
    "city": "vocabulary",
    "month": {"kind": "date_part", "column": "opened", "part": "month"},
    "hour": {"kind": "date_part", "column": "seen", "part": "hour"},
    "ok": {"kind": "identity", "buckets": 2},
}


def test_three_lines_encode_a_table_and_bring_it_back(tmp_path: Path) -> None:
    preprocessing = dataframe.fit(TABLE, label="sold", features=FEATURES)
    encoded = preprocessing.transform(TABLE)
    preprocessing.save(tmp_path / "preprocessing.json")
    again = Preprocessing.load(tmp_path / "preprocessing.json").transform(TABLE)

    size = TABLE["size"]
    z = (size.fillna(size.median()) - size.mean()) / size.std(ddof=0)
    expected = np.stack([z, size.isna()], axis=1)
    np.testing.assert_allclose(encoded["numbers"], expected, atol=1e-6)
    ids = pd.DataFrame(encoded["ids"], columns=[entry.feature for entry in preprocessing.spec.ids])
    # The last id of each means missing.
    assert ids["rooms"].tolist() == TABLE["rooms"].fillna(5).tolist()
    assert ids["city"].tolist() == [0, 1, 0, 3]
    assert ids["month"].tolist() == [0, 13, 1, 0]
    assert ids["hour"].tolist() == [23, 0, 25, 0]
    assert ids["ok"].tolist() == [1, 0, 1, 1]
    for name, part in encoded.items():
        np.testing.assert_array_equal(again[name], part)


def test_it_learns_what_the_workflow_learns(made_job) -> None:
    job = made_job("binary").until("preprocess")
    workflow = Preprocessing.load(job.results / "preprocessing.json")
    label = json.loads((job.results / "schema.json").read_text())["label"]
    features = json.loads((job.results / "preprocessing.json").read_text())["features"]
    learned = dataframe.fit(job.tables["train"], label, features)
    # A table in memory has missing values, not texts that stand for them.
    columns = tuple(
        replace(column, missing=None) if hasattr(column, "missing") else column
        for column in workflow.columns
    )
    assert (learned.columns, learned.spec, learned.task) == (
        columns,
        workflow.spec,
        workflow.task,
    )


def test_auto_takes_what_comes_back_of_a_date_and_leaves_out_ids() -> None:
    days = pd.date_range("2020-01-01", periods=100)
    table = pd.DataFrame({"x": np.arange(100) % 37 / 8, "day": days.date, "id": days.astype(str)})
    learned = dataframe.fit(table.assign(y=np.arange(100) % 2), "y")
    assert [column.name for column in learned.columns] == ["x", "day weekday"]
    assert learned.left_out == {"id": "an id: 100 different values in 100 rows"}
    assert learned.transform(table)["ids"][:, 0].tolist() == days.day_of_week.tolist()


@pytest.mark.parametrize(
    ("table", "label", "features", "message"),
    [
        (TABLE, "sol", "auto", r"label: .*'sol'\.\nNote: did you mean 'sold'"),
        (TABLE, "sold", {"size": {"kind": "numerical"}}, r"fit: features\.size"),
        (TABLE, "sold", {"sise": "numeric"}, r"features\.sise: .*did you mean 'size'"),
        (TABLE.assign(x=[[1], [2], [3], [4]]), "sold", "auto", "column 'x': .*found list"),
        (TABLE.assign(x=[1, "a", 2.5, b"b"]), "sold", "auto", "column 'x': expected values of one"),
        (
            pd.concat([TABLE, TABLE], axis=1),
            "sold",
            "auto",
            "columns of different names",
        ),
    ],
)
def test_bad_input_is_named(
    table: pd.DataFrame, label: str, features: object, message: str
) -> None:
    with pytest.raises(MillraceError, match=f"(?s){message}"):
        dataframe.fit(table, label, features)


def test_a_table_that_does_not_fit_is_named() -> None:
    learned = dataframe.fit(TABLE, "sold", {"size": "numeric"})
    with pytest.raises(MillraceError, match=r"(?s)column 'size', found none.*did you mean 'sise'"):
        learned.transform(TABLE.rename(columns={"size": "sise"}))
    with pytest.raises(MillraceError, match=r"'size': 'float64'.*found others"):
        learned.transform(TABLE.assign(size="large"))
