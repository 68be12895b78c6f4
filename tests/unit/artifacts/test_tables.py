"""CSV artifacts: read like the csv module does; a damaged file gives one clear error."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.artifacts.leaderboard import Leaderboard
from millrace.artifacts.rejected import Rejected
from millrace.artifacts.training import History
from millrace.errors import MillraceError
from millrace.results import Results, TrainingFolder


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_is_read_is_written_again_byte_for_byte(
    make_results: Callable[[str], Results], tmp_path: Path, task: str
) -> None:
    results, again = make_results(task), tmp_path / "again.csv"
    history = TrainingFolder(results.run("dnn").training).history
    for path, table in ((results.leaderboard, Leaderboard), (history, History)):
        table.load(path).save(again)
        assert again.read_bytes() == path.read_bytes()


def test_the_leaderboard_has_a_column_for_the_value_and_each_end(
    make_results: Callable[[str], Results],
) -> None:
    with make_results("binary").leaderboard.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert [first["rank"], first["model"], second["model"]] == ["1", "dnn", "linear"]
    assert [first[name] for name in ("auc", "auc_low", "auc_high")] == ["0.71", "0.69", "0.73"]


def test_a_metric_that_is_not_defined_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.csv"
    path.write_text(
        "rank,model,kind,auc,auc_low,auc_high,ranked_by,ranked_on,ranking,ranking_low,"
        "ranking_high,behind,behind_low,behind_high,over,runs,parameters,bytes,epochs\n"
        "1,a,dnn,,,,auc,validation,0.75,,,,,,rows,1,10,40,2\n"
    )
    board = Leaderboard.load(path)
    assert board.entries[0].metrics == {"auc": None}
    board.save(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns epoch; found none named epoch"),
        ("epoch,loss\n0,.5\n", "found none named val_loss"),
        ("epoch,loss,val_loss\n0,.5\n", "row 1: expected 3 cells, found 2"),
        ("epoch,loss,val_loss\n0,.5,.6\n1,.4,x\n", "column 'val_loss': expected a number, found"),
    ],
    ids=["empty", "column", "cut row", "no number"],
)
def test_a_damaged_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(MillraceError) as error:
        History.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(b"epoch,loss\xff")
    with pytest.raises(MillraceError, match="expected a CSV file, found another"):
        History.load(path)


def test_rejected_rows_are_read_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    rows = [["a.csv", "7", "120", "x", "expected a number, found 'b'", '"b",\n1'], ["a", *"12345"]]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["file", "row", "byte_offset", "column", "reason", "raw"], *rows])
    (first,) = Rejected.load(path, most=1)
    assert [first.file, first.row, first.raw] == ["a.csv", "7", '"b",\n1']
    assert len(Rejected.load(path, most=5)) == 2
