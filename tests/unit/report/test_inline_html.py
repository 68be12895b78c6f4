import json
import re
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.report import inline_html


def test_embedded_json_cannot_end_its_script() -> None:
    value = {"b": "</script><!-- ü", "a": [1, None]}
    text = inline_html.embedded_json(value)
    assert "<" not in text
    assert json.loads(text) == value
    assert text.index('"a"') < text.index('"b"')


def test_embedded_json_refuses_what_json_lacks() -> None:
    with pytest.raises(ValueError, match="JSON"):
        inline_html.embedded_json(float("nan"))


@pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)
@pytest.mark.parametrize("name", sorted(inline_html.LIBRARIES))
def test_libraries_fit_into_a_page(name: str) -> None:
    source = inline_html.library(name)
    assert "sourceMappingURL" not in source
    assert not re.search(r"</script|<!--", source, re.IGNORECASE)


def test_missing_library_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline_html, "WEB", tmp_path)
    with pytest.raises(MillraceError, match=r"d3\.min\.js: expected .*\nNote: .*npm ci"):
        inline_html.library("d3")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("as it is", "as it is"),
        (336776, "336,776"),
        (0.0, "0"),
        (0.71234567, "0.7123"),
        (1.0, "1"),
        (9999.4, "9999"),
        (68771.23, "68,771"),
        (1.234e-7, "1.2e-07"),
        (-5e-5, "-5e-05"),
        (3.4e38, "3.4e+38"),
        (float("inf"), "inf"),
        (True, "yes"),
    ],
)
def test_figures(value: float | str | None, text: str) -> None:
    assert inline_html.figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.716, "0.7160"), (0.0, "0.0000"), (68771.23, "68,771"), (None, "–")]
)
def test_metrics(value: float | None, text: str) -> None:
    assert inline_html.measured(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.0%"), (0.12345, "12.3%"), (0.0004, "< 0.1%"), (1, "100.0%")]
)
def test_shares(value: float, text: str) -> None:
    assert inline_html.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(512, "512 B"), (12_345, "12.3 kB"), (4_500_000, "4.5 MB")]
)
def test_sizes(value: int, text: str) -> None:
    assert inline_html.size(value) == text
