"""The job for the Snakefile: its config, its files, its resources."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from snakemake.io import local
from snakemake.utils import update_config

from millrace import models
from millrace.config import complete, load, runs
from millrace.config.job import JobConfig
from millrace.config.loading import read
from millrace.config.models import ABOUT_RUNS
from millrace.config.values import Section, local_paths, plain_form
from millrace.errors import MillraceError
from millrace.fetching import own_inputs, source_names, sources
from millrace.files import replacing
from millrace.results import BUILT_IN, Logs, RawFolder, Results
from millrace.training import workers
from millrace.workflow import new_rows
from millrace.workflow.code import Code

# Snakemake's wildcards in file names, which cannot be escaped.
WILDCARD = re.compile(r"\{\s*\w+\s*(,[^}]*)?\}")

# Enough digits of a digest to distinguish two versions of a text.
DIGITS = 16


@dataclass(frozen=True)
class Job:
    """A completed config with its paths.

    Attributes:
        config: the config.
        path: the file that stages read it from.
        project: the absolute folder of the Snakefile; "" if it is the working directory.
        python: the interpreter that runs the stages.
    """

    config: JobConfig
    path: str
    project: str = ""
    python: str = sys.executable

    @property
    def name(self) -> str:
        return self.config.name

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The config as plain JSON, for the `params` that Snakemake compares."""
        return plain_form(self.config)

    @property
    def results(self) -> Results:
        return Results.of(self.name)

    @property
    def raw(self) -> RawFolder:
        return RawFolder.of(self.name)

    @property
    def logs(self) -> Logs:
        return Logs.of(self.name)

    @cached_property
    def runs(self) -> dict[str, runs.Run]:
        """The runs by name."""
        return runs.plan(self.config)

    @property
    def trained(self) -> list[Path]:
        """The outputs of train and evaluate for all runs."""
        return runs.artifacts(self.runs.values(), self.results)

    def earlier(self, run: str) -> list[Path]:
        """Returns the trainings that must finish before a run."""
        before = runs.before(self.runs, self.runs[run])
        return [self.results.run(one.name).training for one in before]

    def rehearsed(self, run: str) -> str:
        """Returns the name of the rehearsal that must finish before a run."""
        model = self.runs[run].model
        return model if models.is_foreign(self.config.models[model]) else BUILT_IN

    def files_of(self, rehearsed: str) -> list[str]:
        """Returns the local files in the settings of a rehearsal's model, see `files_in`."""
        return [] if rehearsed == BUILT_IN else self.files_in(f"models.{rehearsed}")

    @cached_property
    def _code(self) -> Code:
        return Code()

    def script(self, name: str, code_of: str = "") -> dict[str, object]:
        """Returns the program and the code of a stage, as a rule's `params`.

        `code_of` is the script whose code counts, if it is another.
        Snakemake reruns a stage when a parameter has changed, and shows the old and the new value,
        such as `millrace.features.auto` with the digest of its content (see
        `millrace.workflow.code`). It does not compare parameters that are functions of `input`: the
        paths of the code and the config are no reason to rerun a stage, only their contents.
        """
        program = [self.python, self._script(name)]
        code = self._code.of(Path(self._script(code_of or name)))
        return {
            "program": lambda wildcards, input: program,
            "config": lambda wildcards, input: self.path,
            **{f"code {place}": text for place, text in enumerate(code)},
        }

    def _script(self, name: str) -> str:
        # The project may be a module of another.
        return os.path.join(self.project, "scripts", f"{name}.py")

    def workers(self, run: str) -> int | None:
        """Returns the number of processes of a run, None for one."""
        one = self.runs[run]
        count = 1 if one.members else workers.needed(self.config, self.config.models[one.model])
        return count if count > 1 else None

    @property
    def parts(self) -> list[int]:
        """The parts in which the raw files are ingested, each by its own job."""
        return list(self.config.data.parts)

    @cached_property
    def local_files(self) -> list[str]:
        """The existing raw files on this disk; `fetch` reports missing ones.

        In a module, missing files are included, because a rule of the importing workflow may create
        them. `local` exempts inputs from the module's prefix, which is for outputs.
        """
        named = [source.name for source in sources.named(self.config.data.files)]
        if self.project:
            return [local(name) for name in named if not source_names.is_elsewhere(name)]
        return [name for name in named if Path(name).is_file()]

    @cached_property
    def scored(self) -> dict[str, str]:
        """The files of new rows under `score.files`, by the name of their predictions."""
        return new_rows.by_name(self.config.score.files)

    def new_rows(self, name: str) -> str:
        """Returns the file of new rows for predictions of this name."""
        if name not in self.scored:
            raise MillraceError(
                f"score.files: expected a file called {name}, found {', '.join(self.scored)}.",
                note="name the file there, or score it with `make score`.",
            )
        return local(self.scored[name]) if self.project else self.scored[name]

    def files_in(self, *keys: str) -> list[str]:
        """Returns the local files in parts of the config: a schema, a vocabulary, a model."""
        named = [path for key in keys for _, path in local_paths(_part(self.config, key))]
        paths = sorted({str(file) for path in named for file in path.files()})
        return [local(path) for path in paths] if self.project else paths

    def depends_on(self, *keys: str) -> dict[str, str]:
        """Returns a digest of the part of the config under each dotted key.

        As a rule's `params` it makes Snakemake rerun the rule when that part has changed. Digests
        are used because Snakemake writes parameters to its metadata and its report, where texts of
        the config would be interpreted as HTML, and addresses published.
        """
        return {key: _digest(_look_up(self.plain, key)) for key in keys}

    def run_depends_on(self, run: str, *keys: str) -> dict[str, str]:
        """Returns the parts of the config that affect a run, like `depends_on`.

        Of `models` only the run's own model counts. Settings that only change the number of other
        runs are left out, so that more seeds or folds do not rerun finished ones.
        """
        one, parts = self.runs[run], self.depends_on(*keys)
        del parts["models"]
        parts |= self._model_depends_on(one.model)
        if one.fold is None:
            parts["selection.folds"] = _digest(None)
        return parts

    def rehearsal_depends_on(self, rehearsed: str) -> dict[str, str]:
        """Returns the parts of the config that affect a rehearsal, like `run_depends_on`."""
        return {} if rehearsed == BUILT_IN else self._model_depends_on(rehearsed)

    def _model_depends_on(self, name: str) -> dict[str, str]:
        model = self.plain["models"][name]
        about = {key: value for key, value in model.items() if key not in ABOUT_RUNS}
        return {f"models.{name}": _digest(about)}


