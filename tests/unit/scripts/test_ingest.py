"""ingest and gather: shards, schema and account from raw tables,

compared with pandas and TensorFlow.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from millrace.ingestion import delimited
from millrace.ingestion.delimited import DelimitedTable
from millrace.tfrecord import examples
from tests.helpers.ingest_jobs import SPLITS, Job, contents, made


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job(monkeypatch)


def test_every_row_is_in_one_split_or_accounted_for(job: Job) -> None:
    source = made()
    source.to_csv("table.csv", index=False)
    assert job.run({"table.csv": None}) == 0
    labelled = source[source["label"].notna()].reset_index(drop=True)
    found = pd.concat([job.table(split) for split in SPLITS])
    found = found.sort_values("id", ignore_index=True)
    found["day"] = found["day"].astype(str)
    pd.testing.assert_frame_equal(found, labelled, check_dtype=False)
    account = job.account()
    assert account["rows_read"] == 2000
    assert account["unlabelled"] == source["label"].isna().sum()
    assert account["files"][0]["rows_read"] == 2000
    shares = [rows / len(labelled) for rows in account["written"].values()]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    assert Path("results/rejected.csv").read_text() == "file,row,byte_offset,column,reason,raw\n"


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_tensorflow_reads_the_examples(job: Job, compression: str) -> None:
    tf = pytest.importorskip("tensorflow")
    made().to_csv("table.csv", index=False)
    job.run({"table.csv": None}, compression=compression)
    path = str(examples.shard_paths(Path("results/examples"), "train")[0])
    kind = "" if compression == "none" else "GZIP"
    records = list(tf.data.TFRecordDataset(path, kind).as_numpy_iterator())
    parsed = tf.io.parse_example(
        records,
        {
            "id": tf.io.FixedLenFeature([], tf.int64),
            "size": tf.io.FixedLenFeature([], tf.float32, default_value=np.nan),
            "city": tf.io.FixedLenFeature([], tf.string),
        },
    )
    table = job.table("train")
    np.testing.assert_array_equal(parsed["id"], table["id"])
    np.testing.assert_array_equal(parsed["size"], table["size"].astype(np.float32))
    assert [text.decode() for text in parsed["city"].numpy()] == list(table["city"])


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_ydf_reads_the_examples(job: Job, compression: str) -> None:
    ydf = pytest.importorskip("ydf")
    source = made()
    # YDF infers columns from the first example, which must have all of them.
    source["size"] = source["size"].fillna(0.5)
    source.to_csv("table.csv", index=False)
    job.run({"table.csv": None}, compression=compression, examples_per_shard=500)
    paths = [str(path) for path in examples.shard_paths(Path("results/examples"), "train")]
    assert len(paths) > 1
    kind = "tfrecord" if compression == "gzip" else "tfrecord-nocompression"
    table = job.table("train")
    learner = ydf.CartLearner(label="label", features=["size", "city"], num_threads=1)
    model = learner.train(f"{kind}:{','.join(paths)}")
    assert model.describe("text")
    columns = {column.name: column for column in model.data_spec().columns}
    size = columns["size"].numerical
    found = [size.mean, size.min_value, size.max_value, size.standard_deviation]
    expected = [table["size"].mean(), table["size"].min(), table["size"].max()]
    np.testing.assert_allclose(found, [*expected, table["size"].std(ddof=0)], rtol=1e-5)
    items = columns["city"].categorical.items
    counts = {city: item.count for city, item in items.items() if item.count}
    assert counts == table["city"].value_counts().to_dict()


def test_the_schema_names_what_examples_hold(job: Job) -> None:
    made().to_csv("table.csv", index=False)
    job.run({"table.csv": None}, exclude=["id"], missing_values=["", "none"])
    schema = json.loads(Path("results/schema.json").read_text())
    assert schema["label"] == "label"
    found = [(column["name"], column["type"], column["required"]) for column in schema["columns"]]
    assert found == [
        ("size", "float64", False),
        ("city", "string", True),
        ("day", "date", True),
        ("label", "int64", True),
    ]
    assert schema["columns"][0]["missing_values"] == ["", "none"]
    assert list(job.table("train").columns) == ["size", "city", "day", "label"]


def test_a_second_run_gives_the_same_bytes(job: Job) -> None:
    made().to_csv("table.csv", index=False)
    for results in ("first", "second"):
        job.run({"table.csv": None}, results=results, examples_per_shard=300)
    files = sorted(path.relative_to("first") for path in Path("first").rglob("*.*"))
    # Shards, their origins, schema, account, rejected rows, and the marker of the job.
    assert len(files) == 7 + 3 + 3 + 1
    for file in files:
        assert Path("first", file).read_bytes() == Path("second", file).read_bytes()


def placed(job: Job, results: str) -> dict[int, str]:
    return {
        number: split for split in SPLITS for number in job.table(split, results)["id"].tolist()
    }


def test_shares_are_exact_and_every_class_has_its_share(job: Job) -> None:
    source = made().dropna(subset="label")
    source["label"] = np.where(source["id"] % 10 == 0, "rare", "usual")
    source.to_csv("table.csv", index=False)
    assert job.run({"table.csv": None}, split={"test": 0.2}) == 0
    counts = source.assign(split=source["id"].map(placed(job, "results")))
    counts = counts.groupby("label")["split"].value_counts()
    for label, rows in source["label"].value_counts().items():
        assert counts[label]["validation"] == pytest.approx(0.15 * rows, abs=2)
        assert counts[label]["test"] == pytest.approx(0.2 * rows, abs=2)


@pytest.mark.parametrize("parts", [[1], [1, 2, 3]])
def test_rows_stay_in_their_splits_when_others_follow(job: Job, parts: list[int]) -> None:
    source = made(3000).dropna(subset="label")
    source[:600].to_csv("a.csv", index=False)
    source[600:1000].to_csv("b.csv", index=False)
    assert job.run({"a.csv": None, "b.csv": None}, results="before", parts=parts) == 0
    before = placed(job, "before")
    assert len(before) == 1000
    # Renamed, compressed, in another order, with rows at their ends, columns left out, a new file.
    pd.concat([source[:600], source[1500:1800]]).to_csv("z.csv.gz", index=False)
    source[600:1500].to_csv("c.csv", index=False)
    source[1800:].to_csv("new.csv", index=False)
    files: dict[str, str | None] = {"c.csv": None, "new.csv": None, "z.csv.gz": None}
    options = {"examples_per_shard": 100, "exclude": ["city"], "parts": parts}
    assert job.run(files, results="after", **options) == 0
    after = placed(job, "after")
    assert len(after) == len(source)
    assert before == {number: after[number] for number in before}


def test_copies_stay_together_if_that_is_asked_for(job: Job) -> None:
    rng = np.random.default_rng(0)
    source = pd.DataFrame({"a": rng.integers(0, 40, 4000), "b": rng.integers(0, 5, 4000)})
    source["label"] = rng.integers(0, 2, 4000)
    source["id"] = range(4000)
    source.to_csv("table.csv", index=False)
    options: dict[str, Any] = {"exclude": ["id"]}

    def splits_of_a_copy(results: str) -> pd.Series:
        found = pd.concat([job.table(split, results).assign(split=split) for split in SPLITS])
        assert len(found) == 4000
        return found.groupby(["a", "b"])["split"].nunique()

    assert job.run({"table.csv": None}, results="separate", **options) == 0
    assert (splits_of_a_copy("separate") > 1).mean() > 0.9
    options["split"] = {"copies": "together"}
    assert job.run({"table.csv": None}, results="together", **options) == 0
    assert (splits_of_a_copy("together") == 1).all()


def test_files_with_splits_keep_them(job: Job) -> None:
    source = made().dropna(subset="label")
    source[:1500].to_csv("train.csv", index=False)
    source[1500:].to_csv("test.csv", index=False)
    job.run({"train.csv": "train", "test.csv": "test"}, split={"validation": 0.2})
    assert sorted(job.table("test")["id"]) == sorted(source["id"][1500:])
    train, validation = job.table("train"), job.table("validation")
    assert sorted([*train["id"], *validation["id"]]) == sorted(source["id"][:1500])
    assert len(validation) / 1500 == pytest.approx(0.2, abs=0.03)
    source[1000:1500].to_csv("validation.csv", index=False)
    source[:1000].to_csv("train.csv", index=False)
    job.run({"train.csv": "train", "validation.csv": "validation", "test.csv": "test"})
    assert job.table("train")["id"].tolist() == source["id"][:1000].tolist()
    assert job.table("validation")["id"].tolist() == source["id"][1000:1500].tolist()


@pytest.mark.parametrize(
    "cuts",
    [{"validation": "2013-03-01", "test": "2013-03-10"}, {"validation": 0.2, "test": 0.1}],
)
def test_time_divides_earlier_from_later(job: Job, cuts: dict[str, Any]) -> None:
    made().to_csv("table.csv", index=False)
    split = {"by": "time", "column": "day"} | cuts
    # A column to split by need not be a feature.
    assert job.run({"table.csv": None}, split=split, exclude=["day"]) == 0
    days = made().set_index("id")["day"]
    ranges = [days[job.table(name)["id"]].agg(["min", "max"]).tolist() for name in SPLITS]
    assert ranges[0][1] < ranges[1][0] <= ranges[1][1] < ranges[2][0]
    if isinstance(cuts["test"], str):
        assert [ranges[1][0], ranges[2][0]] == [cuts["validation"], cuts["test"]]
    else:
        assert len(job.table("test")) / 2000 == pytest.approx(0.1, abs=0.02)


def test_a_group_is_never_in_two_splits(job: Job) -> None:
    source = made().dropna(subset="label").assign(customer=lambda table: table["id"] // 7)
    source.loc[source["id"] > 1900, "customer"] = None
    source.to_csv("table.csv", index=False)
    split = {"by": "group", "column": "customer"}
    assert job.run({"table.csv": None}, split=split, exclude=["customer"]) == 0
    where = pd.Series(placed(job, "results")).rename("split").to_frame()
    where["customer"] = source.set_index("id")["customer"]
    assert (where.groupby("customer")["split"].nunique() == 1).all()
    assert where["split"].value_counts(normalize=True)["test"] == pytest.approx(0.15, abs=0.05)
    # Rows without a group are split individually.
    assert where[where["customer"].isna()]["split"].nunique() == 3


def test_strata_are_shared_out_alike(job: Job) -> None:
    source = made().dropna(subset="label")
    source["label"] = np.where(source["id"] % 20 == 0, "rare", "usual")
    source[:900].to_csv("a.csv", index=False)
    source[900:].to_csv("b.csv", index=False)
    split = {"by": "stratum", "validation": 0.1, "test": 0.2}
    assert job.run({"a.csv": None, "b.csv": None}, split=split) == 0
    assert job.run({"b.csv": None, "a.csv": None}, results="turned", split=split) == 0
    where = placed(job, "results")
    assert placed(job, "turned") == where
    counts = source.assign(split=source["id"].map(where)).groupby("label")["split"].value_counts()
    for label, rows in source["label"].value_counts().items():
        assert counts[label]["validation"] == pytest.approx(0.1 * rows, abs=1)
        assert counts[label]["test"] == pytest.approx(0.2 * rows, abs=1)
    # Missing values are a stratum too.
    by_city = split | {"column": "city"}
    source.loc[source["id"] % 3 == 0, "city"] = None
    source.to_csv("a.csv", index=False)
    assert job.run({"a.csv": None}, results="cities", split=by_city, exclude=["city"]) == 0
    tests = source["id"].map(placed(job, "cities")) == "test"
    shares = tests.groupby(source["city"].fillna("none")).mean()
    assert shares.to_numpy() == pytest.approx([0.2] * 5, abs=0.005)


@pytest.mark.parametrize("by", [{"by": "row"}, {"by": "stratum"}, {"by": "group", "column": "day"}])
def test_each_row_is_in_one_fold(job: Job, by: dict[str, Any]) -> None:
    source = made().dropna(subset="label")
    source.to_csv("table.csv", index=False)
    found = []
    for fold in range(3):
        split = by | {"folds": 3, "fold": fold, "test": 0.1}
        assert job.run({"table.csv": None}, results=str(fold), split=split) == 0
        found.append(placed(job, str(fold)))
    everything = pd.DataFrame(found)
    assert len(everything.columns) == len(source)
    tests = (everything == "test").sum()
    assert set(tests) == {0, 3}
    assert ((everything == "validation").sum() == (tests == 0)).all()


def test_rows_before_a_cut_are_left_out(job: Job) -> None:
    source = made().dropna(subset="label")
    source.to_csv("table.csv", index=False)
    split = {"by": "time", "column": "day", "gap": 2}
    split |= {"validation": "2013-02-10", "test": "2013-03-01"}
    assert job.run({"table.csv": None}, split=split) == 0
    where = source["id"].map(placed(job, "results"))
    gaps = ["2013-02-08", "2013-02-09", "2013-02-27", "2013-02-28"]
    assert sorted(source["day"][where.isna()].unique()) == gaps
    assert job.account()["in_gap"] == where.isna().sum()


def test_folders_named_after_keys_are_columns(job: Job) -> None:
    source = made().dropna(subset="label")
    for city, rows in source.groupby("city"):
        folder = Path("table", f"city={quote(city)}")
        folder.mkdir(parents=True)
        text = "Cities, Zürich and others" + "\n\n" + rows.drop(columns="city").to_csv(index=False)
        (folder / "part.csv").write_text(text, encoding="cp1252")
    files: dict[str, str | None] = {str(path): None for path in sorted(Path("table").glob("*/*"))}
    assert job.run(files, encoding="cp1252", skip_lines=2) == 0
    found = pd.concat([job.table(split) for split in SPLITS]).sort_values("id", ignore_index=True)
    assert found["city"].tolist() == source["city"].tolist()


def test_duplicates_are_dropped_if_that_is_asked_for(job: Job) -> None:
    source = made().dropna(subset="label")
    source.to_csv("a.csv", index=False)
    # The same rows with their columns in another order are the same rows.
    source[source.columns[::-1]][:500].to_csv("b.csv", index=False)
    files: dict[str, str | None] = {"a.csv": None, "b.csv": None}
    assert job.run(files, results="all") == 0
    assert job.account("all")["duplicates_dropped"] == 0
    assert job.run(files, results="unique", drop_duplicates=True) == 0
    assert job.account("unique")["duplicates_dropped"] == 500
    found = [number for split in SPLITS for number in job.table(split, "unique")["id"]]
    assert sorted(found) == source["id"].tolist()


def test_a_column_of_numbers_and_texts_is_text_and_that_is_said(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{n},00{n},{'none so far' if n % 9 == 0 else n},{n % 2}\n" for n in range(300))
    files = written(f"a,code,mixed,label\n{rows}")
    assert job.run(files) == 0
    (taken,) = job.account()["taken"]
    assert (taken["kind"], taken["column"]) == ("mixed", "mixed")
    assert (
        "warning: 'mixed' is text, though 266 of its 300 cells are numb" in capsys.readouterr().out
    )
    assert job.run(files, types={"mixed": "string"}) == 0
    assert job.account()["taken"] == []


def commit_schema(**changes: dict[str, Any]) -> None:
    schema = json.loads(Path("results/schema.json").read_text())
    for column in schema["columns"]:
        column.update(changes.get(column["name"], {}))
    Path("schema.json").write_text(json.dumps(schema))


def test_a_committed_schema_gives_the_same_examples(job: Job) -> None:
    made().to_csv("table.csv", index=False)
    job.run({"table.csv": None}, exclude=["id"])
    commit_schema()
    assert job.run({"table.csv": None}, results="again", exclude=["id"], schema="schema.json") == 0
    for path in [path for path in Path("results").rglob("*") if path.is_file()]:
        assert path.read_bytes() == Path("again", path.relative_to("results")).read_bytes()


def test_formats_of_the_config_are_in_the_schema_beside_a_committed_one(job: Job) -> None:
    text = "n,day,label\n" + "".join(f'"1.{i:03},5",{i % 28 + 1}/12/2020,0\n' for i in range(60))
    Path("table.csv").write_text(text)
    formats = {"n": {"kind": "float64", "decimal": ",", "thousands": "."}}
    formats["day"] = {"kind": "date", "format": "%d/%m/%Y"}
    assert job.run({"table.csv": None}, types=formats) == 0
    schema = json.loads(Path("results/schema.json").read_text())
    plain = [
        {key: x for key, x in column.items() if key not in ("decimal", "thousands", "format")}
        for column in schema["columns"]
    ]
    Path("schema.json").write_text(json.dumps(schema | {"columns": plain}))
    again = {"types": formats, "schema": "schema.json"}
    assert job.run({"table.csv": None}, results="again", **again) == 0
    assert json.loads(Path("again/schema.json").read_text()) == schema


def test_rows_that_break_a_committed_schema_are_rejected(job: Job) -> None:
    source = made().dropna(subset=["label", "size"])[:1000]
    source.to_csv("table.csv", index=False)
    job.run({"table.csv": None})
    commit_schema(
        id={"min": 0, "max": 5000},
        city={"values": sorted(source["city"].unique())},
        day={"min": "2013-01-01"},
    )
    bad = [
        ["9999", "1.5", "Aarhus", "2013-01-01", "1"],
        ["10", "", "Aarhus", "2013-01-01", "1"],
        ["10", "big", "Aarhus", "2013-01-01", "1"],
        ["10", "1.5", "Paris", "2013-01-01", "1"],
        ["10", "1.5", "Aarhus", "2012-12-31", "1"],
        ["10", "1.5", "Aarhus", "2013-01-01", ""],
    ]
    with Path("table.csv").open("a") as file:
        file.writelines(",".join(row) + "\n" for row in bad)
    options = {"schema": "schema.json", "max_rejected": 5}
    assert job.run({"table.csv": None}, results="checked", **options) == 0
    account = job.account("checked")
    assert (account["rejected"], account["unlabelled"]) == (5, 1)
    rejected = pd.read_csv("checked/rejected.csv")
    assert rejected["column"].tolist() == ["id", "size", "size", "city", "day"]
    assert rejected["reason"][0] == "expected int64 min 0 and max 5000, found '9999'"
    assert rejected["reason"][1] == "expected float64, found none"
    assert rejected["reason"][4] == "expected date min 2013-01-01, found '2012-12-31'"
    assert sum(account["written"].values()) == 1000


@pytest.mark.parametrize("parts", [[1], [1, 2]])
def test_a_key_that_comes_again_is_rejected(job: Job, parts: list[int]) -> None:
    table = made().dropna(subset=["label"])
    table[:1000].to_csv("a.csv", index=False)
    table[1000:].to_csv("b.csv", index=False)
    job.run({"a.csv": None, "b.csv": None})
    commit_schema(id={"unique": True}, city={"unique": True, "required": False})
    table["city"] = None  # missing cells have no key
    table[:1000].to_csv("a.csv", index=False)
    table.iloc[[1000, 7, 1000, *range(1001, len(table)), 1001]].to_csv("b.csv", index=False)
    options = {"schema": "schema.json", "max_rejected": 3, "parts": parts}
    assert job.run({"a.csv": None, "b.csv": None}, results="checked", **options) == 0
    assert job.account("checked")["rejected"] == 3
    rejected = pd.read_csv("checked/rejected.csv")
    assert rejected["column"].tolist() == ["id"] * 3
    again = [str(table["id"].iloc[row]) for row in (7, 1000, 1001)]
    assert rejected["reason"].tolist() == [
        f"expected a value that comes once, found {key!r} again" for key in again
    ]
    found = pd.concat([job.table(split, "checked") for split in SPLITS])
    assert sorted(found["id"]) == sorted(table["id"])


def test_a_column_has_missing_values_of_its_own(job: Job) -> None:
    rows = "".join(f"{n},-1,-1,{n % 2}\n" for n in range(200))
    files = written(f"n,a,b,label\n{rows}")
    job.run(files)
    commit_schema(a={"missing_values": ["-1"], "required": False})
    assert job.run(files, results="checked", schema="schema.json") == 0
    table = pd.concat([job.table(split, "checked") for split in SPLITS])
    assert table["a"].isna().all()
    assert (table["b"] == -1).all()


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "schema.json: expected a schema as ingest writes it"),
        ('{"columns": [{"name": "a", "type": "int64", "x": 1}]}', "found ['x']"),
        ('{"columns": [{"name": "a", "type": "int"}]}', "found 'int'"),
        ('{"columns": [{"name": "z", "type": "int64"}]}', "found 'z' too"),
        ('{"columns": [{"name": "a", "type": "int64"}]}', "found none of ['label']"),
        (
            '{"columns": [{"name": "a", "type": "int64", "min": "x"},'
            ' {"name": "label", "type": "int64"}]}',
            "column 'a': expected a domain of int64 values",
        ),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(
    job: Job, capsys: pytest.CaptureFixture[str], schema: str, message: str
) -> None:
    Path("schema.json").write_text(schema)
    assert job.run(written(f"a,label\n{ROWS}"), schema="schema.json") == 1
    assert message in capsys.readouterr().err


def test_bad_rows_are_kept_verbatim(job: Job) -> None:
    made().to_csv("table.csv", index=False)
    text = Path("table.csv").read_text()
    bad = ['7,"x,y"', '9,1.5,"a ""b""",2013-01-01,1,6', "10,big,c,2013-01-01,1"]
    Path("table.csv").write_text(text + "\n".join(bad) + "\n")
    assert job.run({"table.csv": None}, max_rejected=3) == 0
    account = job.account()
    assert (account["rows_read"], account["rejected"]) == (2003, 3)
    assert account["reasons"] == {"expected 5 cells": 2, "size: expected float64": 1}
    rejected = pd.read_csv("results/rejected.csv")
    assert rejected["raw"].tolist() == bad
    assert rejected["row"].tolist() == [2001, 2002, 2003]
    assert rejected["file"].tolist() == ["table.csv"] * 3
    data = Path("table.csv").read_bytes()
    for offset, raw in zip(rejected["byte_offset"], bad, strict=True):
        assert data[offset:].startswith(raw.encode())


