"""New rows scored by the exported models of the synthetic job."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millrace import models
from millrace.artifacts.schema import Schema
from millrace.errors import MillraceError
from millrace.serving import new_rows, scoring
from tests.conftest import MadeJob, make_table
from tests.helpers.scorings import Scored

BOUND = 2e-6


@pytest.fixture
def scored(made_job: Callable[[str], MadeJob], tmp_path: Path) -> Scored:
    return Scored(made_job("binary").until("convert_tflite"), tmp_path)


def evaluated(made: MadeJob, split: str = "test") -> np.ndarray:
    """Returns evaluate's predictions for a split, from its examples."""
    predictor = models.load(
        made.results / "preprocessing.json", made.results / "models" / "dnn" / "training"
    )
    return predictor.predict_split(made.results / "encoded", made.results / "examples", split)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_raw_test_file_gets_the_predictions_of_the_evaluation(made_job, tmp_path, task):
    made = made_job(task).until("convert_tflite")
    scored = Scored(made, tmp_path)
    table = scored.run(made.results / "test.csv")
    expected = evaluated(made)
    columns = [name for name in table.columns if name.startswith("prediction")]
    found = table[columns].to_numpy().squeeze()
    scale = 1 if task != "regression" else np.maximum(np.abs(expected), 1)
    np.testing.assert_array_less(np.abs(found - expected) / scale, BOUND)
    assert table["row"].tolist() == list(range(1, len(expected) + 1))
    assert set(table["file"]) == {(made.results / "test.csv").as_posix()}
    if task == "binary":
        assert table["decision"].tolist() == (expected >= 0.5).tolist()
        assert table["class"].tolist() == np.where(expected >= 0.5, "yes", "no").tolist()
    elif task == "multiclass":
        assert columns == ["prediction_high", "prediction_low", "prediction_middle"]
        names = np.array(["high", "low", "middle"])
        assert table["class"].tolist() == names[expected.argmax(axis=1)].tolist()
    else:
        assert list(table.columns) == ["file", "row", "prediction"]


def test_the_saved_model_agrees(scored, made_job):
    rows = made_job("binary").results / "test.csv"
    lite = scored.run(rows)
    full = scored.run(rows, "full.parquet", form="saved_model")
    assert np.abs(lite["prediction"] - full["prediction"]).max() < BOUND
    assert scored.account.form == "saved_model"


def test_every_format_says_the_same(scored, made_job):
    rows = made_job("binary").results / "test.csv"
    tables = [scored.run(rows, f"scored{ending}") for ending in (".parquet", ".csv", ".jsonl")]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_dtype=False, rtol=1e-7)
    before = scored.folder.joinpath("scored.parquet").read_bytes()
    scored.run(rows)
    assert scored.folder.joinpath("scored.parquet").read_bytes() == before


def test_rows_keep_their_order_in_batches_of_any_size(scored, made_job, monkeypatch):
    monkeypatch.setattr(new_rows, "ROWS_PER_BATCH", 7)
    table = scored.run(made_job("binary").results / "test.csv")
    assert table["row"].tolist() == list(range(1, 401))
    assert np.abs(table["prediction"] - evaluated(made_job("binary"))).max() < BOUND


@pytest.fixture
def table(made_job: Callable[[str], MadeJob]) -> pd.DataFrame:
    """Returns the test table of the synthetic job, with missing values."""
    made_job("binary")
    return make_table("binary", 400, 2)


def write_csv(table: pd.DataFrame, path: Path, **how: object) -> Path:
    table.to_csv(path, index=False, na_rep="NA", **how)
    return path


def write_parquet(table: pd.DataFrame, path: Path) -> Path:
    table.to_parquet(path)
    return path


def write_lines(table: pd.DataFrame, path: Path) -> Path:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


