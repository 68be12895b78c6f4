"""Writes the page of `dvc plots` with Vega embedded, so that it opens offline.

Run as `python -m millrace.workflow.dvc_plots`; .dvc/config names the page.
"""

from millrace.errors import exit_with_status
from millrace.files import replacing
from millrace.report import inline_html

PAGE = inline_html.WEB.parent / ".dvc" / "plots.html"


def main() -> None:
    with replacing(PAGE) as path:
        page = inline_html.render("plots", ["vega", "vega-lite", "vega-embed"], [])
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    exit_with_status(main)