def test_a_row_without_its_time_is_rejected(job: Job) -> None:
    source = made()
    source.loc[7, "day"] = None
    source.loc[7, "label"] = 1
    source.to_csv("table.csv", index=False)
    split = {"by": "time", "column": "day", "validation": 0.2, "test": 0.1}
    assert job.run({"table.csv": None}, split=split) == 0
    assert job.account()["reasons"] == {"day: expected date": 1}


def test_a_row_whose_weight_means_nothing_is_rejected(job: Job) -> None:
    source = made()
    source["label"] = source["label"].fillna(1)
    source["times"] = 2.5
    source.loc[[3, 5, 9], "times"] = [np.nan, -1.0, 0.0]
    source.to_csv("table.csv", index=False)
    assert job.run({"table.csv": None}, weight="times", max_rejected=2) == 0
    assert job.account()["reasons"] == {"times: expected float64 min 0.0": 2}
    schema = json.loads(Path("results/schema.json").read_text())
    assert schema["weight"] == "times"
    assert [c["required"] for c in schema["columns"] if c["name"] == "times"] == [True]


def written(text: str, name: str = "table.csv") -> dict[str, str | None]:
    Path(name).write_bytes(text.encode("latin-1"))
    return {name: None}


ROWS = "".join(f"{n},{n % 2}\n" for n in range(300))
MISTAKES: list[tuple[str | None, dict[str, Any], str]] = [
    (None, {}, "none.csv: expected a file, found none"),
    ("", {}, "table.csv: expected a table, found an empty file"),
    ("a,label\n", {}, "table.csv: expected rows, found a header only"),
    ("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", {}, "table.csv: expected text, found binary data"),
    ("a,a,label\n1,2,3\n", {}, "found ['a'] more than once"),
    (f"a,labels\n{ROWS}", {}, "found 'label'.\nNote: the table has 'labels'"),
    (f"a,label\n{ROWS}", {"types": {"x": "string"}}, "data.types: expected a column of the table"),
    (f"a,label\n{ROWS}", {"exclude": ["x"]}, "data.exclude: expected a column of the table"),
    (f"a,label\n{ROWS}", {"exclude": ["label"]}, "data.exclude: expected no label, found 'label'"),
    (f"a,label\n{ROWS}", {"exclude": ["a"], "weight": "a"}, "expected no weight, found 'a'"),
    (f"a,label\n{ROWS}", {"weight": "label"}, "data.weight: expected another column than the"),
    (f"a,label\n{ROWS}", {"weight": "b"}, "data.weight: expected a column of the table, found"),
    (
        f"a,label\n{ROWS}",
        {"weight": "a", "types": {"a": "string"}},
        "data.weight: expected a column of numbers, found 'a' of type string",
    ),
    (f"a,label\n{ROWS}", {"types": {"a": "date"}}, "expected at most 0 bad rows out of 300"),
    (f"a,label\n{ROWS}x\n", {}, "table.csv, row 301: expected 2 cells, found 1\n    'x'"),
    ("a,label\n1,2\n", {}, "expected rows in every split, found none for"),
    (f"a,label\n{ROWS}", {"split": {"by": "time"}}, "expected the key 'column' with `by: time`"),
    (
        f"a,label\n{ROWS}",
        {"split": {"by": "time", "column": "b"}},
        "data.split.column: expected a column of the table, found 'b'",
    ),
    (
        f"a,label\n{ROWS}",
        {"split": {"by": "time", "column": "a", "validation": 100, "test": 999}},
        "expected rows in every split, found none for test",
    ),
    (f"a,label\n{ROWS}", {"split": {"validation": "x"}}, "expected a share between 0 and 1"),
    (f"a,label\n{ROWS}", {"split": {"gap": 1}}, "data.split.gap: expected none with `by: row`"),
    (
        f"a,label\n{ROWS}",
        {"split": {"by": "time", "column": "a", "folds": 2}},
        "data.split.folds: expected none with `by: time`",
    ),
]


