"""Preprocessing as a whole, on the synthetic job."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from millrace.artifacts.schema import Schema
from millrace.artifacts.statistics import Statistics
from millrace.config.features import features_of
from millrace.errors import MillraceError
from millrace.features import preprocessing
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.raw_row import RawColumn, raw_columns
from millrace.features.tasks import Task
from millrace.results import Results


def inputs_of(job):
    results = Results(job.results)
    return Schema.load(results.schema), Statistics.load(results.statistics)


def test_encoding_matches_pandas(made_job):
    job = made_job("binary").until("preprocess")
    learned = preprocessing.Preprocessing.load(job.results / "preprocessing.json")
    train, test = job.tables["train"], job.tables["test"]
    encoded = {x: y.numpy() for x, y in learned.encode(raw_columns(test, learned.raw)).items()}

    size = train["size (mm)"].astype(np.float64)
    z = (test["size (mm)"].fillna(size.median()) - size.median()) / (
        size.quantile(0.75) - size.quantile(0.25)
    )
    expected = np.stack([z / np.sqrt(1 + z**2 / 9), test["size (mm)"].isna()], axis=1)
    np.testing.assert_allclose(encoded["numbers"], expected, atol=1e-6)

    places = {entry.feature: place for place, entry in enumerate(learned.spec.ids)}
    counts = train["city"].value_counts()
    # Most frequent first, then by name; the missing id is the last of the column's ids.
    order = sorted(counts.index, key=lambda city: (-counts[city], city))
    codes = pd.Categorical(test["city"], categories=order).codes
    expected = np.where(codes < 0, len(order) + 1, codes)
    np.testing.assert_array_equal(encoded["ids"][:, places["city"]], expected)

    edges = size.quantile([0.25, 0.5, 0.75]).to_numpy()
    bucket = np.where(test["size (mm)"].isna(), 4, np.digitize(test["size (mm)"], edges))
    crossed = (expected * 5 + bucket) % 20
    np.testing.assert_array_equal(encoded["ids"][:, places["city_by_size"]], crossed)


def test_it_comes_back_from_disk_as_it_was(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    learned = preprocessing.Preprocessing.load(job.results / "preprocessing.json")
    learned.save(tmp_path / "again.json")
    assert preprocessing.Preprocessing.load(tmp_path / "again.json") == learned
    assert (tmp_path / "again.json").read_bytes() == (
        job.results / "preprocessing.json"
    ).read_bytes()


@pytest.mark.parametrize(
    "task",
    [
        Task("binary", (0, 1)),
        Task("multiclass", ("a", "b", "ü")),
        Task("multiclass", (0.5, 1.0, 2.0)),
        Task("regression", mean=3.25, std=0.5),
    ],
)
def test_every_task_comes_back_and_markers_with_it(tmp_path, task):
    columns = RawColumn("n", "int64", "n", missing=("", " -1 ")), RawColumn("t", "string", "t")
    numbers, ids = NumberInput("n", edges=(0.0, 0.5)), CategoricalInput("t", 3, "indicator", 3)
    spec = preprocessing.EncodedSpec((numbers,), (ids,))
    made = preprocessing.Preprocessing(columns, (), spec, columns[0], task, {}, {"id": "an id"})
    made.save(tmp_path / "preprocessing.json")
    assert preprocessing.Preprocessing.load(tmp_path / "preprocessing.json") == made


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spec": {"numbers": []}}, "expected the key spec.ids, found none"),
        ({"columns": [{"kind": "new", "name": "x"}]}, "columns: expected what feature columns le"),
        ({"features": {"x": {"kind": "new"}}}, "features.x: expected"),
        ({"more": 1}, "unknown key more"),
    ],
)
def test_another_file_is_one_error(made_job, tmp_path, change, expected):
    path = made_job("binary").until("preprocess").results / "preprocessing.json"
    (tmp_path / "p.json").write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MillraceError, match=f"p.json: {expected}"):
        preprocessing.Preprocessing.load(tmp_path / "p.json")


def test_auto_uses_every_useful_column(made_job):
    schema, statistics = inputs_of(made_job("regression"))
    learned = preprocessing.learn("auto", schema, statistics)
    assert {column.name: column.kind for column in learned.columns} == {
        "size (mm)": "numeric",
        "count": "vocabulary",
        "city": "vocabulary",
    }
    assert learned.left_out == {}


def test_auto_without_a_useful_column_says_why(made_job):
    schema, statistics = inputs_of(made_job("regression"))
    schema = replace(schema, columns=[replace(x, role="index") for x in schema.columns])
    with pytest.raises(MillraceError, match=r"at least one column .*found none .*'city': the stor"):
        preprocessing.learn("auto", schema, statistics)


def test_a_cross_may_stand_before_its_keys(made_job):
    schema, statistics = inputs_of(made_job("binary"))
    features = {
        "cross": {"kind": "crossed", "keys": ["city", "count"]},
        "city": {"kind": "vocabulary"},
        "count": {"kind": "vocabulary"},
    }
    learned = preprocessing.learn(features_of(features), schema, statistics)
    assert [column.name for column in learned.columns] == ["city", "count", "cross"]
    assert learned.left_out == {"size (mm)": "no feature names it"}


def test_a_cross_of_crosses_may_stand_before_them_and_not_in_a_circle(made_job):
    schema, statistics = inputs_of(made_job("binary"))
    features = {
        "outer": {"kind": "crossed", "keys": ["inner", "listed"]},
        "listed": {"kind": "vocabulary", "column": "city", "values": ["Oslo"]},
        "inner": {"kind": "crossed", "keys": ["city", "count"]},
        "city": {"kind": "vocabulary"},
        "count": {"kind": "vocabulary"},
    }
    learned = preprocessing.learn(features_of(features), schema, statistics)
    assert [x.name for x in learned.columns] == ["listed", "city", "count", "inner", "outer"]
    features["inner"]["keys"] = ["city", "outer"]
    with pytest.raises(MillraceError, match=r"features\.\w+\.keys: .*, which is not a feature"):
        preprocessing.learn(features_of(features), schema, statistics)


@pytest.mark.parametrize(
    "feature, message",
    [
        ({"kind": "numeric", "column": "sise (mm)"}, r"found 'sise \(mm\)'.*did you mean 'size"),
        ({"kind": "numeric", "column": "city"}, "of type string"),
        ({"kind": "embedding", "of": "city"}, r"\.of: .*'city', which is not a feature"),
        ({"kind": "vocabulary", "column": "label"}, "found the label"),
    ],
)
def test_a_feature_that_cannot_be_is_named(made_job, feature, message):
    schema, statistics = inputs_of(made_job("binary"))
    with pytest.raises(MillraceError, match=f"(?s)features.new.*{message}"):
        preprocessing.learn(features_of({"new": feature}), schema, statistics)
