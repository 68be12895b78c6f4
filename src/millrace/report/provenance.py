"""Collects the provenance of results: code, config, data, packages, machine; without dates."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from millrace import config as configs
from millrace.artifacts.manifest import Manifest
from millrace.artifacts.provenance import Origin
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.files import read_json, sha256, visible
from millrace.results import Results

ROOT = Path(__file__).parents[3]

# The packages that can affect numbers, or the bytes of artifacts.
PACKAGES = [
    "ai-edge-litert",
    "ai-edge-quantizer",
    "duckdb",
    "keras",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "snakemake",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflowjs",
    "ydf",
]

# The config keys that can name files: code, vocabularies, models, a schema, a database.
NAME_FILES = ["data.schema", "data.database", "features", "models", "training"]

# Tracked files that do not count as a change of the code: configs, which are recorded themselves,
# and files of DVC.
RECORDED = [":!config/*.yaml", ":!dvc.yaml", ":!*.dvc", ":!dvc.lock", ":!.dvc"]


def collect(config: JobConfig, manifest: Path | None = None) -> Origin:
    """Returns the provenance of a job.

    Args:
        config: the completed config.
        manifest: the manifest.json of fetch; without one `data` is empty.
    """
    commit, modified = git_state(ROOT)
    return Origin(
        commit=commit,
        modified=modified,
        config_sha256=configs.digest(config),
        seed=config.seed,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=_python_packages(),
        libraries=read_json(ROOT / "web" / "package.json")["dependencies"],
        data=Manifest.load(manifest).files if manifest and manifest.exists() else [],
    )


def artifacts(results: Results, of_runs: list[Path]) -> dict[str, str]:
    """Returns the SHA-256 of each artifact file of a job, by its path within the results.

    Args:
        results: the job's results.
        of_runs: the result of `runs.artifacts`.

    Raises:
        MillraceError: an artifact is missing.
    """
    return {
        path.relative_to(results.folder).as_posix(): sha256(path)
        for made in (*results.recorded(), *of_runs)
        for path in _files(made)
    }


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise MillraceError(
            f"{path}: expected an artifact of an earlier stage, found none.",
            note="run the stage that writes it, or the whole workflow with `snakemake --cores 2`.",
        )
    return visible(path)


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """Returns the commit of a git working tree, and whether its code was modified since.

    Both are None if there is no commit: no git, an unpacked archive, or a new repository.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *RECORDED)
    return commit, bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _python_packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
