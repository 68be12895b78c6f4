"""Self-contained HTML: templates of web/ with style, script and libraries inlined."""

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
    """Returns the source of a JavaScript library that npm has installed under web/.

    Raises MillraceError when it is not there.
    """
    path = WEB / "node_modules" / LIBRARIES[name]
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise not_installed(path) from None
    return _without_source_map(source).strip()


def not_installed(path: Path) -> MillraceError:
    """Returns the error of a library that is not there."""
    return MillraceError(
        f"{path}: expected a JavaScript library, found no file.",
        note="install the libraries of the web page with `npm ci --prefix web`.",
    )


def _without_source_map(source: str) -> str:
    # A browser's developer tools would ask for the map, which is not part of the page.
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
    """Renders web/<name>/<name>.html with its .css, its scripts and the libraries put inline.

    The scripts, files of web/<name>/, become one, in the order given. Everything in `values` is
    escaped, apart from what is marked as safe; the template finds the rest as `style`, `script`
    and `libraries`.
    """
    return template(f"{name}/{name}.html").render(
        style=_source(name, [f"{name}.css"]),
        script=_source(name, scripts),
        libraries=[Markup(library(lib)) for lib in libraries],
        **values,
    )


def template(name: str) -> jinja2.Template:
    """Returns a template of web/; one whose name ends in .html escapes what is put into it."""
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


# What Markdown or HTML in it would take for more than text; an underscore within a word is text.
_MARKUP = re.compile(r"[\\`*\[\]<>&|#~$]|(?<![^\W_])_|_(?![^\W_])")


def markdown(value: object) -> str:
    """Returns a text as Markdown that shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))


def markdown_code(value: object) -> str:
    """Returns a text as a code span of Markdown, whatever backticks it holds."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def count(value: int) -> str:
    """336776 as 336,776."""
    return f"{value:,}"


def share(value: float) -> str:
    """0.12345 as 12.3%; a share that is not zero never reads as zero."""
    if 0 < abs(value) < 0.001:
        return "< 0.1%"
    return f"{100 * value:.1f}%"


def figure(value: float | str | bool | None) -> str:
    """A number with four significant digits, and all digits of its whole part; text as it is."""
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
    """A metric with four decimals, so that a column of them lines up; large ones as a figure."""
    return f"{value:.4f}" if value is not None and abs(value) < 100 else figure(value)


def size(value: int) -> str:
    """A number of bytes as 512 B, 12.3 kB or 4.5 MB."""
    if value < 1000:
        return f"{value} B"
    return f"{value / 1e3:.1f} kB" if value < 1e6 else f"{value / 1e6:,.1f} MB"
