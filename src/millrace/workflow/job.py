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

# What Snakemake replaces in the name of an input; nothing escapes it.
WILDCARD = re.compile(r"\{\s*\w+\s*(,[^}]*)?\}")

# Of a digest: enough to tell two versions of a text from each other.
DIGITS = 16


@dataclass(frozen=True)
class Job:
    """A checked config with its defaults, and where it lies.

    Attributes:
        config: the config.
        path: the file that stages read it from.
        project: the folder of the Snakefile, absolute; "" when that is the working directory.
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
        """The config as JSON has it, for the `params` that Snakemake compares."""
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
        """The trainings, by name."""
        return runs.plan(self.config)

    @property
    def trained(self) -> list[Path]:
        """What train and evaluate make of all runs."""
        return runs.artifacts(self.runs.values(), self.results)

    def earlier(self, run: str) -> list[Path]:
        """What of it has to be there before a run is trained."""
        if not (after := self.runs[run].after):
            return []
        before = [x for x in self.runs.values() if f"{x.name}/".startswith(f"{after}/")]
        return runs.artifacts(before, self.results)

    def rehearsed(self, run: str) -> str:
        """Returns by which name the export of a run's model is rehearsed before it is trained."""
        model = self.runs[run].model
        return model if models.is_foreign(self.config.models[model]) else BUILT_IN

    def files_of(self, rehearsed: str) -> list[str]:
        """Returns the files on this disk that a rehearsal's model names, as `files_in`."""
        return [] if rehearsed == BUILT_IN else self.files_in(f"models.{rehearsed}")

    @cached_property
    def _code(self) -> Code:
        return Code()

    def script(self, name: str, code_of: str = "") -> dict[str, object]:
        """Returns how a stage is called and which code it runs, as a rule's `params`.

        `code_of` names the script whose code counts, where that is another.
        Snakemake runs a stage again when a parameter has changed, and names the old and the new
        value: `millrace.features.auto` and the digest of what that module says (see
        `millrace.workflow.code`). It does not compare a parameter that is a function of `input`:
        where the code and the config lie is no reason to run anything again, what they say is.
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
        """Returns how many processes do a run together, None for one."""
        one = self.runs[run]
        count = 1 if one.ensemble else workers.needed(self.config, self.config.models[one.model])
        return count if count > 1 else None

    @property
    def parts(self) -> list[int]:
        """The parts in which the raw files are ingested, each by its own job."""
        return list(self.config.data.parts)

    @cached_property
    def local_files(self) -> list[str]:
        """The raw files on this disk. One that is missing is left to `fetch`, which explains it.

        In a module it is named all the same: a rule of the importing workflow may make it, and the
        module's prefix is for what is made here.
        """
        named = [source.name for source in sources.named(self.config.data.files)]
        if self.project:
            return [local(name) for name in named if not source_names.is_elsewhere(name)]
        return [name for name in named if Path(name).is_file()]

    @cached_property
    def scored(self) -> dict[str, str]:
        """The files of new rows under `score.files`, by what their predictions are called."""
        return new_rows.by_name(self.config.score.files)

    def new_rows(self, name: str) -> str:
        """Returns the file of new rows whose predictions have this name."""
        if name not in self.scored:
            raise MillraceError(
                f"score.files: expected a file called {name}, found {', '.join(self.scored)}.",
                note="name the file there, or score it with `make score`.",
            )
        return local(self.scored[name]) if self.project else self.scored[name]

    def files_in(self, *keys: str) -> list[str]:
        """The files on this disk that parts of the config name: a schema, a vocabulary, a model."""
        named = [path for key in keys for _, path in local_paths(_part(self.config, key))]
        paths = sorted({str(file) for path in named for file in path.files()})
        return [local(path) for path in paths] if self.project else paths

    def depends_on(self, *keys: str) -> dict[str, str]:
        """Returns a digest of the part of the config under each dotted key.

        As a rule's `params` it makes Snakemake run the rule again when that part has changed. It is
        not the part itself, because Snakemake puts parameters into its metadata and its report:
        there a text of the config would be read as HTML, and an address be published.
        """
        return {key: _digest(_look_up(self.plain, key)) for key in keys}

    def run_depends_on(self, run: str, *keys: str) -> dict[str, str]:
        """Returns what of these parts of the config decides on a run, as `depends_on`.

        Of `models` that is the run's own model. What only says how many other runs there are is
        left out: with more seeds or folds, those that are trained stay as they are.
        """
        one, parts = self.runs[run], self.depends_on(*keys)
        del parts["models"]
        parts |= self._model_depends_on(one.model)
        if one.fold is None:
            parts["selection.folds"] = _digest(None)
        return parts

    def rehearsal_depends_on(self, rehearsed: str) -> dict[str, str]:
        """Returns what decides on a rehearsal, as `run_depends_on`."""
        return {} if rehearsed == BUILT_IN else self._model_depends_on(rehearsed)

    def _model_depends_on(self, name: str) -> dict[str, str]:
        model = self.plain["models"][name]
        about = {key: value for key, value in model.items() if key not in ABOUT_RUNS}
        return {f"models.{name}": _digest(about)}


def readable(path: str) -> str:
    """Returns the path of a config file that Snakemake may read.

    Its own reader hangs on aliases that multiply and shows a traceback for other bytes than UTF-8;
    it is too late for the files of `--configfile`, which are read before the Snakefile is. Ends the
    process with the error's text.
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

    Stages read a file: the one config file where that says it all, else
    `results/<name>/config.yaml`, written here. Ends the process with the error's text when the
    config breaks the schema, a glob in it matches nothing, or the job would delete what is not its
    own: Snakemake empties the directories that a rule writes before any script of ours runs.

    Args:
        merged: the config.
        configfiles: where it is from; in a module, where the importing workflow's config is from.
        folder: the Snakefile's.
        place: where a path that the job writes comes to lie; a module may have a prefix.
        python: the interpreter that runs the stages.
        overrides: what the command line changes in the files, which are then read here again: to
            Snakemake a key that is there twice is no mistake, and 1e-3 no number. None in a module.
    """
    project = "" if os.path.abspath(folder) == os.getcwd() else os.path.abspath(folder)
    try:
        plain: dict[str, Any] = {}
        if overrides is not None and configfiles:
            for configfile in configfiles:
                update_config(plain, read(Path(configfile)))
            update_config(plain, overrides)
        else:
            # Snakemake's YAML turns dates into objects, which the config knows as text.
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
        # Snakemake would show any exception with the place in the Snakefile, which is not at fault.
        sys.exit(f"error: {error}")
    path = Results.of(config.name).config
    # As JSON, 1e-05 would be read back as a string.
    _write_if_new(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return Job(config, str(path), project, python)


# What TensorFlow prints at each import, whatever the log level.
NOISE = "oneDNN custom operations are on|before absl::InitializeLog"


def command(arguments: str) -> str:
    """Returns a rule's `shell`: its `params.program` with these arguments.

    What it prints is shown and logged, without NOISE. Everything that Snakemake fills in has to be
    quoted, `{input:q}`.
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
    """Whether a config file says what the config says."""
    try:
        return load(path) == config
    except MillraceError:  # it is another workflow's, or the command line has mended it
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
    """Returns what is under a dotted key, None where it is left out."""
    value: Any = config
    for part in key.split("."):
        value = value.child(part) if isinstance(value, Section) else value.get(part)
    return value
