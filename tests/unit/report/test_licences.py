"""The report and the page contain the licences of the packages that they embed."""

import json
import re
from pathlib import Path

import pytest

from millrace import report
from millrace.errors import MillraceError
from millrace.report import inline_html, licences, page

MODULES = inline_html.WEB / "node_modules"
pytestmark = pytest.mark.skipif(not MODULES.is_dir(), reason="needs `npm ci --prefix web`")
PLOT = ("interval-tree-1d", "binary-search-bounds", "isoformat", "d3")


def listed(libraries: list[str]) -> set[str]:
    """Returns the packages whose licences are included."""
    lines = re.findall(r"^\S+ \d\S*(?:, \S+ \d\S*)*:$", licences.text(libraries), re.M)
    return {entry.split(" ")[0] for line in lines for entry in line[:-1].split(", ")}


def test_every_package_in_a_build_has_its_licence() -> None:
    """Reads the source maps of the builds; those of Observable Plot and d3 have none."""
    found = set()
    for name in page.LIBRARIES:
        path = MODULES / inline_html.LIBRARIES[name]
        sources = json.loads(path.with_name(f"{path.name}.map").read_text())["sources"]
        text = "\n".join(sources)
        found |= set(re.findall(r"node_modules/((?:@[^/\n]+/)?[^/\n]+)/", text))
        found.add("/".join(path.relative_to(MODULES).parts[:2]))
    assert {"seedrandom", "long", "@tensorflow/tfjs-core"} <= found
    assert found <= listed(page.LIBRARIES)
    in_d3 = json.loads((MODULES / "d3" / "package.json").read_text())["dependencies"]
    expected = {*in_d3, *PLOT, "@observablehq/plot", "internmap", "delaunator", "robust-predicates"}
    assert expected <= listed(report.LIBRARIES)


def test_the_texts_name_their_authors() -> None:
    of_page, of_report = licences.text(page.LIBRARIES), licences.text(report.LIBRARIES)
    assert "Copyright 2019 David Bau." in of_page
    assert of_page.count("Apache License") >= 1
    assert "Mike Bostock" in of_report
    for text in (of_page, of_report):
        assert not re.search(r"</script|<!--", text, re.IGNORECASE)
        assert "THE SOFTWARE IS PROVIDED" in text


def test_a_package_without_a_licence_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "node_modules" / "d3"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "1.0.0", "license": "MIT"}')
    monkeypatch.setattr(inline_html, "WEB", tmp_path)
    with pytest.raises(MillraceError, match="d3: expected a licence, found none"):
        licences.text(["d3"])
