"""Checks of the configs, commands, paths and figures in the documentation."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from millrace.config import load
from tools import reference_pages

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in (".", "docs", "docs/reference", "config", "data")
    for page in ROOT.glob(f"{folder}/*.md")
)


# Texts whose paths must exist. The changelog also names deleted files.
TEXTS = sorted(
    {
        *(page for page in PAGES if page.resolve().name != "CHANGELOG.md"),
        *ROOT.glob("config/*.yaml"),
        *ROOT.glob("profiles/*/*.yaml"),
        ROOT / "Makefile",
    }
)
NAMED_PATH = re.compile(
    r"(?<![\w/.{}$-])(?:src|scripts|docs|config|rules|tests|benchmarks|tools|envs|profiles|web)"
    r"/[\w./-]*\w"
)
# Files that readers write.
EXAMPLES = {
    "config/adult.statistics.json",
    "config/airports.txt",
    "config/carriers.txt",
    "config/clicks.schema.json",
    "config/houses.yaml",
    "config/mine.yaml",
    "config/random.yaml",
    "scripts/count_labels.py",
    "src/millrace/artifacts/label_counts.py",
    "src/millrace/features/feature_columns/sign.py",
    "src/millrace/models/shallow.py",
    "tests/unit/scripts/test_count_labels.py",
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


CONFIGS = [(page.name, block) for page in PAGES for block in blocks(page, "yaml")]
COMMANDS = [
    line.split("#")[0].strip()
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.parametrize(("page", "block"), CONFIGS, ids=lambda value: str(value)[:20])
def test_a_config_in_the_documentation_is_valid(tmp_path: Path, page: str, block: str) -> None:
    path = tmp_path / page
    # A page about one section shows only that section.
    header = "" if "name:" in block else "name: a\n"
    if not re.search("^data:", block, re.MULTILINE):
        header += "data: {files: t.csv, label: y}\n"
    path.write_text(header + block, encoding="utf-8")
    load(path)


def test_the_config_for_a_table_of_ones_own_has_ten_lines() -> None:
    (config,) = blocks(ROOT / "README.md", "yaml")
    assert len(config.splitlines()) <= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_paths_that_are_named_exist(text: Path) -> None:
    named = set(NAMED_PATH.findall(text.read_text("utf-8"))) - EXAMPLES
    # A checkpoint's name is the prefix of its files.
    missing = {x for x in named if not any((ROOT / f"{x}{end}").exists() for end in ("", ".index"))}
    assert missing == set()


def test_functions_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", text)
    assert len(named) > 10
    for path, names in named:
        tree = ast.parse((ROOT / "src" / "millrace" / path).read_text("utf-8"))
        defined = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        for name in re.findall(r"[\w.]+", names):
            assert set(name.split(".")) <= defined, f"{path}: {name}"


def test_make_knows_every_target_that_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    assert {"run", "test", "test-fast"} <= named
    assert named <= targets


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_is_a_line_of_shell(command: str) -> None:
    subprocess.run(["bash", "-n", "-c", command], check=True)


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)) == set(phony.split())


@pytest.mark.skipif(not shutil.which("typos"), reason="needs `make lint`, which installs it")
def test_words_are_spelled_right() -> None:
    done = subprocess.run(["typos"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", sorted(reference_pages.pages()), ids=lambda page: page.stem)
def test_a_generated_page_is_current(page: Path) -> None:
    """Update it with `make docs`."""
    assert page.read_text("utf-8") == reference_pages.pages()[page]


@pytest.mark.skipif(not shutil.which("zensical"), reason="needs `make site`, which installs it")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Runs in a copy, since a build writes site/ and .cache/."""
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    done = subprocess.run(
        ["zensical", "build", "--clean", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"warning", done.stdout + done.stderr, re.IGNORECASE)
    listed = set(re.findall(r'"([a-z0-9/-]+\.md)"', (ROOT / "zensical.toml").read_text()))
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == there


def test_the_architecture_names_functions_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", text)
    assert len(named) > 15
    for module, functions in named:
        tree = ast.parse((ROOT / "src/millrace" / module).read_text("utf-8"))
        for function in re.findall(r"`([\w.]+)`", functions):
            node: ast.AST = tree
            for name in function.split("."):
                members = {
                    x.name: x
                    for x in ast.iter_child_nodes(node)
                    if isinstance(x, ast.FunctionDef | ast.ClassDef)
                }
                assert name in members, f"{module} has no {function}"
                node = members[name]


def test_the_architecture_draws_every_room() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    drawn = re.findall(r"^  (\w+)/ ", text, re.MULTILINE)
    rooms = [path.parent.name for path in (ROOT / "src/millrace").glob("*/__init__.py")]
    assert sorted(drawn) == sorted(rooms)
