"""The parts of the docs' pages that are generated from results, each between two markers."""

from pathlib import Path

END = "<!-- end -->\n"


def fill(page: Path, maker: str, text: str) -> None:
    """Writes text between the marker of its generator and the end marker that follows."""
    before, _, after = _parts(page, maker)
    page.write_text(f"{before}{text}{after}", encoding="utf-8")


def filled(page: Path, maker: str) -> str:
    """Returns the text between those markers."""
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
