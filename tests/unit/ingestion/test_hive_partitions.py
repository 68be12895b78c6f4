"""Folders named key=value, written by PyArrow and pandas."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millrace.ingestion import blocks, hive_partitions, inference, tables
from millrace.ingestion.blocks import Markers
from tests.helpers.configs import data_config

DATA = data_config()
MARKERS = Markers.of(["", "NA"])


def rows(paths: list[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    opened = tables.open_tables(paths, DATA)
    counts = tables.census(opened, MARKERS)
    types = {name: inference.column_type(counts[name], 0.001) for name in opened[0].names}
    batches = [
        blocks.typed(block, table.names, types)[0].to_pandas()
        for table in opened
        for block in table.blocks(MARKERS, types)
    ]
    return pd.concat(batches, ignore_index=True), types


def test_keys_come_from_folders_alone() -> None:
    path = Path("/data=here/sales/year=2024/country=D%C3%A4n%20mark/city=/=x/a=b.csv")
    expected = {"data": "here", "year": "2024", "country": "Dän mark", "city": ""}
    assert hive_partitions.keys(path) == expected
    assert hive_partitions.keys(Path("k=__HIVE_DEFAULT_PARTITION__/t.csv")) == {"k": ""}
    assert hive_partitions.keys(Path("table.csv")) == {}


def test_what_pandas_divides_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "n": np.arange(300),
            "word": rng.choice(["x", "zz"], 300),
            "year": rng.choice([2023, 2024], 300),
            "country": rng.choice(["DK", "S/E", "Å"], 300),
        }
    )
    table.loc[5, "country"] = None
    table.to_parquet(tmp_path, partition_cols=["year", "country"])
    found, types = rows(sorted(tmp_path.rglob("*.parquet")))
    assert types == {"n": "int64", "word": "string", "year": "int64", "country": "string"}
    found = found.sort_values("n", ignore_index=True)
    pd.testing.assert_frame_equal(found, table, check_dtype=False)


def test_a_csvs_bad_rows_stay_bad_and_its_own_columns_win(tmp_path: Path) -> None:
    path = tmp_path / "a=1" / "m=02" / "t.csv"
    path.parent.mkdir(parents=True)
    path.write_text('a,b\n5,"x ""y"""\n6\n7,z,8\n9,"open\n')
    table = tables.open_table(path, DATA)
    assert table.names == ["a", "b", "m"]
    types = dict.fromkeys(table.names, "string")
    batch, kept, rejected = blocks.typed(next(table.blocks(MARKERS, types)), table.names, types)
    assert batch.to_pylist() == [{"a": "5", "b": 'x "y"', "m": "02"}]
    assert [reject.raw for reject in rejected] == ["6", "7,z,8", '9,"open']
    assert kept.tolist() == [True, False, False, False]


@pytest.mark.parametrize("values", [("1", "x"), ("x", "1")])
def test_a_key_has_one_type_in_all_folders(tmp_path: Path, values: tuple[str, str]) -> None:
    paths = [tmp_path / f"k={value}" / "t.csv" for value in values]
    for path in paths:
        path.parent.mkdir()
        path.write_text("a\n1\n")
    found, types = rows(paths)
    assert types["k"] == "string"
    assert found["k"].tolist() == list(values)
