"""JSON artifacts: a round trip keeps the bytes, and invalid files give one clear error."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.artifacts.account import Account
from millrace.artifacts.anomalies import Anomalies
from millrace.artifacts.champion import Champion
from millrace.artifacts.conversion import Conversion
from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.metrics import Metrics
from millrace.artifacts.parity import Parity
from millrace.artifacts.records import Artifact
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import NumberStatistics, Statistics, TextStatistics
from millrace.artifacts.training import Training
from millrace.errors import MillraceError
from millrace.results import ConvertedFolder, Results, TrainingFolder


def written(results: Results) -> dict[Path, type[Artifact]]:
    """The artifacts that the fixture writes, and their classes."""
    run = results.run("dnn")
    return {
        results.schema: Schema,
        results.account: Account,
        results.statistics: Statistics,
        results.anomalies: Anomalies,
        results.champion: Champion,
        results.signature: Signature,
        results.parity: Parity,
        ConvertedFolder(results.tflite).description: Conversion,
        ConvertedFolder(results.tfjs).description: Conversion,
        ConvertedFolder(results.onnx).description: Conversion,
        run.metrics: Metrics,
        run.diagnostics: Diagnostics,
        TrainingFolder(run.training).description: Training,
    }


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_is_read_is_written_again_byte_for_byte(
    make_results: Callable[[str], Results], tmp_path: Path, task: str
) -> None:
    again = tmp_path / "again.json"
    for path, artifact in written(make_results(task)).items():
        artifact.load(path).save(again)
        assert again.read_bytes() == path.read_bytes(), path


def test_a_cut_file_is_one_error_with_the_next_step(
    make_results: Callable[[str], Results],
) -> None:
    for path, artifact in written(make_results("binary")).items():
        content = path.read_bytes()
        for end in (0, 1, len(content) // 2, len(content) - 2):
            path.write_bytes(content[:end])
            with pytest.raises(MillraceError) as error:
                artifact.load(path)
            assert str(error.value).startswith(f"{path}: expected JSON, found something else (")
            assert "Note: the file was cut off" in str(error.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda x: x.pop("label"), "expected the key label, found none"),
        (lambda x: x.update(colour=1), "unknown key colour"),
        (lambda x: x["splits"]["test"].pop("rows"), "expected the key splits.test.rows, found"),
        (
            lambda x: x["splits"]["train"].update(rows="700"),
            "splits.train.rows: expected valid integer, found '700'",
        ),
        (
            lambda x: x["splits"]["train"]["columns"]["age"]["histogram"].pop("edges"),
            "expected the key splits.train.columns.age.histogram.edges, found none",
        ),
        (lambda x: x.update(splits=[]), "splits: expected"),
    ],
    ids=["missing", "unknown", "missing below", "type", "in a union", "list for object"],
)
def test_wrong_content_is_named_with_its_key(
    make_results: Callable[[str], Results], edit: Callable[[dict], object], message: str
) -> None:
    path = make_results("binary").statistics
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MillraceError) as error:
        Statistics.load(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "run the stage that makes it" in str(error.value)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"'])
def test_json_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "champion.json"
    path.write_text(content)
    with pytest.raises(MillraceError, match=r"champion\.json: expected .*found"):
        Champion.load(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="expected an artifact of an earlier stage, found no"):
        Champion.load(tmp_path / "champion.json")
    with pytest.raises(MillraceError, match="expected a file, found a directory"):
        Champion.load(tmp_path)


def test_values_keep_their_types(make_results: Callable[[str], Results], tmp_path: Path) -> None:
    """1, 1.0, true and "1" are distinct values of a column."""
    path = make_results("binary").statistics
    content = json.loads(path.read_text(encoding="utf-8"))
    column = content["splits"]["train"]["columns"]["late"]
    column["values"] = [[1, 4], [1.0, 3], [True, 2]]
    path.write_text(json.dumps(content), encoding="utf-8")
    train = Statistics.load(path).train.columns
    assert [type(value) for value, _ in train["late"].values] == [int, float, bool]
    assert isinstance(train["late"], NumberStatistics)
    assert isinstance(train["carrier"], TextStatistics)
