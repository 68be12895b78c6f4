"""The licences of the JavaScript libraries in the report and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from millrace.errors import MillraceError
from millrace.report import inline_html

# Dependencies that are not part of builds for browsers.
LEFT_OUT = re.compile(r"@types/.*|@webgpu/types|commander|iconv-lite|node-fetch|rw")
# Packages in builds that are not among the dependencies.
BUILT_IN = {"@tensorflow/tfjs-core": ["tslib"]}

# The end of a README that contains the licence.
AT_THE_END = re.compile(r"^LICENSE \(\w+\)\n-+\n.*\Z", re.MULTILINE | re.DOTALL)


def text(libraries: Iterable[str]) -> str:
    """Returns the licences of libraries, keys of `inline_html.LIBRARIES`, and their dependencies.

    Each text is included once, below the names of its packages.

    Raises:
        MillraceError: a package or its licence is missing.
    """
    paths = [inline_html.LIBRARIES[name] for name in libraries]
    names = sorted({name for path in paths for name in _with_dependencies(_package(path))})
    packages: dict[str, list[str]] = {}
    for name in names:
        package = _read(name)
        packages.setdefault(_licence(package), []).append(f"{name} {package.version}")
    return "\n\n".join(f"{', '.join(found)}:\n\n{text}" for text, found in packages.items())


def _package(path: str) -> str:
    """Returns the package that a path under node_modules is in."""
    parts = path.split("/")
    return "/".join(parts[: 2 if path.startswith("@") else 1])


def _with_dependencies(name: str) -> Iterator[str]:
    yield name
    for below in (*_read(name).dependencies, *BUILT_IN.get(name, [])):
        if not LEFT_OUT.fullmatch(below):
            yield from _with_dependencies(below)


def _folder(name: str) -> Path:
    return inline_html.WEB / "node_modules" / name


@dataclass(frozen=True)
class Package:
    """The package.json of a package.

    Attributes:
        name: its name.
        version: its version.
        dependencies: the names of its dependencies.
        license: the name of its licence.
    """

    name: str
    version: str
    dependencies: tuple[str, ...]
    license: str | None


def _read(name: str) -> Package:
    try:
        about = json.loads((_folder(name) / "package.json").read_text("utf-8"))
    except FileNotFoundError:
        raise inline_html.not_installed(_folder(name)) from None
    dependencies = tuple(about.get("dependencies", {}))
    return Package(name, about["version"], dependencies, about.get("license"))


def _licence(package: Package) -> str:
    folder = _folder(package.name)
    for path in sorted(folder.glob("LICENSE*")):
        return path.read_text(encoding="utf-8").strip()
    readme = folder / "README.md"
    if readme.is_file() and (found := AT_THE_END.search(readme.read_text(encoding="utf-8"))):
        return found[0].strip()
    if package.license == "Apache-2.0":
        # The text is the same as in Millrace's own LICENSE.
        return (inline_html.WEB.parent / "LICENSE").read_text(encoding="utf-8").strip()
    raise MillraceError(
        f"{folder}: expected a licence, found none.",
        note="add where it is to src/millrace/report/licences.py, or leave the library out.",
    )
