"""Statistics of synthetic tables, compared with pandas and NumPy."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.statistics import number_statistics, statistics
from tests.helpers.artifacts import as_json, schema_of

TYPES = {
    "int64": pa.int64(),
    "float32": pa.float32(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}


def batches(table: pd.DataFrame, types: dict[str, str], rows: int = 100) -> list[pa.RecordBatch]:
    fields = pa.schema([(name, TYPES[type_]) for name, type_ in types.items()])
    arrow = pa.Table.from_pandas(table, schema=fields, preserve_index=False)
    return arrow.to_batches(max_chunksize=rows)


def compute(tables: dict[str, pd.DataFrame], types: dict[str, str], label: str, **data) -> dict:
    split_batches = {split: batches(table, types) for split, table in tables.items()}
    return as_json(statistics.compute(split_batches, schema_of(types, label), **data))


FLIGHT_TYPES = {"wind": "float32", "seats": "int64", "carrier": "string", "late": "int64"}


def flights(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    wind = rng.gamma(2, 5, rows).astype(np.float32)
    return pd.DataFrame(
        {
            "wind": pd.Series(wind).where(rng.random(rows) > 0.1),
            "seats": pd.Series(rng.integers(2, 200, rows), dtype="Int64"),
            "carrier": pd.Series(rng.choice(["UA", "AA", "é", None], rows), dtype=object),
            "late": pd.Series(rng.integers(0, 2, rows), dtype="Int64"),
        }
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    tables = {s: flights(n, i) for i, (s, n) in enumerate([("train", 700), ("validation", 250)])}
    return tables | {"test": flights(300, 9)}


@pytest.fixture(scope="module")
def computed(tables: dict[str, pd.DataFrame]) -> dict:
    return compute(tables, FLIGHT_TYPES, "late")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("name", ["wind", "seats", "late"])
def test_numbers_agree_with_pandas(
    computed: dict, tables: dict[str, pd.DataFrame], split: str, name: str
) -> None:
    column = computed["splits"][split]["columns"][name]
    oracle = tables[split][name].astype("float64")
    assert (column["rows"], column["missing"]) == (len(oracle), int(oracle.isna().sum()))
    assert column["distinct"] == oracle.nunique()
    assert column["mean"] == pytest.approx(oracle.mean())
    assert column["std"] == pytest.approx(oracle.std(ddof=0))
    assert [column["min"], column["max"]] == [oracle.min(), oracle.max()]
    assert column["median"] == pytest.approx(oracle.median())
    expected = np.quantile(oracle.dropna(), np.linspace(0, 1, 1025))
    np.testing.assert_allclose(column["quantiles"], expected, rtol=1e-12)


def test_values_of_strings_agree_with_pandas(
    computed: dict, tables: dict[str, pd.DataFrame]
) -> None:
    expected = tables["train"]["carrier"].value_counts().to_dict()
    values = computed["splits"]["train"]["columns"]["carrier"]["values"]
    assert dict(values) == expected
    assert values == sorted(values, key=lambda pair: (-pair[1], pair[0]))


def test_histograms_use_the_edges_of_train(computed: dict, tables: dict[str, pd.DataFrame]) -> None:
    edges = computed["splits"]["train"]["columns"]["wind"]["histogram"]["edges"]
    for split, table in tables.items():
        histogram = computed["splits"][split]["columns"]["wind"]["histogram"]
        clipped = table["wind"].dropna().clip(edges[0], edges[-1])
        assert histogram["edges"] == edges
        assert histogram["counts"] == np.histogram(clipped, edges)[0].tolist()


def test_many_numbers_list_the_frequent_ones_only() -> None:
    x = np.concatenate([np.zeros(50), np.arange(1, 2051)])
    table = pd.DataFrame({"x": x.astype(np.float32), "y": np.arange(2100) % 2})
    types = {"x": "float32", "y": "int64"}
    computed = compute(dict.fromkeys(["train", "validation", "test"], table), types, "y")
    column = computed["splits"]["train"]["columns"]["x"]
    assert column["distinct"] == 2051
    assert column["values"] == [[0.0, 50]]


def test_unseen_counts_rows_whose_value_train_lacks(tables: dict[str, pd.DataFrame]) -> None:
    changed = tables["test"].assign(
        carrier=tables["test"]["carrier"].mask(np.arange(300) < 7, "ZZ")
    )
    computed = compute({**tables, "test": changed}, FLIGHT_TYPES, "late")
    splits = computed["splits"]
    assert splits["test"]["columns"]["carrier"]["unseen"] == 7
    assert splits["validation"]["columns"]["carrier"]["unseen"] == 0
    assert "unseen" not in splits["train"]["columns"]["carrier"]


def test_whole_numbers_that_float32_cannot_hold_are_counted() -> None:
    numbers = [1, 2**24, 2**24 + 1, 2**24 + 1, -(2**24) - 3, 2**62, 2**62 + 1, 2**63 - 1, None]
    table = pd.DataFrame({"x": pd.Series(numbers, dtype="Int64"), "y": [0, 1, 0, 1, 0, 1, 0, 1, 0]})
    types = {"x": "int64", "y": "int64"}
    computed = compute(dict.fromkeys(["train", "validation", "test"], table), types, "y")
    columns = computed["splits"]["test"]["columns"]
    expected = [x for x in numbers if x is not None and int(np.float32(x)) != x]
    assert len(expected) == 5
    assert columns["x"]["rounded"] == 5
    assert columns["y"]["rounded"] == 0


def test_nan_and_empty_strings_are_missing() -> None:
    types = {"x": "float32", "s": "string", "y": "int64"}
    fields = [pa.array([1.0, float("nan"), None], pa.float32()), pa.array(["", "a", None])]
    batch = pa.RecordBatch.from_arrays([*fields, pa.array([0, 1, 1])], ["x", "s", "y"])
    computed = as_json(
        statistics.compute(
            {split: [batch] for split in ("train", "validation", "test")}, schema_of(types, "y")
        )
    )
    columns = computed["splits"]["train"]["columns"]
    assert (columns["x"]["missing"], columns["s"]["missing"]) == (2, 2)


def test_dates_times_and_booleans_appear_as_in_examples() -> None:
    types = {"d": "date", "t": "timestamp", "b": "bool", "y": "int64"}
    table = pd.DataFrame(
        {
            "d": [pd.Timestamp("2013-01-31").date()] * 2,
            "t": [pd.Timestamp("2013-01-31T08:30:00Z"), pd.Timestamp("2013-01-31T08:30:00.25Z")],
            "b": [True, True],
            "y": [0, 1],
        }
    )
    computed = compute(dict.fromkeys(["train", "validation", "test"], table), types, "y")
    columns = computed["splits"]["train"]["columns"]
    assert columns["d"]["values"] == [["2013-01-31", 2]]
    assert columns["t"]["values"] == [
        ["2013-01-31T08:30:00.250000Z", 1],
        ["2013-01-31T08:30:00Z", 1],
    ]
    assert (columns["b"]["values"], columns["b"]["mean"]) == ([[1, 2]], 1.0)


def test_columns_whose_names_differ_in_case_alone_stay_apart() -> None:
    types = {"a": "int64", "A": "int64", 'quo"te': "int64", "y": "int64"}
    table = pd.DataFrame({"a": [1, 2], "A": [5, 5], 'quo"te': [3, 4], "y": [0, 1]})
    computed = compute(dict.fromkeys(["train", "validation", "test"], table), types, "y")
    columns = computed["splits"]["train"]["columns"]
    assert [columns[n]["max"] for n in types] == [2, 5, 4, 1]


def test_a_column_without_values_has_no_figures() -> None:
    types = {"x": "float32", "y": "int64"}
    train = pd.DataFrame({"x": [None, None], "y": [0, 1]})
    test = pd.DataFrame({"x": [1.0, None], "y": [0, 1]})
    tables = {"train": train, "validation": test, "test": test}
    columns = compute(tables, types, "y")["splits"]
    empty = columns["train"]["columns"]["x"]
    assert (empty["distinct"], empty["mean"], empty["quantiles"]) == (0, None, [])
    assert columns["test"]["columns"]["x"]["histogram"]["counts"] != []


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_bytes_do_not_depend_on_the_batches(tables: dict[str, pd.DataFrame], rows: int) -> None:
    computed = compute(tables, FLIGHT_TYPES, "late")
    cut = {split: batches(table, FLIGHT_TYPES, rows) for split, table in tables.items()}
    again = as_json(statistics.compute(cut, schema_of(FLIGHT_TYPES, "late")))
    assert json.dumps(again) == json.dumps(computed)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([0.0, -0.0, 1.0, 2.0]),
        min_size=1,
        max_size=60,
    )
)
def test_quantiles_of_any_floats_are_numpys(x: list[float]) -> None:
    values, counts = np.unique(np.array(x), return_counts=True)
    expected = np.quantile(np.array(x), number_statistics.QUANTILES)
    found = number_statistics._quantiles(values, counts)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(x).max())


def test_infinity_counts_in_no_figure_but_its_own() -> None:
    types = {"x": "float32", "y": "int64"}
    inf = float("inf")
    table = pd.DataFrame({"x": [1.0, inf, 3.0, -inf], "y": [0, 1, 0, 1]})
    found = compute(dict.fromkeys(["train", "validation", "test"], table), types, "y")
    x = found["splits"]["train"]["columns"]["x"]
    assert (x["min"], x["max"], x["mean"], x["median"]) == (1, 3, 2, 2)
    assert (x["infinite"], x["missing"], x["distinct"]) == (2, 0, 2)
    assert x["values"] == [[1.0, 1], [3.0, 1]]


def test_a_split_without_examples_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    cut = {split: batches(table, FLIGHT_TYPES) for split, table in tables.items()}
    with pytest.raises(MillraceError, match="validation: expected examples, found none"):
        statistics.compute({**cut, "validation": []}, schema_of(FLIGHT_TYPES, "late"))


def test_the_label_is_described(computed: dict) -> None:
    label = computed["label"]
    assert (label["name"], label["task"], label["classes"]) == ("late", "binary", [0, 1])
    assert set(label["alone"]) == {"wind", "seats", "carrier"}


def test_rows_of_two_splits_are_counted_as_pandas_counts_them(
    tables: dict[str, pd.DataFrame],
) -> None:
    validation = pd.concat([tables["validation"], tables["train"][:40]])
    test = pd.concat([tables["test"], tables["validation"][:7], tables["train"][:5]])
    splits = {"train": tables["train"], "validation": validation, "test": test}
    found = compute(splits, FLIGHT_TYPES, "late")["splits"]
    earlier: list[pd.DataFrame] = []
    for split, table in splits.items():
        features = table.drop(columns="late")
        known = {tuple(map(str, row)) for part in earlier for row in part.itertuples(index=False)}
        expected = sum(tuple(map(str, row)) in known for row in features.itertuples(index=False))
        assert found[split]["repeated"] == expected
        earlier.append(features)
    assert found["validation"]["repeated"] >= 40
