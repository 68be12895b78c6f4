"""analyze as users run it: on example files, in its own process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from millrace.artifacts.account import Account
from millrace.tfrecord import examples

REPOSITORY = Path(__file__).parents[3]
SCHEMA = {
    "columns": [{"name": "carrier", "type": "string"}, {"name": "late", "type": "string"}],
    "label": "late",
}


def analyze(folder: Path, data: dict | None = None) -> subprocess.CompletedProcess[str]:
    config = {"name": "made", "data": {"files": "x.csv", "label": "late", **(data or {})}}
    (folder / "config.yaml").write_text(json.dumps(config))
    arguments = [sys.executable, str(REPOSITORY / "scripts" / "analyze.py")]
    for option, path in {
        "config": "config.yaml",
        "examples": "examples",
        "schema": "schema.json",
        "account": "ingest.json",
        "statistics": "out/statistics.json",
        "anomalies": "out/anomalies.json",
        "suggestion": "out/suggested_schema.json",
    }.items():
        arguments += [f"--{option}", str(folder / path)]
    return subprocess.run(arguments, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    Account(0, {}, 0, 0, 0, 0, [], {}, {}, []).save(tmp_path / "ingest.json")
    for split, carriers in {"train": "abcb", "validation": "abab", "test": "abdd"}.items():
        write(tmp_path, split, list(carriers), ["No", "Yes", "No", "Yes"])
    return tmp_path


def write(folder: Path, split: str, carriers: list[str], labels: list[str]) -> None:
    batch = pa.RecordBatch.from_pydict({"carrier": carriers, "late": labels})
    path = folder / "examples" / examples.shard_name(split, 0, 1)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(examples.serialize(batch).tobytes())
    account = json.loads((folder / "ingest.json").read_text())
    account["shards"][split] = [{"file": path.name, "rows": len(labels)}]
    (folder / "ingest.json").write_text(json.dumps(account))


def test_writes_statistics_and_anomalies(folder: Path) -> None:
    result = analyze(folder, {"positive": False})
    assert (result.returncode, result.stderr) == (0, "")
    statistics = json.loads((folder / "out/statistics.json").read_text())
    assert statistics["label"]["classes"] == ["Yes", "No"]
    train = statistics["splits"]["train"]["columns"]["carrier"]
    assert train["values"] == [["b", 2], ["a", 1], ["c", 1]]
    anomalies = json.loads((folder / "out/anomalies.json").read_text())["anomalies"]
    assert [(a["kind"], a["split"], a["value"]) for a in anomalies] == [
        ("repeated_rows", "validation", 1.0),
        ("repeated_rows", "test", 0.5),
        ("label_leak", "validation", 1.0),
        ("new_categories", "test", 0.5),
    ]
    assert "2 of the 4 rows of test have a value of 'carrier' that is not in train" in result.stdout


def test_what_ingest_noted_is_an_anomaly_that_can_be_an_error(folder: Path) -> None:
    account = json.loads((folder / "ingest.json").read_text())
    note = {"severity": "warning", "kind": "mixed", "column": "carrier", "message": "is text"}
    (folder / "ingest.json").write_text(json.dumps(account | {"taken": [note]}))
    assert "warning: is text" in analyze(folder).stdout
    first = json.loads((folder / "out/anomalies.json").read_text())["anomalies"][0]
    assert first == note | {"split": "", "value": None}
    failed = analyze(folder, {"anomalies": {"mixed": "error"}})
    assert failed.returncode == 1 and "is text" in failed.stderr


def test_a_second_run_writes_the_same_bytes(folder: Path) -> None:
    paths = [folder / "out" / name for name in ("statistics.json", "anomalies.json")]
    analyze(folder)
    before = [path.read_bytes() for path in paths]
    analyze(folder)
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"positive": "Maybe"}, "data.positive: expected a class of label 'late'"),
        ({"task": "regression"}, "expected numbers for a regression, found type string"),
    ],
)
def test_a_task_that_does_not_fit_is_one_clear_error(
    folder: Path, data: dict, message: str
) -> None:
    assert_refused(folder, data, message)


def test_an_anomaly_that_is_an_error_fails_the_job(folder: Path) -> None:
    message = "2 of the 4 rows of test have a value of 'carrier' that is not in train"
    assert_refused(folder, {"anomalies": {"new_categories": "error"}}, message)


def test_a_label_with_one_class_is_one_clear_error(folder: Path) -> None:
    write(folder, "train", ["a", "b"], ["No", "No"])
    assert_refused(folder, {}, "at least two different values in train, found ['No']")


def test_damaged_examples_are_one_clear_error(folder: Path) -> None:
    (folder / "examples" / examples.shard_name("test", 0, 1)).write_bytes(b"no records")
    assert_refused(folder, {}, "test-00000-of-00001.tfrecord")


def test_a_shard_that_is_cut_behind_a_record_is_named(folder: Path) -> None:
    path = folder / "examples" / examples.shard_name("test", 0, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # the rows alternate between two sizes
    assert_refused(folder, {}, f"{path}: record 2: expected 4 records, found 2.")
    path.write_bytes(whole * 2)
    assert_refused(folder, {}, f"{path}: record 4: expected 4 records, found 8.")


def assert_refused(folder: Path, data: dict, message: str) -> None:
    result = analyze(folder, data)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "out").exists()


@pytest.mark.slow
def test_drift_since_an_earlier_run_is_found_and_graded(folder: Path) -> None:
    for split in ("train", "validation", "test"):
        write(folder, split, ["a", "b"] * 200, ["No", "Yes"] * 200)
    assert analyze(folder).returncode == 0
    kept = folder / "kept.json"
    kept.write_bytes((folder / "out/statistics.json").read_bytes())
    assert "previous run" not in analyze(folder, {"previous": str(kept)}).stdout
    write(folder, "train", ["a", "b", "b", "b"] * 100, ["No", "Yes"] * 200)
    message = "warning: the distribution of 'carrier' differs from the previous run: L-infinity"
    for _ in range(2):  # the file that it is compared with is unchanged
        assert f"{message} distance 0.250" in analyze(folder, {"previous": str(kept)}).stdout
    data = {"previous": str(kept), "anomalies": {"previous_drift": "error"}}
    assert "the distribution of 'carrier' differs" in analyze(folder, data).stderr
    shutil.rmtree(folder / "out")
    kept.write_text("[]")
    assert_refused(folder, {"previous": str(kept)}, "expected statistics as this stage writes them")
