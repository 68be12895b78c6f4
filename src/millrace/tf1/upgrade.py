"""Upgrades a copy of TensorFlow 1 code with `tf_upgrade_v2`, and lists the manual changes."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.tools.compatibility.ast_edits import ASTCodeUpgrader
from tensorflow.tools.compatibility.tf_upgrade_v2 import TFAPIChangeSpec

from millrace.errors import MillraceError
from millrace.files import replacing
from millrace.report import inline_html
from millrace.tf1 import old_calls
from millrace.tf1.old_calls import OldCall

REPORT = "UPGRADE.html"

# The log format of tf_upgrade_v2: line, column, level, and text.
_LOGGED = re.compile(r"(?P<line>\d+):\d+: (?P<level>INFO|WARNING|ERROR): (?P<text>.*)", re.DOTALL)


@dataclass(frozen=True, order=True)
class Change:
    """A change or warning of `tf_upgrade_v2`."""

    path: str
    line: int
    level: str
    text: str


@dataclass(frozen=True)
class Upgrade:
    """The result of upgrading a tree.

    Attributes:
        files: the number of Python files.
        changes: the changes and warnings of tf_upgrade_v2.
        old_calls: the calls that have to be changed by hand.
        unread: files that could not be read, with the reason.
    """

    files: int
    changes: list[Change]
    old_calls: list[OldCall]
    unread: dict[str, str]


def upgrade(source: Path, target: Path) -> Upgrade:
    """Copies a tree, runs `tf_upgrade_v2` over the copy, and writes UPGRADE.html into it.

    Raises MillraceError when there is nothing to upgrade, or the target exists.
    """
    _check(source, target)
    with replacing(target) as copy:
        # Links are not followed: they may point to anything outside the tree.
        ignored = shutil.ignore_patterns(".git", "__pycache__")
        shutil.copytree(source, copy, symlinks=True, ignore=ignored)
        result = _upgrade_files(copy)
        (copy / REPORT).write_text(report(result), encoding="utf-8")
    return result


def _check(source: Path, target: Path) -> None:
    if not source.is_dir() or not any(source.rglob("*.py")):
        raise MillraceError(
            f"{source}: expected a folder with Python files, found none.",
            note="give the folder of the code as SRC: `make upgrade SRC=old/ DST=new/`.",
        )
    inside = target.resolve().is_relative_to(source.resolve())
    if inside or source.resolve().is_relative_to(target.resolve()):
        raise MillraceError(
            f"{target}: expected a folder apart from {source}, found one inside the other.",
            note="the old code stays as it is; name a new folder.",
        )
    if target.exists():
        raise MillraceError(
            f"{target}: expected a new folder, found one that exists.",
            note="remove it, or name another.",
        )


def _upgrade_files(root: Path) -> Upgrade:
    upgrader = ASTCodeUpgrader(TFAPIChangeSpec())
    result = Upgrade(0, [], [], {})
    paths = sorted(path for path in root.rglob("*.py") if path.is_file() or path.is_symlink())
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            result.unread[name] = "a link; upgrade the file that it points to"
            continue
        try:
            text = path.read_text(encoding="utf-8")
            # It also prints its log.
            with contextlib.redirect_stdout(io.StringIO()):
                _, new, logs, errors = upgrader.update_string_pasta(text, name)
            result.old_calls.extend(old_calls.find(name, new or text))
        except SyntaxError as error:
            line = f"line {error.lineno}: {error.msg}"
            result.unread[name] = f"{line}; if this is Python 2, run 2to3 over it first"
            continue
        except UnicodeDecodeError:
            result.unread[name] = "not UTF-8"
            continue
        if new and new != text:
            path.write_text(new, encoding="utf-8")
        result.changes.extend(_changes(name, [*logs, *errors]))
    return Upgrade(len(paths), result.changes, sorted(result.old_calls), result.unread)


def _changes(path: str, logs: list[str]) -> list[Change]:
    matches = [_LOGGED.search(log) for log in logs]
    found = {
        Change(path, int(m["line"]), m["level"], " ".join(m["text"].split())) for m in matches if m
    }
    # Deduplicated: a warning is both logged and returned as an error.
    return sorted(found)


def report(result: Upgrade) -> str:
    """Returns the report as HTML: the calls left by file and line, and the changes."""
    warnings = [c for c in result.changes if c.level != "INFO" or "manual check" in c.text]
    return inline_html.render(
        "upgrade",
        libraries=[],
        scripts=[],
        result=result,
        raises=old_calls.RAISES,
        raising=sum(call.effect == old_calls.RAISES for call in result.old_calls),
        warnings=_grouped(warnings),
        edits=_grouped(sorted({*result.changes} - {*warnings})),
        tensorflow=tf.__version__,
        keras=keras.__version__,
    )


def _grouped(changes: list[Change]) -> dict[str, list[str]]:
    """Returns the `path:line` of each change, by its text."""
    places = defaultdict(list)
    for change in changes:
        places[change.text].append(f"{change.path}:{change.line}")
    return dict(sorted(places.items()))
