"""The lock files, and files that must be consistent with them."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
LOCKS = sorted(ENVS.glob("*.lock"))


def pins(lock: Path) -> dict[str, str]:
    """Returns the pins of a lock file: package and version → environment marker."""
    lines = re.findall(r"^([a-z0-9][^\s;]*==[^\s;]+)(?: ; (.*?))? \\$", lock.read_text(), re.M)
    return dict(lines)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash_and_no_line_an_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(-index|i |-extra|-find)", text, re.M)
    requirements = re.sub(r"#.*", "", text).replace("\\\n", " ").split("\n")
    requirements = [line for line in requirements if line.strip()]
    assert len(requirements) == len(pins(lock)) > 0
    for requirement in requirements:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement


@pytest.mark.parametrize("name", ["millrace", "millrace-gpu"])
def test_conda_pins_equal_the_lock(name: str) -> None:
    dependencies = yaml.safe_load((ENVS / f"{name}.yaml").read_text())["dependencies"]
    conda = {requirement.strip() for requirement in dependencies[-1]["pip"]}
    lock = pins(ENVS / f"{name}.lock").items()
    assert conda == {f"{pin} ; {marker}" if marker else pin for pin, marker in lock}


def test_cpu_and_gpu_differ_in_tensorflow_and_its_libraries_only() -> None:
    cpu, gpu = (set(pins(ENVS / f"{name}.lock")) for name in ("millrace", "millrace-gpu"))
    assert {pin.split("==")[0] for pin in cpu - gpu} == {"tensorflow-cpu"}
    assert all(pin.startswith("nvidia-") for pin in gpu - cpu)


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_what_is_added_for_a_cluster_changes_nothing_that_is_there(name: str) -> None:
    there = set(pins(ENVS / "millrace.lock"))
    added = set(pins(ENVS / f"{name}.lock")) - there
    assert any("executor-plugin" in pin for pin in added)
    assert not {pin.split("==")[0] for pin in added} & {pin.split("==")[0] for pin in there}


def test_the_container_is_made_of_what_is_here() -> None:
    """No test builds the image, which needs a container registry."""
    text = (ENVS / "Containerfile").read_text()
    (base,) = re.findall(r"^FROM python:(\d+\.\d+)-slim-bookworm$", text, re.MULTILINE)
    conda = yaml.safe_load((ENVS / "millrace.yaml").read_text())["dependencies"]
    assert f"python={base}" in conda
    (targets,) = re.findall(r"^RUN make (.+)$", text, re.MULTILINE)
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *targets.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for lock in ("millrace", "kubernetes"):
        assert f"--require-hashes -r envs/{lock}.lock" in done.stdout
    image = yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())[
        "container-image"
    ]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert image == f"millrace:{version}"
    assert f"--tag {image} " in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", changelog, re.MULTILINE)[0] == version


def test_the_lock_covers_what_is_asked_for() -> None:
    asked = {
        re.split(r"[=<>\s\[]", line)[0]
        for source in ("common.in", "millrace.in")
        for line in (ENVS / source).read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    }
    locked = {pin.split("==")[0] for pin in pins(ENVS / "millrace.lock")}
    assert asked <= locked


def test_what_the_sources_import_is_asked_for_by_name() -> None:
    """A package that is only installed as a dependency may disappear with its dependent."""
    asked = re.findall(r"^([a-z0-9_-]+)", (ENVS / "common.in").read_text(), re.MULTILINE)
    allowed = {name.replace("-", "_") for name in asked} | {"tensorflow_cpu", "tensorflow"}
    allowed |= {"tensorflowjs", "millrace"}
    distributions = packages_distributions()
    for folder in ("src", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in _imported(path) - set(sys.stdlib_module_names):
                owners = {owner.lower().replace("-", "_") for owner in distributions.get(name, [])}
                assert not owners or owners & allowed, f"{path}: {name} of {owners}"


def _imported(path: Path) -> set[str]:
    """Returns the top-level packages that a source file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_this_environment_is_the_locked_one() -> None:
    if not (Path(sys.prefix) / "installed").exists():
        pytest.skip("this environment was not made by the Makefile")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = set(done.stdout.lower().replace("_", "-").replace(".", "-").split())
    for lock in (ENVS / "millrace.lock", ENVS / "tfjs.lock", ENVS / "data.lock"):
        for pin, marker in pins(lock).items():
            if not marker:
                assert pin.replace("_", "-").replace(".", "-") in installed


def test_the_javascript_lock_holds_no_address() -> None:
    text = (ROOT / "web" / "package-lock.json").read_text()
    assert "://" not in re.sub(r'"url": "[^"]*"', "", text)
    assert '"integrity": "sha512-' in text


def preflight(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_preflight_and_the_package_ask_for_the_same_pythons() -> None:
    (oldest, newest) = (
        tuple(runpy.run_path(str(ENVS / "preflight.py"))[name]) for name in ("OLDEST", "NEWEST")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    after_newest = (newest[0], newest[1] + 1)
    assert project["requires-python"] == ">={}.{},<{}.{}".format(*oldest, *after_newest)


def test_preflight_passes_on_this_python() -> None:
    assert preflight("envs/preflight.py", "0.001").returncode == 0


@pytest.mark.parametrize(
    ("change", "gigabytes", "expected"),
    [
        ("sys.version_info = (3, 10, 2)", "0", "Expected Python 3.11, 3.12 or 3.13, found 3.10"),
        ("sys.version_info = (3, 14, 0)", "0", "Expected Python 3.11, 3.12 or 3.13, found 3.14"),
        ("sys.modules['ensurepip'] = None", "0", "Expected Python with the module venv"),
        ("", "1e9", "Expected 1e+09 GB of free disk space"),
    ],
)
def test_preflight_says_in_one_line_what_is_missing(
    change: str, gigabytes: str, expected: str
) -> None:
    program = f"""
import runpy, sys
{change}
sys.argv = ["preflight.py", "{gigabytes}"]
runpy.run_path("envs/preflight.py", run_name="__main__")
"""
    done = preflight("-c", program)
    assert done.returncode == 1
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1


def test_nothing_is_tracked_that_git_is_told_to_ignore() -> None:
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""
