"""The structure of the code: imports between rooms, and the lengths of modules and functions."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "millrace"
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
RULES = sorted((ROOT / "rules").glob("*.smk"))

LINES_OF_A_FUNCTION = 60
LINES_OF_A_MODULE = 350
LINES_OF_A_SCRIPT = 80
LINES_OF_A_RULE_FILE = 130
MODULES_OUTSIDE_ROOMS = 6


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Returns whether numba compiles the function; splitting those would cost speed."""
    return any("njit" in ast.unparse(decorator) for decorator in function.decorator_list)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yields the name and the number of lines of each function that is not compiled."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_compiled(node):
            assert node.end_lineno
            yield f"{relative(path)}: {node.name}", node.end_lineno - node.lineno + 1


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_rooms_import_rooms_below_them_and_have_no_cycles() -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=relative)
def test_functions_fit_on_a_page(path: Path) -> None:
    found = {name for name, length in functions(path) if length > LINES_OF_A_FUNCTION}
    assert not found


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_short(path: Path) -> None:
    assert lines(path) <= LINES_OF_A_MODULE


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_a_script_only_calls_its_room(path: Path) -> None:
    assert lines(path) <= LINES_OF_A_SCRIPT


@pytest.mark.parametrize("path", RULES, ids=relative)
def test_a_rule_file_holds_rules(path: Path) -> None:
    assert lines(path) <= LINES_OF_A_RULE_FILE


def test_modules_are_in_rooms() -> None:
    outside = [path.name for path in SOURCE.glob("*.py") if path.name != "__init__.py"]
    assert len(outside) <= MODULES_OUTSIDE_ROOMS, outside


def test_what_a_kind_of_model_names_is_there() -> None:
    from importlib import import_module

    from millrace import models

    named = {models.PROOF, models.WARM_START}
    for kind in models.KINDS.values():
        named |= {kind.module, kind.trainer, kind.adopter, kind.load}
    for name in named - {""}:
        module, _, function = name.partition(":")
        assert hasattr(import_module(module), function or "build"), name