WAYS = {
    "semicolons": lambda table, folder: write_csv(table, folder / "n.csv", sep=";"),
    "tabs and gzip": lambda table, folder: write_csv(table, folder / "n.tsv.gz", sep="\t"),
    "UTF-16": lambda table, folder: write_csv(table, folder / "n.csv", encoding="utf-16"),
    "Parquet": lambda table, folder: write_parquet(table, folder / "n.parquet"),
    "JSON lines": lambda table, folder: write_lines(table, folder / "n.jsonl"),
    "another order": lambda table, folder: write_csv(table[table.columns[::-1]], folder / "n.csv"),
    "no label": lambda table, folder: write_csv(table.drop(columns="label"), folder / "n.csv"),
    "more columns": lambda table, folder: write_csv(table.assign(x="=1"), folder / "n.csv"),
    "lists in a column of Parquet": lambda table, folder: write_parquet(
        table.assign(x=[[1, 2]] * len(table)), folder / "n.parquet"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_may_come_in_any_file(scored, made_job, table, tmp_path, way):
    found = scored.run(WAYS[way](table, tmp_path))
    assert np.abs(found["prediction"] - evaluated(made_job("binary"))).max() < BOUND
    kinds = {"another order": {"order"}, "no label": {"label"}, "more columns": {"more"}}
    kinds["lists in a column of Parquet"] = {"more"}
    assert scored.said().keys() == kinds.get(way, set())


def test_what_the_config_says_of_other_files_is_tried_first(scored, table, tmp_path):
    path = write_csv(table, tmp_path / "n.csv")
    plain = scored.run(path)
    again = scored.run(path, "again.parquet", delimiter=";", encoding="latin-1")
    assert again["prediction"].tolist() == plain["prediction"].tolist()
    assert "data.delimiter, data.encoding of the config did not fit" in scored.said()["dialect"]


def test_a_column_that_was_missing_at_times_may_be_missing_as_a_whole(scored, table, tmp_path):
    schema = Schema.load(scored.results.schema)
    for column in schema.columns:
        object.__setattr__(column, "required", column.name != "city")
    schema.save(scored.results.schema)
    found = scored.run(write_csv(table.drop(columns="city"), tmp_path / "n.csv"))
    assert "no column 'city'" in scored.said()["absent"]
    empty = scored.run(write_csv(table.assign(city=None), tmp_path / "e.csv"), "e.parquet")
    assert found["prediction"].tolist() == empty["prediction"].tolist()


def test_a_column_that_never_was_missing_has_to_be_there(scored, table, tmp_path):
    path = write_csv(
        table.drop(columns="count").rename(columns={"city": "City"}), tmp_path / "n.csv"
    )
    with pytest.raises(MillraceError, match=r"n.csv: expected the columns .* no 'count', 'city'"):
        scored.run(path)
    assert not scored.scored.predictions.exists()
    assert not scored.scored.account.exists()


def test_a_column_of_another_type_is_one_error(scored, table, tmp_path):
    path = write_csv(table.assign(count="many"), tmp_path / "n.csv")
    with pytest.raises(MillraceError, match="'count': expected int64, found 'many' in row 1"):
        scored.run(path)
    days = pd.Timestamp("2013-01-01") + pd.to_timedelta(table["count"], unit="D")
    path = write_parquet(table.assign(count=days), tmp_path / "n.parquet")
    with pytest.raises(MillraceError, match="'count': expected int64"):
        scored.run(path)


def test_rows_that_cannot_be_read_are_kept_verbatim(scored, made_job, tmp_path):
    lines = (made_job("binary").results / "test.csv").read_text().splitlines()
    bad = {3: "12,three, Aarhus,yes", 8: "1,2", 11: '"open'}
    for row, text in bad.items():
        lines[row] = text
    path = tmp_path / "n.csv"
    path.write_text("\n".join(lines) + "\n")
    found = scored.run(path)
    rejected = {int(entry["row"]): entry for entry in scored.rejected()}
    assert {row: entry["raw"].strip() for row, entry in rejected.items() if row != 11} == {
        row: text for row, text in bad.items() if row != 11
    }
    assert rejected[3]["reason"] == "expected int64, found 'three'"
    assert scored.account.reasons["count: expected int64"] == 1
    kept = found[found["row"] < 11]
    expected = pd.Series(evaluated(made_job("binary")), index=range(1, 401))
    assert kept["row"].tolist() == [1, 2, 4, 5, 6, 7, 9, 10]
    assert np.abs(kept["prediction"] - expected[kept["row"]].to_numpy()).max() < BOUND


def test_a_person_is_told_warnings_first_and_not_everything(scored, table, tmp_path):
    for number in range(12):
        write_csv(table[:20].drop(columns="label"), tmp_path / f"{number:02}.csv")
    write_csv(table[:20].assign(y=1), tmp_path / "12.csv", sep=";")
    scored.run(tmp_path / "*.csv", "scored/all.jsonl", delimiter=",")
    told = scoring.summary(scored.account, scored.scored).splitlines()
    assert told[0].startswith(
        f"warning: {tmp_path}/12.csv: data.delimiter of the config did not fit"
    )
    assert told[1] == f"info: {tmp_path}/00.csv: no label; none is needed"
    assert told[10] == f"… and 4 more in {tmp_path}/scored/all.score.json"
    assert told[11] == "260 rows = 260 scored, 0 rejected"
    assert told[12] == f"dnn (float32): {tmp_path}/scored/all.jsonl"


def test_ids_are_beside_the_prediction_as_they_stand_in_the_file(scored, table, tmp_path):
    ids = [f"00{number}" for number in range(len(table))]
    path = write_csv(table.assign(customer=ids), tmp_path / "n.csv")
    found = scored.run(path, ids=("customer", "visit"))
    assert found["customer"].tolist() == ids
    assert found["visit"].isna().all()
    assert "no column 'visit' of data.ids" in scored.said()["absent"]


def test_what_was_never_missing_in_training_is_said(scored, table, tmp_path):
    schema = Schema.load(scored.results.schema)
    for column in schema.columns:
        object.__setattr__(column, "required", column.name == "count")
    schema.save(scored.results.schema)
    table.loc[:6, "count"] = None
    scored.run(write_csv(table.astype({"count": "Int64"}), tmp_path / "n.csv"))
    assert "'count' is missing in 7 rows" in scored.said()["missing"]


def test_rows_that_break_a_committed_schema_are_rejected(scored, table, tmp_path):
    schema = Schema.load(scored.results.schema)
    for column in schema.columns:
        object.__setattr__(column, "required", column.name == "city")
        if column.name == "count":
            object.__setattr__(column, "max", 2)
    schema.save(scored.results.schema)
    path = write_csv(table, tmp_path / "n.csv")
    found = scored.run(path, schema_path="schema.json")
    good = table["city"].notna() & (table["count"] <= 2)
    assert found["row"].tolist() == (np.flatnonzero(good) + 1).tolist()


def test_rows_that_all_break_a_committed_schema_are_rejected_one_by_one(scored, table, tmp_path):
    """The cells are valid; only the column has another type."""
    schema = Schema.load(scored.results.schema)
    for column in schema.columns:
        object.__setattr__(column, "required", column.name == "city")
        if column.name == "count":
            object.__setattr__(column, "max", -1)
    schema.save(scored.results.schema)
    for path in (
        write_csv(table.assign(city=None), tmp_path / "missing.csv"),
        write_csv(table.dropna(subset=["city", "count"]), tmp_path / "beyond.csv"),
    ):
        assert scored.run(path, schema_path="schema.json").empty
        assert len(scored.rejected()) == scored.account.rows_read > 300


def test_no_pattern_of_the_config_takes_in_what_is_written(scored, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    there = {tmp_path / "data" / "t.csv", tmp_path / "data" / "t.txt"}
    for file in there:
        file.write_text("of the training")
    path = write_csv(table, tmp_path / "n.csv")
    for name in ("data/scored.csv", "data/scored.parquet"):  # the second with its rejected rows
        with pytest.raises(MillraceError, match=r"OUT: expected a path that data\.files does not"):
            scored.run(path, name, files="data/*.csv")
    assert {*(tmp_path / "data").iterdir()} == there
    assert len(scored.run(path, "data/scored.jsonl", files="data/*.txt")) == len(table)


def test_the_files_of_the_training_need_not_be_there(scored, table, tmp_path):
    path = write_csv(table, tmp_path / "n.csv")
    for number, gone in enumerate((["gone/*.csv", "gone/t.csv"], str(tmp_path / "gone"))):
        assert len(scored.run(path, f"{number}.csv", files=gone)) == len(table)


def test_a_folder_is_many_files(scored, table, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    for place, part in enumerate((table[:150], table[150:])):
        write_csv(part, folder / f"{place}.csv")
    found = scored.run(folder)
    assert [Path(file.path).name for file in scored.account.files] == ["0.csv", "1.csv"]
    assert found["row"].tolist() == [*range(1, 151), *range(1, 251)]
    with pytest.raises(MillraceError, match="OUT: expected a path that ROWS does not take in"):
        scored.run(folder, "new/scored.csv")
    with pytest.raises(MillraceError, match="OUT: expected a path that ROWS does not take in"):
        scored.run(folder / "*.csv", "new/scored.csv")
    with pytest.raises(MillraceError, match="ROWS: expected files that match"):
        scored.run(folder / "*.tsv")


def test_nobody_elses_file_is_replaced(scored, table, tmp_path):
    path = write_csv(table, tmp_path / "n.csv")
    before = path.read_bytes()
    with pytest.raises(MillraceError, match="OUT: expected a path that ROWS does not take in"):
        scored.run(path, "n.csv")
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(MillraceError, match="OUT: expected a path that ROWS does not take in"):
        scored.run(tmp_path / "link.csv", "n.csv")
    assert path.read_bytes() == before
    (tmp_path / "other.csv").write_text("mine")
    with pytest.raises(MillraceError, match=r"other.csv: expected a new file"):
        scored.run(path, "other.csv")
    assert (tmp_path / "other.csv").read_text() == "mine"
    for name in ("mine.rejected.csv", "kept.score.json"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(MillraceError, match=rf"{name}: expected a new file"):
            scored.run(path, f"{name.partition('.')[0]}.csv")
        assert (tmp_path / name).read_text() == "{}"
    with pytest.raises(MillraceError, match=r"OUT: expected a path outside .*results"):
        scored.run(path, "results/predictions.csv")
    with pytest.raises(MillraceError, match=r"expected a name that ends with .parquet"):
        scored.run(path, "scored.xlsx")
    for name in ("", "https://example.org/n.csv"):
        with pytest.raises(MillraceError, match="ROWS: expected"):
            scored.run(name)


def test_a_header_alone_is_no_row(scored, table, tmp_path):
    assert scored.run(write_csv(table[:0], tmp_path / "n.csv")).empty
    assert scored.account.rows_read == 0


def test_a_model_that_is_not_there_is_an_error(scored, table, tmp_path):
    path = write_csv(table, tmp_path / "n.csv")
    (scored.results.tflite / "int8.tflite").unlink(missing_ok=True)
    with pytest.raises(MillraceError, match=r"int8.tflite: expected a TF Lite model, found none"):
        scored.run(path, form="int8")
    model = scored.results.tflite / "float32.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(MillraceError, match=r"float32.tflite: expected the file that .* certifies"):
        scored.run(path)
    shutil.rmtree(scored.results.tflite)
    with pytest.raises(MillraceError, match="expected an exported model, found none"):
        scored.run(path)
    scored.results.signature.unlink()
    with pytest.raises(MillraceError, match=r"signature.json: expected an artifact"):
        scored.run(path)
