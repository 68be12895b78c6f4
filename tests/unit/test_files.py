import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.files import lines, read_json, replacing, sha256, write_json


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_whole_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == {"a.txt"}


def test_a_directory_replaces_another_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "shards"
    for name in ("old", "new"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert names(path) == {"new", ".millrace"}
    assert names(tmp_path) == {"shards"}


def test_a_directory_that_millrace_did_not_make_stays(tmp_path: Path) -> None:
    path = tmp_path / "shards"
    path.mkdir()
    (path / "theirs").write_text("kept")
    with (
        pytest.raises(MillraceError, match="expected a directory that Millrace made, found theirs"),
        replacing(path),
    ):
        pass
    assert names(tmp_path) == {"shards"}
    # Snakemake also creates directories, with a timestamp file.
    (path / ".snakemake_timestamp").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
    assert names(path) == {".millrace"}


def test_what_a_link_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / ".millrace").touch()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with replacing(tmp_path / "link") as temporary:
        temporary.mkdir()
    assert names(tmp_path / "theirs") == {".millrace"}
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_an_error_leaves_what_stood_there_before(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "artifact"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        if kind == "file":
            temporary.write_text("half")
        else:
            temporary.mkdir()
            (temporary / "half").write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert names(tmp_path) == {"artifact"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".a.{ended.pid}.partial"
    left.mkdir()
    (left / "half").write_text("half")
    (tmp_path / f".b.{ended.pid}.partial").write_text("half of another artifact")
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == {"a", f".b.{ended.pid}.partial"}


def test_what_a_living_process_writes_is_left_to_it(tmp_path: Path) -> None:
    theirs = tmp_path / f".a.{os.getppid()}.partial"
    theirs.write_text("half")
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == {"a", theirs.name}


def test_a_full_disk_names_the_artifact_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No space left on device") as raised,
        replacing(tmp_path / "a") as temporary,
        Path("/dev/full").open("w") as file,
    ):
        temporary.write_text("half")
        file.write("x" * 100_000)
    assert raised.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == set()


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ü": "–"}, "tiny": 5e-324, "sum": 0.1 + 0.2}
    path = tmp_path / "a.json"
    write_json(path, value)
    assert read_json(path) == value == json.loads(path.read_text("utf-8"))
    assert list(read_json(path)) == list(value)
    assert "ü" in path.read_text("utf-8")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_refused_and_nothing_is_written(
    tmp_path: Path, number: float
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": number})
    assert names(tmp_path) == set()


def test_reading_says_what_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"a\.json: expected an artifact"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"half": ')
    with pytest.raises(MillraceError, match=r"b\.json: expected JSON"):
        read_json(tmp_path / "b.json")
    with pytest.raises(MillraceError, match="expected JSON"):
        read_json(tmp_path)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_lines_are_cut_at_newlines_alone() -> None:
    text = "a\x0bb\r\nc\u2028d\n\ne\n"
    assert lines(text) == ["a\x0bb", "c\u2028d", "", "e"]
    assert lines("") == []
