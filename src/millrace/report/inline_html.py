"""Renders templates of web/ as self-contained HTML, with inlined styles, scripts and libraries."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from millrace.errors import MillraceError
from millrace.files import json_fields

WEB = Path(__file__).parents[3] / "web"

LIBRARIES = {
    "tfjs-core": "@tensorflow/tfjs-core/dist/tf-core.min.js",
    "tfjs-converter": "@tensorflow/tfjs-converter/dist/tf-converter.min.js",
    "tfjs-backend-cpu": "@tensorflow/tfjs-backend-cpu/dist/tf-backend-cpu.min.js",
    "d3": "d3/dist/d3.min.js",
    "plot": "@observablehq/plot/dist/plot.umd.min.js",
    "vega": "vega/build/vega.min.js",
    "vega-lite": "vega-lite/build/vega-lite.min.js",
    "vega-embed": "vega-embed/build/vega-embed.min.js",
}


def library(name: str) -> str:
    """Returns the source of a JavaScript library that npm installed under web/.

    Raises MillraceError when it is not installed.
    """
    path = WEB / "node_modules" / LIBRARIES[name]
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise not_installed(path) from None
    return _without_source_map(source).strip()


def not_installed(path: Path) -> MillraceError:
    """Returns the error for a missing library."""
    return MillraceError(
        f"{path}: expected a JavaScript library, found no file.",
        note="install the libraries of the web page with `npm ci --prefix web`.",
    )


def _without_source_map(source: str) -> str:
    # Developer tools of browsers would request the map, which is not part of the page.
    lines = source.splitlines()
    return "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL="))


def embedded_json(value: Any) -> str:
    """Returns `value` as JSON that is safe between <script> tags, keys sorted.

    NaN and infinity raise ValueError: JSON has no such numbers.
    """
    text = json.dumps(
        value,
        default=json_fields,
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return text.replace("<", "\\u003c")


def render(name: str, libraries: list[str], scripts: list[str], **values: Any) -> str:
    """Renders web/<name>/<name>.html with its .css, its scripts and the libraries inlined.

    The scripts, files of web/<name>/, are concatenated in order. `values` are escaped unless marked
    as safe; the template gets the other parts as `style`, `script` and `libraries`.
    """
    return template(f"{name}/{name}.html").render(
        style=_source(name, [f"{name}.css"]),
        script=_source(name, scripts),
        libraries=[Markup(library(lib)) for lib in libraries],
        **values,
    )


def template(name: str) -> jinja2.Template:
    """Returns a template of web/; one that ends in .html escapes its variables."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=count,
        share=share,
        figure=figure,
        measured=measured,
        size=size,
        markdown=markdown,
        markdown_code=markdown_code,
    )
    return environment.get_template(name)


def _source(name: str, files: list[str]) -> Markup:
    texts = [(WEB / name / file).read_text(encoding="utf-8") for file in files]
    return Markup("\n".join(texts))


# Characters with a meaning in Markdown or HTML; an underscore within a word has none.
_MARKUP = re.compile(r"[\\`*\[\]<>&|#~$]|(?<![^\W_])_|_(?![^\W_])")


def markdown(value: object) -> str:
    """Escapes a text for Markdown, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))


def markdown_code(value: object) -> str:
    """Returns a text as a code span of Markdown; it may contain backticks."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def count(value: int) -> str:
    """Formats 336776 as 336,776."""
    return f"{value:,}"


def share(value: float) -> str:
    """Formats 0.12345 as 12.3%; a small share becomes "< 0.1%" instead of zero."""
    if 0 < abs(value) < 0.001:
        return "< 0.1%"
    return f"{100 * value:.1f}%"


def figure(value: float | str | bool | None) -> str:
    """Formats a number with four significant digits, or all of its whole part; keeps text."""
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else value


def _float(value: float) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:.4g}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.2g}"


def measured(value: float | None) -> str:
    """Formats a metric with four decimals, so that columns align; large ones like `figure`."""
    return f"{value:.4f}" if value is not None and abs(value) < 100 else figure(value)


def size(value: int) -> str:
    """Formats a number of bytes as 512 B, 12.3 kB or 4.5 MB."""
    if value < 1000:
        return f"{value} B"
    return f"{value / 1e3:.1f} kB" if value < 1e6 else f"{value / 1e6:,.1f} MB"
