"""The training table of TensorFlow 1.15's Estimators, and their columns as features."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from millrace import config
from millrace.features import preprocessing
from millrace.features.raw_row import raw_columns
from millrace.statistics import statistics
from tests.helpers.artifacts import schema_of

# test_live.py puts new fixtures elsewhere.
FIXTURES = Path(os.environ.get("TF1_FIXTURES", Path(__file__).parents[1] / "fixtures" / "tf1"))
ORACLE = json.loads((FIXTURES / "oracle.json").read_text(encoding="utf-8"))
TYPES = {
    **dict.fromkeys(("age", "hours"), "float32"),
    **dict.fromkeys(("city", "job", "home"), "string"),
    "level": "int64",
}
ARROW = {"float32": pa.float32(), "string": pa.string(), "int64": pa.int64()}

CITIES = ["Paris", "Rome", "Zürich"]
WIDE = {
    "age_bucket": {
        "kind": "bucketized",
        "column": "age",
        "boundaries": [25, 35.5, 50],
        "default": 0,
    },
    "city_id": {"kind": "vocabulary", "column": "city", "values": CITIES},
    "job_hash": {"kind": "hashed", "column": "job", "buckets": 7},
    "city_x_job": {
        "kind": "crossed",
        "keys": ["city", "job"],
        "buckets": 11,
        "compat": "tf1_dense",
    },
    "age_x_city": {
        "kind": "crossed",
        "keys": ["age_bucket", "city_id"],
        "buckets": 13,
        "compat": "tf1_dense",
    },
}
HOURS = {
    "kind": "numeric",
    "normalizer": "none",
    "center": 30,
    "scale": 0.0625,
    "default": 0,
}
HOME = {"kind": "vocabulary", "column": "home", "values": CITIES}
EMBEDDINGS = {
    "job_embedding": {"kind": "embedding", "of": "job_hash", "dimension": 3},
    "cross_embedding": {"kind": "embedding", "of": "city_x_job", "dimension": 2},
}
AGE = {"kind": "numeric", "normalizer": "none", "default": 0}
CITY_OOV = {**WIDE["city_id"], "num_oov_buckets": 1}


def read_table(split: str) -> pd.DataFrame:
    return pd.read_csv(FIXTURES / f"{split}.csv", keep_default_na=False)


TEST = read_table("test")


def learn(features: dict[str, Any], label: str) -> preprocessing.Preprocessing:
    """Fits the feature columns to the rows that the Estimators were trained on."""
    types = {**TYPES, label: "float32" if label == "wage" else "int64"}
    schema = schema_of(types, label)
    table = read_table("train").replace("", None)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(table[name], ARROW[type_]) for name, type_ in types.items()], list(types)
    )
    splits = {split: iter([batch]) for split in ("train", "validation", "test")}
    job = {"name": "made", "data": {"files": "x.csv", "label": label}, "features": features}
    completed = config.complete(job)
    return preprocessing.learn(completed.features, schema, statistics.compute(splits, schema))


def encoded_test_rows(learned: preprocessing.Preprocessing) -> dict[str, tf.Tensor]:
    raw = raw_columns(TEST, learned.raw)
    return learned.encode({c.name: tf.constant(raw[c.name], c.dtype) for c in learned.raw})


def seen() -> np.ndarray:
    """Returns which test rows have only strings that are missing or also in the training rows."""
    train = read_table("train")
    known = [TEST[name].isin([*train[name], ""]) for name in ("city", "job", "home")]
    return np.logical_and(*known).to_numpy()
