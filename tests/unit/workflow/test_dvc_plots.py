import re
from pathlib import Path

import pytest

from millrace.report import inline_html
from millrace.workflow import dvc_plots

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)


def test_the_page_holds_its_libraries_and_a_place_for_the_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc_plots, "PAGE", tmp_path / "plots.html")
    dvc_plots.main()
    page = (tmp_path / "plots.html").read_text()
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page  # DVC would insert the URLs of Vega there
    assert len(re.findall("<script>", page)) == 3
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