def readable(path: str) -> str:
    """Returns the path of a config file after checking that Snakemake can read it.

    Snakemake's own reader hangs on nested aliases and shows a traceback for bytes other than UTF-8.
    This does not help for `--configfile`, which is read before the Snakefile. Exits with the text
    of the error.
    """
    try:
        read(Path(path))
    except MillraceError as error:
        sys.exit(f"error: {error}")
    return path


def prepare(
    merged: dict[str, Any],
    configfiles: Sequence[str | Path],
    folder: str | Path = "",
    place: Callable[[str], str] = str,
    python: str = sys.executable,
    overrides: Mapping[str, Any] | None = None,
) -> Job:
    """Checks the config that Snakemake merged from its config files and its command line.

    Stages read the single config file if it is complete, else `results/<name>/config.yaml`, which
    is written here. Exits with the text of the error when the config is invalid, a glob in it
    matches nothing, or the job would delete foreign files: Snakemake empties the directories that a
    rule writes before any script runs.

    Args:
        merged: the config.
        configfiles: the files of the config; in a module, those of the importing workflow.
        folder: the folder of the Snakefile.
        place: returns the final path of an output; a module may have a prefix.
        python: the interpreter that runs the stages.
        overrides: changes by the command line. The files are then read again, because Snakemake
            accepts duplicate keys and reads 1e-3 as text. None in a module.
    """
    project = "" if os.path.abspath(folder) == os.getcwd() else os.path.abspath(folder)
    try:
        plain: dict[str, Any] = {}
        if overrides is not None and configfiles:
            for configfile in configfiles:
                update_config(plain, read(Path(configfile)))
            update_config(plain, overrides)
        else:
            # Snakemake's YAML converts dates to objects, which must be text.
            plain = json.loads(json.dumps(merged, default=str))
        config = complete(plain, source=" + ".join(map(_relative, configfiles)) or "config")
        results = Results(Path(place(str(Results.of(config.name).folder))))
        logs = place(str(Logs.of(config.name).folder))
        own_inputs.refuse_own(config, [results.folder, logs])
        own_inputs.refuse_foreign(results)
        named = [source.name for source in sources.named(config.data.files)]
        _require_plain_names("data.files", named)
        _require_plain_names("score.files", new_rows.by_name(config.score.files).values())
        if len(configfiles) == 1 and _holds(Path(configfiles[0]), config):
            return Job(config, _relative(configfiles[0]), project, python)
    except MillraceError as error:
        # Snakemake would show an exception with a line of the Snakefile, which is not at fault.
        sys.exit(f"error: {error}")
    path = Results.of(config.name).config
    # As JSON, 1e-05 would be read back as a string.
    _write_if_new(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return Job(config, str(path), project, python)


# The messages that TensorFlow prints on import at any log level.
NOISE = "oneDNN custom operations are on|before absl::InitializeLog"


def command(arguments: str) -> str:
    """Returns a rule's `shell`: its `params.program` with these arguments.

    The output is shown and logged, without NOISE. Placeholders of Snakemake must be quoted,
    `{input:q}`.
    """
    return f"{{params.program:q}} {arguments} 2>&1 | sed -uE '/{NOISE}/d' | tee {{log:q}}"


def _require_plain_names(key: str, files: Iterable[str]) -> None:
    for file in files:
        if not source_names.is_elsewhere(file) and (found := WILDCARD.search(file)):
            raise MillraceError(
                f"{key}: expected names without {found[0]}, which Snakemake takes for a "
                f"wildcard, found {file}.",
                note="rename the file, or put another name in its place with `ln -s`.",
            )


def _holds(path: Path, config: JobConfig) -> bool:
    """Returns whether a config file alone gives this config."""
    try:
        return load(path) == config
    except MillraceError:  # another workflow's config, or one completed by the command line
        return False


def _write_if_new(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _relative(path: str | Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _look_up(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:DIGITS]


def _part(config: JobConfig, key: str) -> Any:
    """Returns the value under a dotted key; None if it is not set."""
    value: Any = config
    for part in key.split("."):
        value = value.child(part) if isinstance(value, Section) else value.get(part)
    return value