@pytest.mark.parametrize(("text", "data", "message"), MISTAKES)
def test_mistakes_give_one_error_and_leave_nothing(
    job: Job,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    data: dict[str, Any],
    message: str,
) -> None:
    files = {"none.csv": None} if text is None else written(text)
    assert job.run(files, **data) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not Path("results").exists() or not any(Path("results").iterdir())


def test_a_directory_is_no_table(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    assert job.run({"folder": None}) == 1
    assert "folder: expected a file, found a directory" in capsys.readouterr().err


def test_five_bad_rows_are_shown(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.run(written(f"a,label\n{ROWS}" + "x\n" * 9), max_rejected=8) == 1
    error = capsys.readouterr().err
    assert "expected at most 8 bad rows out of 309, found 9. The first:" in error
    assert error.count("expected 2 cells, found 1") == 5


def test_a_failed_run_leaves_the_last_one_as_it_was(job: Job) -> None:
    job.run(written(f"a,label\n{ROWS}"))
    before = {path: path.read_bytes() for path in Path("results").rglob("*.*")}
    assert job.run(written("a,label\n1,2\n")) == 1
    assert {path: path.read_bytes() for path in Path("results").rglob("*.*")} == before


def test_a_damaged_file_is_read_to_its_damage_once(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made(20_000).to_csv("table.csv.gz", index=False)
    whole = Path("table.csv.gz").read_bytes()
    Path("table.csv.gz").write_bytes(whole[: len(whole) // 2])
    begun = []
    blocks_of = DelimitedTable.blocks

    def counted(self: DelimitedTable, *arguments: Any) -> Any:
        for block in blocks_of(self, *arguments):
            begun.append(block.first_row)
            yield block

    monkeypatch.setattr(DelimitedTable, "blocks", counted)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1 << 16)
    assert job.run({"table.csv.gz": None}) == 1
    assert "table.csv.gz: expected gzip data, found a damaged file" in capsys.readouterr().err
    assert len(begun) > 3
    # For the types suggested by the first rows, for the header, and for all rows.
    assert begun[:3] == [1, 1, 1]
    assert begun[2:] == sorted(set(begun))


def test_a_gap_needs_the_type_of_the_whole_column(job: Job) -> None:
    files = written("n,label\nnone,1\n", "a.csv")
    files |= written("n,label\n" + "".join(f"{n},{n % 2}\n" for n in range(400)), "b.csv")
    split = {"by": "time", "column": "n", "validation": "200", "test": "300", "gap": 5}
    assert job.run(files, split=split, max_rejected=1) == 0
    account = job.account()
    assert account["written"] == {"train": 195, "validation": 95, "test": 100}
    assert (account["in_gap"], account["rejected"]) == (10, 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight": "n"},
        {"split": {"by": "stratum"}},
        {"split": {"by": "time", "column": "n"}},
        {"split": {"by": "time", "column": "n", "validation": 200.5, "test": "300.5"}},
    ],
    ids=["row", "weight", "stratum", "time shares", "time cuts"],
)
def test_types_are_those_of_the_whole_table_whatever_its_beginning_looks_like(
    job: Job, options: dict[str, Any]
) -> None:
    """Several parts read all files before writing; one part assumes types and checks."""
    first = "".join(f"{n},,{n},a{n % 3},{n % 2}\n" for n in range(400))
    later = "".join(f"{n}.5,{n},2013-01-{n % 9 + 1:02},,{n % 2}\n" for n in range(400))
    files = written(f"n,late,mixed,word,label\n{first}", "a.csv")
    files |= written(f"n,late,mixed,word,label\n{later}", "b.csv")
    assert job.run(files, results="one", **options) == 0
    assert job.run(files, results="two", parts=[1, 2], **options) == 0
    assert contents("one") == contents("two")
    schema = json.loads(Path("one/schema.json").read_text())
    found = {column["name"]: (column["type"], column["required"]) for column in schema["columns"]}
    assert found == {
        "n": ("float64", True),
        "late": ("int64", False),
        "mixed": ("string", True),
        "word": ("string", False),
        "label": ("int64", True),
    }
    source = pd.concat([pd.read_csv("a.csv"), pd.read_csv("b.csv")])
    table = pd.concat([job.table(split, "one") for split in SPLITS])
    assert sorted(table["n"]) == sorted(source["n"])
    assert table["late"].isna().sum() == source["late"].isna().sum()


def test_a_person_is_told_that_quotes_were_taken_for_text(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ['1,"a,0', "2,b,1", '3,"c" d,0', '4,e",1', "5,f,0"] * 40
    assert job.run(written("\n".join(["n,s,label", *rows, ""]))) == 0
    assert job.account()["rows_read"] == 200
    (taken,) = [taken for taken in job.account()["taken"] if taken["kind"] == "quotes"]
    assert taken["severity"] == "warning"
    assert "quotes are taken for text" in capsys.readouterr().out


def test_numbers_that_lose_digits_are_warned_of(job: Job) -> None:
    """Compares with Python's integers and decimals."""
    source = made(200)
    source["mixed"] = ["1.5", *(str(2**53 + 1 + 2 * row) for row in range(199))]
    source["exact"] = [f"{row}.25" for row in range(200)]
    source["fine"] = ["0.12345678901234567891", "1234567890123456.789", *source["exact"][2:]]
    source.to_csv("table.csv", index=False)
    assert job.run({"table.csv": None}) == 0
    found = [note for note in job.account()["taken"] if note["kind"] == "rounded"]
    told = {note["column"]: note["message"] for note in found}
    assert {note["severity"] for note in found} == {"warning"}
    assert told.keys() == {"mixed", "fine"}
    rounded = sum(int(np.float32(int(text))) != int(text) for text in source["mixed"][1:])
    assert f"{rounded} whole numbers" in told["mixed"]
    assert "2 numbers of more than 17 digits" in told["fine"]


def test_a_column_of_numbers_written_in_two_ways_is_a_warning(job: Job) -> None:
    """Python counts the cells of the two files."""
    cells = [f"{row}.5" for row in range(100)]
    files = {"a.csv": ",".join, "b.csv": ";".join}
    for name, join in files.items():
        written = [cell.replace(".", ",") if name == "b.csv" else cell for cell in cells]
        lines = ["n", "label"], *([cell, str(row % 2)] for row, cell in enumerate(written))
        Path(name).write_text("\n".join(map(join, lines)))
    assert job.run(dict.fromkeys(files)) == 0
    [note] = [taken for taken in job.account()["taken"] if taken["column"] == "n"]
    assert (note["severity"], note["kind"]) == ("warning", "mixed")
    assert "100 of its numbers have a decimal point and 100 a decimal comma" in note["message"]


@pytest.mark.parametrize(
    ("day", "odd"), [("2021-05-{:02}", "2021-02-30"), ("{:02}.05.2021", "soon")]
)
def test_a_column_of_dates_that_is_text_is_a_warning(job: Job, day: str, odd: str) -> None:
    days = [day.format(row % 31 + 1) for row in range(99)]
    lines = ["day,label", *(f"{day},{row % 2}" for row, day in enumerate([odd, *days]))]
    Path("a.csv").write_text("\n".join(lines))
    assert job.run({"a.csv": None}) == 0
    [note] = [taken for taken in job.account()["taken"] if taken["column"] == "day"]
    assert (note["severity"], note["kind"], note["cells"]) == ("warning", "mixed", [repr(odd)])
    assert "is text, though 99 of its 100 cells are dates or times" in note["message"]


@pytest.mark.parametrize("text", ["# made by hand\na,b,label\n1,2,0\n", "a b label\n1 2 0\n"])
def test_a_file_that_is_cut_in_a_wrong_way_says_so(
    job: Job, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.csv").write_text(text)
    assert job.run({"a.csv": None}) == 1
    assert "check data.skip_lines and data.delimiter" in capsys.readouterr().err
