"""Progress messages."""

import pytest

from millrace import progress
from millrace.progress import Progress


class Clock:
    """A clock that the test advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_a_log_gets_lines_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    with Progress(3000, "rows", "ingest") as bar:
        for _ in range(30):
            clock.now += 1
            bar.update(100)
    assert capsys.readouterr().err.splitlines() == [
        "ingest: 3,000 rows …",
        "ingest: 1,000 rows of 3,000 (33 %), 20 s left, 10.0 s, 100 rows/s",
        "ingest: 2,000 rows of 3,000 (67 %), 10 s left, 20.0 s, 100 rows/s",
        "ingest: 3,000 rows, 30.0 s, 100 rows/s",
        "ingest: 3,000 rows, 30.0 s, 100 rows/s",
    ]


def test_work_of_unknown_length_has_no_remaining_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    with Progress(None, "rows", "read") as bar:
        clock.now += 20
        bar.update(5)
    first, second, last = capsys.readouterr().err.splitlines()
    assert first == "read: …"
    assert second == last == "read: 5 rows, 20.0 s, 0 rows/s"


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(10, "rows", "ingest") as bar:
        bar.update(10)
    assert "ingest: 100%|" in capsys.readouterr().err


def test_work_that_ends_at_once_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(0, "rows", "ingest"):
        pass
    assert "ingest: 0 rows" in capsys.readouterr().err


def test_a_line_and_a_bar_say_how_it_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    with Progress(20, "rows", "train") as bar:
        clock.now += 10
        bar.update(10, "loss 0.5, auc 0.75")
        clock.now += 10
        bar.update(10, "loss 0.25")
    assert [line.partition("rows/s")[2] for line in capsys.readouterr().err.splitlines()] == [
        "",
        ", loss 0.5, auc 0.75",
        ", loss 0.25",
        ", loss 0.25",
    ]
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(10, "rows", "train") as bar:
        bar.update(10, "loss 0.5")
    assert "loss 0.5" in capsys.readouterr().err
