"""The parts of the docs' pages that are made from results: each stands between two marks."""

from pathlib import Path

END = "<!-- end -->\n"


def fill(page: Path, maker: str, text: str) -> None:
    """Puts text between the mark of its maker and the end that follows."""
    before, _, after = _parts(page, maker)
    page.write_text(f"{before}{text}{after}", encoding="utf-8")


def filled(page: Path, maker: str) -> str:
    """Returns what stands there."""
    return _parts(page, maker)[1]


def _parts(page: Path, maker: str) -> tuple[str, str, str]:
    mark = f"<!-- made by benchmarks/{maker} -->\n"
    before, found, rest = page.read_text(encoding="utf-8").partition(mark)
    between, ended, after = rest.partition(END)
    if not (found and ended):
        raise SystemExit(
            f"{page}: expected {mark.strip()}, then {END.strip()}; found no such pair."
        )
    return before + mark, between, END + after
