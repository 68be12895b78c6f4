"""The synthetic table of benchmarks/feature_columns.py, and the features that it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.tfrecord import examples

import numpy as np
import pandas as pd
import pyarrow as pa

OUT = Path(__file__).parent / "out"
ROWS_PER_SHARD = 100_000
# The number of rows that are encoded repeatedly.
KEPT = 100_000

FLOATS = [f"float_{index}" for index in range(6)]
INTEGERS = {"int_0": 10, "int_1": 1000, "int_2": 1_000_000}
NUMBERS = [*FLOATS, *INTEGERS]
STRINGS = {f"string_{count}": count for count in (4, 20, 200, 2000, 20_000, 75_000)}

Features = dict[str, dict[str, Any]]


def _of(column: str, kind: str, **settings: Any) -> Features:
    return {"x": {"kind": kind, "column": column, **settings}}


_NUMERIC: Features = {name: {"kind": "numeric"} for name in NUMBERS}
_VOCABULARIES: Features = {name: {"kind": "vocabulary"} for name in STRINGS}
ALL = _NUMERIC | _VOCABULARIES
_IDS: Features = {
    "a": {"kind": "identity", "column": "int_0", "buckets": 10},
    "b": {"kind": "identity", "column": "int_1", "buckets": 1000},
}
_TAGS = {"delimiter": "|", "max_length": 4}

KINDS: dict[str, Features] = {
    "numeric, robust": _of("float_0", "numeric"),
    "numeric, log": _of("float_0", "numeric", normalizer="log"),
    "numeric, quantile": _of("float_0", "numeric", normalizer="quantile"),
    "piecewise_linear": _of("float_0", "piecewise_linear"),
    "periodic": _of("float_0", "periodic"),
    "bucketized, 10 buckets": _of("float_0", "bucketized", quantiles=10),
    "bucketized, 100 buckets": _of("float_0", "bucketized", quantiles=100),
    "identity": _of("int_1", "identity", buckets=1000),
    "vocabulary, 10 numbers": _of("int_0", "vocabulary"),
    "vocabulary, 1,000 numbers": _of("int_1", "vocabulary"),
    "vocabulary, 4 strings": _of("string_4", "vocabulary"),
    "vocabulary, 75,000 strings": _of("string_75000", "vocabulary"),
    "vocabulary, 9 hashed buckets": _of(
        "string_75000", "vocabulary", min_count=2, num_oov_buckets=9, unseen="hash"
    ),
    "hashed": _of("string_75000", "hashed", buckets=5000),
    "hashed, unseen too": _of("string_75000", "hashed", buckets=5000, unseen="hash"),
    "sequence of 4": _of("tags", "sequence", **_TAGS),
    "weighted sequence of 4": _of("tags", "sequence", **_TAGS)
    | {"w": {"kind": "weighted", "of": "x", "weight": "float_0"}},
    "crossed, of two identities": _IDS | {"x": {"kind": "crossed", "keys": ["a", "b"]}},
    "date_part, hour": _of("seen", "date_part", part="hour"),
    "date_part, hour in New York": _of(
        "seen", "date_part", part="hour", timezone="America/New_York"
    ),
    "cyclic, year": _of("seen", "cyclic", period="year"),
    "elapsed": _of("seen", "elapsed"),
    "9 numbers": _NUMERIC,
    "9 numbers and 2 identities": _NUMERIC | _IDS,
    "6 strings": _VOCABULARIES,
    "all 15": ALL,
}


def table(rows: int) -> pd.DataFrame:
    """Returns the 15 columns, a label, sequences and times."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.normal(size=rows) for name in FLOATS}
    columns |= {name: rng.integers(0, count, rows) for name, count in INTEGERS.items()}
    for name, count in STRINGS.items():
        # A few values are frequent and most are rare, as in real tables.
        places = (count * rng.random(rows) ** 2).astype(int)
        columns[name] = np.array([f"value {place}" for place in range(count)])[places]
    tags = ["|".join(f"tag {x % 97}" for x in row) for row in rng.integers(0, 999, (KEPT, 3))]
    columns["tags"] = np.resize(tags, rows)
    columns["seen"] = pd.Timestamp("2015-01-01") + pd.to_timedelta(
        rng.integers(0, 3 * 10**8, rows), unit="s"
    )
    arrays = {name: pa.array(x, mask=rng.random(rows) < 0.02) for name, x in columns.items()}
    arrays["label"] = pa.array(rng.integers(0, 2, rows))
    made: pd.DataFrame = pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)
    return made


def make(rows: int) -> tuple[Schema, list[Path]]:
    """Writes the columns and the label as examples unless they exist; returns schema and shards."""
    folder = OUT / f"feature_columns_{rows}"
    types = dict.fromkeys(FLOATS, "float32") | dict.fromkeys(INTEGERS, "int64")
    types |= dict.fromkeys(STRINGS, "string") | {"label": "int64"}
    schema = Schema([SchemaColumn(name, type_) for name, type_ in types.items()], "label")
    done = folder / "schema.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = pa.Table.from_pandas(table(rows)[[*types]], examples.arrow_schema(types))
        shards = -(-rows // ROWS_PER_SHARD)
        for shard in range(shards):
            part = made.slice(shard * ROWS_PER_SHARD, ROWS_PER_SHARD).combine_chunks()
            path = folder / examples.shard_name("train", shard, shards)
            path.write_bytes(examples.serialize(part.to_batches()[0]).tobytes())
        schema.save(done)
    return schema, examples.shard_paths(folder, "train")
