"""Lists the code of a stage: its script and every module that it imports, directly or not.

Run as `python -m millrace.workflow.code FOLDER SCRIPT…`, as in dvc.yaml: writes a file per script
that lists its code, and changes only when the code does.
"""

import argparse
import ast
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import millrace
from millrace.errors import MillraceError, exit_with_status
from millrace.files import replacing

PACKAGE = Path(millrace.__file__).parent
PROJECT = PACKAGE.parents[1]

# Files that modules run or copy without importing them: glob patterns from the project's folder.
READ = {
    "millrace.export.runtimes": ["src/millrace/export/runtimes/*.py", "web/*.[cm]js"],
    "millrace.report.inline_html": ["web/page/*", "web/report/*", "web/cells.cjs"],
    "millrace.report.provenance": ["web/package.json"],
}

# A digest per file content, because parsing all modules would make planning 1.5 times as slow.
CACHE = Path(".snakemake") / "millrace_code.json"
LONG = 16


class Code:
    """The project's Python files, each parsed once per content."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}
        self._read: dict[Path, tuple[str, set[str]]] = {}
        # Another version of this module may compute other digests.
        self._version = Path(__file__).read_bytes()
        with suppress(OSError, ValueError):
            self._known = json.loads(CACHE.read_text(encoding="utf-8"))

    def of(self, script: Path) -> list[str]:
        """Returns the code of a script, one line per file: its name and the digest of its content.

        The digest of a Python file is that of its syntax tree without docstrings, so comments and
        layout do not count. Imports are followed statically; those inside functions, and modules
        named in strings (a registry of kinds), count like those at the top.

        Raises:
            MillraceError: the script is missing.
        """
        if not script.is_file():
            raise MillraceError(
                f"{script}: expected the script of a stage, found no file.",
                note="check the command in the rule, or write dvc.yaml again with `make dvc`.",
            )
        before = len(self._known)
        lines = {script: f"scripts/{script.name}"}
        waiting = set(self._file(script)[1])
        while waiting:
            name = waiting.pop()
            path = _path(name)
            # A file that is run by its path may also be imported; then it has its module's name.
            if lines.get(path) != name:
                lines[path] = name
                waiting |= self._file(path)[1]
                for read in _read_by(name):
                    lines.setdefault(read, read.relative_to(PROJECT).as_posix())
                    waiting |= self._file(read)[1]
        if len(self._known) > before:
            self._save()
        return sorted(f"{name} {self._file(path)[0]}" for path, name in lines.items())

    def _file(self, path: Path) -> tuple[str, set[str]]:
        """Returns a file's digest, and the modules of the package that it imports."""
        if path not in self._read:
            content = path.read_bytes()
            key = hashlib.sha256(self._version + content).hexdigest()
            if key not in self._known:
                self._known[key] = _parse(path, content)
            digest, *names = self._known[key]
            self._read[path] = digest, {module for name in names for module in _modules(name)}
        return self._read[path]

    def _save(self) -> None:
        # Without a cache, as in a read-only folder, files are parsed again.
        with suppress(OSError), replacing(CACHE) as temporary:
            temporary.write_text(json.dumps(self._known), encoding="utf-8")


def _parse(path: Path, content: bytes) -> list[str]:
    """Returns a file's digest, followed by the dotted names in it that may be modules."""
    if path.suffix == ".py":
        # For a syntax error the stage itself fails with the line.
        with suppress(SyntaxError, ValueError):
            tree = ast.parse(content)
            canonical = "".join(_canonical(tree)).encode()
            return [hashlib.sha256(canonical).hexdigest()[:LONG], *sorted(set(_names(tree, path)))]
    return [hashlib.sha256(content).hexdigest()[:LONG]]


def _canonical(node: object) -> Iterator[str]:
    """Yields the text of a syntax tree, which is the same in every version of Python."""
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for field in node._fields:
            value = getattr(node, field, None)
            if field == "body" and isinstance(value, list) and _has_docstring(node):
                value = value[1:]
            # Newer versions have additional fields, which are empty if unused.
            if value is not None and value != []:
                yield f"{field}="
                yield from _canonical(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _canonical(item)
            yield ","
    else:
        yield repr(node)


def _has_docstring(node: ast.AST) -> bool:
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _names(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("millrace"))
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            if module.startswith("millrace"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^millrace(?:\.\w+)+", node.value)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a tree except those under TYPE_CHECKING."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield from _executed(child)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(PACKAGE.parent).parent
    parts = package.parts[: len(package.parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


@cache
def _modules(name: str) -> list[str]:
    """Returns the modules that importing a dotted name runs: itself and its parent packages."""
    parts = name.split(".")
    dotted = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return [module for module in dotted if _path(module).is_file()]


@cache
def _path(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _read_by(module: str) -> Iterator[Path]:
    for pattern in READ.get(module, ()):
        yield from sorted(PROJECT.glob(pattern))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="gets a file for each script")
    parser.add_argument("scripts", type=Path, nargs="+")
    arguments = parser.parse_args()
    code = Code()
    for script in arguments.scripts:
        with replacing(arguments.folder / script.stem) as temporary:
            temporary.write_text("\n".join(code.of(script)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    exit_with_status(main)
