"""The commands and pages that the stages' messages refer to."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for pattern in ("src/**/*.py", "scripts/*.py", "rules/*.smk", "Snakefile")
    for path in ROOT.glob(pattern)
)


def named(pattern: str) -> Iterator[tuple[str, str]]:
    """Yields each match of the pattern's group in the sources, with its file."""
    for path in SOURCES:
        for found in re.findall(pattern, path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT)), found


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    found = list(named(r"`make ([a-z-]+)"))
    assert "install" in {target for _, target in found}
    assert [item for item in found if item[1] not in targets] == []


def test_every_module_that_is_named_to_run_exists() -> None:
    found = list(named(r"python -m (millrace[\w.]*\w)"))
    assert found
    assert [item for item in found if not importlib.util.find_spec(item[1])] == []


def test_every_path_that_is_named_exists() -> None:
    folders = "src|scripts|docs|config|rules|tests|benchmarks|tools|envs|profiles|data"
    found = list(named(rf"(?<![\w/.{{}}$-])((?:{folders})/[\w./-]*\.(?:md|py|yaml|json|smk|sh))\b"))
    assert len(found) > 20
    assert [item for item in found if not (ROOT / item[1]).is_file()] == []


def test_every_module_that_is_named_exists() -> None:
    rooms = {path.stem for path in (ROOT / "src" / "millrace").iterdir()}
    # A dotted name of the package; `envs/millrace.yaml` is a file.
    found = list(named(r"(?<![\w/-])millrace\.([a-z]\w*)"))
    assert len(found) > 500
    assert [item for item in found if item[1] not in rooms] == []


def test_every_error_has_a_next_step() -> None:
    wrapped = {
        "loading.py: f'{path}: {message}'",
        "inference.py: f'data.types.{name}: {error}'",
        "rehearsal.py: f'models.{name}: {error}'",
    }
    without = {
        f"{path.name}: {ast.unparse(call.args[0])}"
        for path in SOURCES
        if path.suffix == ".py"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("MillraceError")
        if len(call.args) < 2 and all(keyword.arg != "note" for keyword in call.keywords)
    }
    assert without == wrapped, "a MillraceError says what to do next in its note"
