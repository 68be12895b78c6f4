"""The values that a committed schema allows; test_ingest.py checks whole tables."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from millrace.artifacts.schema import SchemaColumn
from millrace.errors import MillraceError
from millrace.ingestion.committed_schema import Domain, read_schema


@pytest.mark.parametrize(
    ("column", "values", "outside"),
    [
        ({"type": "int64", "min": 2}, [1, 2, None, 3], [True, False, False, False]),
        ({"type": "float64", "max": 2}, [1.5, 2.5, None], [False, True, False]),
        (
            {"type": "float64", "min": 0, "max": 1},
            [-0.1, 0.0, 1.0, 1.1],
            [True, False, False, True],
        ),
        ({"type": "string", "values": ["a", "b"]}, ["a", "c", None], [False, True, False]),
        ({"type": "int64", "values": [0, 1]}, [0, 2, None], [False, True, False]),
        (
            {"type": "date", "max": "2013-12-31"},
            [date(2013, 12, 31), date(2014, 1, 1), None],
            [False, True, False],
        ),
        ({"type": "string"}, ["x", None], [False, False]),
    ],
)
def test_values_outside(column: dict[str, Any], values: list[Any], outside: list[bool]) -> None:
    assert Domain(SchemaColumn(name="x", **column)).outside(pa.array(values)).tolist() == outside


def test_a_domain_says_what_it_allows() -> None:
    assert str(Domain(SchemaColumn("x", "int64", min=0, max=9))) == "min 0 and max 9"
    listed = Domain(SchemaColumn("x", "string", values=list("abcdef")))
    assert str(listed) == "out of a, b, c, d, e …"


def test_a_domain_of_another_type_is_refused() -> None:
    with pytest.raises(MillraceError, match="column 'x': expected a domain of int64 values"):
        Domain(SchemaColumn("x", "int64", values=["many"]))


def test_a_schema_is_read_by_column(tmp_path: Path) -> None:
    columns = [{"name": "a", "type": "int64", "required": True, "missing_values": [""]}]
    (tmp_path / "schema.json").write_text(json.dumps({"columns": columns, "label": "a"}))
    assert read_schema(tmp_path / "schema.json", ["a", "b"]) == {
        "a": SchemaColumn("a", "int64", required=True, missing_values=[""])
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"missing_values": "NA"}, "missing_values: expected valid array, found 'NA'"),
        ({"required": "no"}, "required: expected valid boolean, found 'no'"),
        ({"values": {"a": 1}}, "values: expected valid array"),
    ],
)
def test_a_value_of_another_type_is_named(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    columns = [{"name": "a", "type": "string"} | change]
    (tmp_path / "schema.json").write_text(json.dumps({"columns": columns, "label": "a"}))
    with pytest.raises(MillraceError, match=f"schema.json: column 'a': {expected}"):
        read_schema(tmp_path / "schema.json", ["a"])


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"schema\.json: expected a schema as ingest writes it"):
        read_schema(tmp_path / "schema.json", ["a"])
