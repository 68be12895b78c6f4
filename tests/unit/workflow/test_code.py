"""The files that are the code of a stage."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.models import KINDS
from millrace.workflow import code

ROOT = Path(__file__).parents[3]
# Together they import every room.
SCRIPTS = ("ingest", "train", "verify", "report")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Creates a package of the same name, in which a test may write modules."""
    folder = tmp_path / "src" / "millrace"
    (folder / "room").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (folder / "__init__.py").touch()
    (folder / "room" / "__init__.py").touch()
    monkeypatch.setattr(code, "PACKAGE", folder)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    monkeypatch.chdir(tmp_path)
    clear()
    yield folder
    clear()


def clear() -> None:
    code._modules.cache_clear()
    code._path.cache_clear()


def names(package: Path, script: str) -> set[str]:
    path = package.parents[1] / "scripts" / "stage.py"
    path.write_text(script)
    return {line.split()[0] for line in code.Code().of(path)} - {"scripts/stage.py", "millrace"}


@pytest.mark.parametrize(
    "script",
    [
        "import millrace.room.inner",
        "from millrace.room import inner",
        "from millrace.room.inner import value",
        "def late():\n    from millrace.room import inner",
        "KINDS = {'a': 'millrace.room.inner'}",
        "KINDS = {'a': 'millrace.room.inner:value'}",
        "if 1:\n  import os\nelse:\n  import millrace.room.inner as other",
    ],
)
def test_every_way_to_import_a_module_counts(package: Path, script: str) -> None:
    (package / "room" / "inner.py").write_text("value = 1")
    assert names(package, script) == {"millrace.room", "millrace.room.inner"}


def test_imports_are_followed_also_relative_ones_and_cycles(package: Path) -> None:
    (package / "room" / "a.py").write_text("from . import b\nfrom .. import other")
    (package / "room" / "b.py").write_text("import millrace.room.a")
    (package / "other.py").write_text("x = 1")
    (package / "unused.py").write_text("x = 1")
    expected = {"millrace.room", "millrace.room.a", "millrace.room.b", "millrace.other"}
    assert names(package, "from millrace.room import a") == expected


def test_what_is_run_by_its_path_and_imported_has_one_name(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "READ", {"millrace.room": ["src/millrace/room/runner.py"]})
    (package / "room" / "runner.py").write_text("import millrace.other")
    (package / "other.py").touch()
    both = {"millrace.room", "millrace.other"}
    runner = "src/millrace/room/runner.py"
    assert names(package, "import millrace.room") == {*both, runner}
    assert names(package, "import millrace.room.runner") == {*both, "millrace.room.runner"}


def test_what_only_a_type_checker_imports_does_not_count(package: Path) -> None:
    (package / "room" / "inner.py").touch()
    script = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import millrace.room.inner"
    assert names(package, script) == set()


PLAIN = """
def area(width, height):
    if width < 0:
        raise ValueError("negative")
    return width * height
"""


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ('"""Now documented."""\n' + PLAIN, False),
        (PLAIN.replace("    if", "    # a comment\n    if"), False),
        (PLAIN.replace("width, height", "\n    width,\n    height,\n"), False),
        (PLAIN.replace("    if", '    """The area."""\n    if'), False),
        (PLAIN.replace('"negative"', "'negative'"), False),
        (PLAIN.replace("negative", "below zero"), True),
        (PLAIN.replace("< 0", "<= 0"), True),
        (PLAIN.replace("width *", "height *"), True),
        (PLAIN.replace("ValueError", "TypeError"), True),
        (PLAIN + "x = None\n", True),
    ],
)
def test_comments_layout_and_docstrings_do_not_count(
    package: Path, changed: str, counts: bool
) -> None:
    script = package.parents[1] / "scripts" / "stage.py"
    script.write_text("from millrace.room import inner")
    digests = []
    for text in (PLAIN, changed):
        (package / "room" / "inner.py").write_text(text)
        digests.append(code.Code().of(script))
    assert (digests[0] != digests[1]) == counts
    differing = set(digests[0]) ^ set(digests[1])
    assert {line.split()[0] for line in differing} == ({"millrace.room.inner"} if counts else set())


def test_a_module_that_does_not_parse_counts_by_its_bytes(package: Path) -> None:
    (package / "room" / "inner.py").write_text("def (")
    assert names(package, "from millrace.room import inner") == {
        "millrace.room",
        "millrace.room.inner",
    }


def test_a_missing_script_is_an_error(package: Path) -> None:
    with pytest.raises(MillraceError, match=r"scripts/none\.py: expected the script of a stage"):
        code.Code().of(Path("scripts/none.py"))


def test_a_broken_cache_is_made_again(package: Path) -> None:
    script = package.parents[1] / "scripts" / "stage.py"
    script.write_text("import millrace")
    first = code.Code().of(script)
    assert code.CACHE.is_file()
    code.CACHE.write_text("{broken")
    assert code.Code().of(script) == first


def test_the_code_of_a_stage_reads_the_same_in_every_process() -> None:
    """A set's order varies between processes; it must not change the code of a stage."""
    program = "from pathlib import Path\nfrom millrace.workflow.code import Code\n"
    program += "print(*(line for name in ('score', 'verify')"
    program += " for line in Code().of(Path('scripts', f'{name}.py'))))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(8)
    }
    assert len(found) == 1
    assert "millrace.export.runtimes.cells " in found.pop()


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_what_python_imports_is_found(name: str) -> None:
    """Compares with Python: every module of ours that is loaded by importing a script."""
    script = ROOT / "scripts" / f"{name}.py"
    program = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(script.parent)!r})\n"
        f"runpy.run_path({str(script)!r})\n"
        "print(*(name for name in sys.modules if name.split('.')[0] == 'millrace'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = {line.split()[0] for line in code.Code().of(script)}
    assert set(done.stdout.split()) <= found


def test_every_file_that_a_module_reads_by_its_place_counts() -> None:
    """A module that reads files relative to its own path lists them in READ."""
    here = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"Path\(__file__\)\.parent", path.read_text())
    }
    # The settings that a rule declares include defaults, and so the config's classes.
    assert here - {"millrace.config"} == set(code.READ)
    for patterns in code.READ.values():
        assert all(list(ROOT.glob(pattern)) for pattern in patterns)


def test_a_registry_spells_the_modules_that_it_imports() -> None:
    """A composed name would be missed, such as `import_module(f"millrace.{kind}")`."""
    for path in (ROOT / "src").rglob("*.py"):
        for call in re.findall(r"import_module\((.*)\)", path.read_text()):
            assert not re.search(r"f\"|\+|%|format|\.join", call), f"{path}: import_module({call})"
    kinds = {module for kind in KINDS.values() for module in (kind.module, kind.trainer) if module}
    names = {line.split()[0] for line in code.Code().of(ROOT / "scripts" / "train.py")}
    assert {module.partition(":")[0] for module in kinds} <= names
