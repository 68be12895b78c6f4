"""A suggested schema accepts every example, and allows nothing that they do not contain."""

import pandas as pd
import pyarrow as pa

from millrace.artifacts.schema import SchemaColumn
from millrace.ingestion.committed_schema import Domain
from millrace.statistics import statistics, suggested_schema
from millrace.tfrecord.examples import ARROW_TYPES
from tests.helpers.artifacts import as_json, schema_of

TYPES = {
    "id": "int64",
    "size": "float64",
    "city": "string",
    "code": "string",
    "day": "date",
    "time": "timestamp",
    "empty": "int64",
    "label": "int64",
}


def table(first: int, rows: int) -> pa.RecordBatch:
    index = pd.Series(range(first, first + rows))
    columns = {
        "id": index,
        "size": index / 10,
        "city": "a" if first else "b",
        "code": "x" + index.astype(str),
        "day": pd.Timestamp("2013-01-01") + pd.to_timedelta(index, "D"),
        "time": pd.Timestamp("2013-01-01T08:30Z") + pd.to_timedelta(index * 0.25, "s"),
        "empty": None,
        "label": index % 2,
    }
    fields = pa.schema([(name, ARROW_TYPES[type_]) for name, type_ in TYPES.items()])
    return pa.RecordBatch.from_pandas(pd.DataFrame(columns), fields, preserve_index=False)


def test_it_says_what_all_splits_hold_and_all_rows_pass() -> None:
    parts = {"train": table(0, 200), "validation": table(200, 50), "test": table(250, 50)}
    schema = schema_of(TYPES)
    computed = statistics.compute({split: [part] for split, part in parts.items()}, schema)
    suggested = as_json(suggested_schema.suggest(schema, computed))
    found = {column.pop("name"): column for column in suggested["columns"]}
    assert found["id"] == {"type": "int64", "min": 0, "max": 299, "unique": True}
    assert found["city"] == {"type": "string", "values": ["a", "b"]}
    assert found["code"] == {"type": "string", "unique": True}
    assert found["day"] == {"type": "date", "min": "2013-01-01", "max": "2013-10-27"}
    assert found["time"]["min"] == "2013-01-01T08:30:00Z"
    assert found["time"]["max"] == "2013-01-01T08:31:14.750000Z"
    assert found["empty"] == {"type": "int64"}
    assert found["label"] == {"type": "int64", "min": 0, "max": 1}
    assert 29.9 <= found["size"]["max"] < 29.90001
    assert -1e-40 < found["size"]["min"] <= 0
    for name, column in found.items():
        for part in parts.values():
            assert not Domain(SchemaColumn(name, **column)).outside(part[name]).any()


def test_what_comes_again_in_another_split_is_not_unique() -> None:
    parts = {"train": table(0, 200), "validation": table(200, 50), "test": table(240, 50)}
    schema = schema_of(TYPES)
    computed = statistics.compute({split: [part] for split, part in parts.items()}, schema)
    assert computed.unique == []
