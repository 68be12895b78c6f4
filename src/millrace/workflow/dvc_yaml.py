"""Writes dvc.yaml from the rules: a stage for each job that Snakemake would run.

The job is the one in config/config.yaml. Its name and its parts stay variables, so that an
experiment can set them; the models are fixed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from millrace.config import load
from millrace.errors import MillraceError
from millrace.fetching import source_names, sources
from millrace.results import Results
from millrace.workflow import code

PATH = Path("dvc.yaml")
CONFIG = "config/config.yaml"
HEADER = f"""\
# Written by `make dvc` from rules/ and {CONFIG}: change those.
# Options of an output that are added here, such as `push: false`, are kept.
"""
# The outputs that `dvc metrics` and `dvc plots` show.
METRICS = [Results.scores.path]
PLOTS = {Results.curves.path: {"template": "curves", "x": "x", "y": "y"}}

# The files that determine the lists of code, see millrace.workflow.code.
CODE = [
    *("src/millrace", "web/page", "web/report"),
    *("web/cells.cjs", "web/predict.mjs", "web/package.json"),
]


# A stage as YAML, or stages by name.
Stage: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One job of Snakemake's DAG, with paths relative to the project.

    Attributes:
        rule: its rule.
        wildcards: the values of the rule's wildcards.
        command: the words of its command line, with `python` as the interpreter, without logging.
        inputs: its input files and folders.
        outputs: its output files and folders.
        settings: the dotted keys of the config that it depends on.
    """

    rule: str
    wildcards: tuple[str, ...]
    command: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def script(self) -> str:
        return self.command[1]

    @property
    def stage(self) -> str:
        """Its name in dvc.yaml, where slashes are not allowed."""
        return "-".join([self.rule, *self.wildcards]).replace("/", "-")


def write() -> None:
    """Writes dvc.yaml in the current folder, which must be the project's.

    Raises:
        MillraceError: a raw file in the config does not exist, so that DVC cannot track it.
    """
    PATH.write_text(generated(), encoding="utf-8")


def generated() -> str:
    """Returns the text of dvc.yaml for the rules and the config in the current folder."""
    config = yaml.safe_load(Path(CONFIG).read_text(encoding="utf-8"))
    _require_raw_files()
    jobs = planned()
    template = _Template(config, jobs)
    stages = {"code": template.code_stage()}
    for job in jobs:
        stages |= template.stage(job)
    _keep_options(stages)
    whole = {"vars": [f"{CONFIG}:name,data"], "stages": stages}
    return HEADER + yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=96)


def planned() -> list[Job]:
    """Returns the jobs of a complete run that DVC has stages for, in the order of the rules."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    quiet = OutputSettings(quiet={Quietness.ALL})
    # It prints the graph.
    with SnakemakeApi(quiet) as api, contextlib.redirect_stdout(io.StringIO()):
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=Path("Snakefile").absolute(),
            workdir=Path.cwd(),
        )
        automatic = load(Path(CONFIG)).push.automatic
        targets = {"all", "scores"} | ({"push"} if automatic else set())
        dag = workflow.dag(dag_settings=DAGSettings(targets=targets, forceall=True))
        dag.printrulegraph()  # the shortest way to build the DAG
        rules = [rule.name for rule in workflow._workflow.rules]
        jobs = [
            Job(
                rule=job.rule.name,
                wildcards=tuple(map(str, job.wildcards)),
                command=_words(job.shellcmd),
                inputs=tuple(map(str, job.input)),
                outputs=tuple(map(str, job.output)),
                settings=tuple(job.params.get("uses", {})),
            )
            for job in workflow._workflow.dag.jobs
            if job.shellcmd
        ]
    return sorted(jobs, key=lambda job: (rules.index(job.rule), job.wildcards))


def _words(shell: str) -> tuple[str, ...]:
    words = shlex.split(shell)
    return ("python", *words[1 : words.index("2>&1")])


class _Template:
    """Stages with the job's name and its parts as variables of DVC."""

    def __init__(self, config: Stage, jobs: list[Job]) -> None:
        self._config = config
        self._scripts = sorted({job.script for job in jobs})
        self._parts = [job for job in jobs if job.rule == "ingest"]
        self._made_of_parts = {path for job in self._parts for path in job.outputs}
        self._name = str(config["name"])
        self._code = str(Results.of(self._name).code)

    def code_stage(self) -> Stage:
        """Returns the stage that lists the code of each script.

        A changed comment reruns it, but no stage after it.
        """
        command = ["python", "-m", code.__name__, self._code, *self._scripts]
        return {
            "cmd": self._text(shlex.join(command)),
            "deps": [*self._scripts, *CODE],
            "outs": [self._text(self._code_of(script)) for script in self._scripts],
        }

    def stage(self, job: Job) -> Stage:
        """Returns a job's stage by name; the first part has a single stage for all parts."""
        if job.rule != "ingest":
            return {job.stage: self._stage(job)}
        if job != self._parts[0]:
            return {}
        each = "${data.parts}" if "parts" in self._config["data"] else [job.wildcards[0]]
        return {job.rule: {"foreach": each, "do": self._for_each_part()}}

    def _for_each_part(self) -> Stage:
        """Returns the template of the stages of all parts, derived from the first."""
        first = yaml.safe_dump(self._stage(self._parts[0]))
        (part,) = self._parts[0].wildcards
        each = re.sub(rf"(?<=[ /]){part}(?![^ /\n])", "${item}", first)
        for job in self._parts:
            again = yaml.safe_load(each.replace("${item}", job.wildcards[0]))
            assert again == self._stage(job), "parts only differ in their numbers"
        template: Stage = yaml.safe_load(each)
        return template

    def _stage(self, job: Job) -> Stage:
        inputs = [
            str(Path(path).parent) if path in self._made_of_parts else path for path in job.inputs
        ]
        outputs: Stage = {"outs": [], "metrics": [], "plots": []}
        for path in job.outputs:
            relative = path.removeprefix(f"{Results.of(self._name).folder}/")
            entry = self._text(path)
            if relative in PLOTS:
                outputs["plots"].append({entry: PLOTS[relative]})
            else:
                outputs["metrics" if relative in METRICS else "outs"].append(entry)
        stage: Stage = {
            "cmd": self._text(shlex.join(job.command)),
            "deps": [
                self._text(path) for path in dict.fromkeys([self._code_of(job.script), *inputs])
            ],
        }
        if job.settings:
            stage["params"] = [{CONFIG: self._followed(job.settings)}]
        return stage | {kind: paths for kind, paths in outputs.items() if paths}

    def _code_of(self, script: str) -> str:
        return f"{self._code}/{Path(script).stem}"

    def _followed(self, keys: Collection[str]) -> list[str] | None:
        """Returns the keys that DVC must track, None for the whole file.

        DVC can only track keys that the file has, so for a key with its default value it tracks the
        section, or the whole file.
        """
        if self._config.keys() <= set(keys):
            return None
        found = set()
        for key in keys:
            value: object = self._config
            present = []
            for part in key.split("."):
                if not isinstance(value, dict) or part not in value:
                    break
                value = value[part]
                present.append(part)
            if not present:
                return None
            found.add(".".join(present))
        return sorted(
            key for key in found if not any(key.startswith(f"{other}.") for other in found)
        )

    def _text(self, text: str) -> str:
        """Returns a text for dvc.yaml, with the job's name as a variable."""
        plain = text.replace("${", "\\${")
        folder = str(Results.of(self._name).folder)
        templated = folder.removesuffix(self._name) + "${name}"
        return re.sub(rf"(?<!\S){re.escape(folder)}(?=/|\s|$)", lambda _: templated, plain)


def _require_raw_files() -> None:
    named = sources.named(load(Path(CONFIG)).data.files)
    lacking = [
        source.name
        for source in named
        if not source_names.is_elsewhere(source.name) and not Path(source.name).is_file()
    ]
    if lacking:
        raise MillraceError(
            f"{CONFIG}: data.files: expected the file {lacking[0]}, found none, so that DVC cannot "
            "follow it.",
            note=f"put it there; `dvc pull {lacking[0]}` brings a file that DVC follows.",
        )


def _keep_options(stages: Stage) -> None:
    """Restores options of outputs that were added to dvc.yaml by hand, such as `push`."""
    if not PATH.is_file():
        return
    before = yaml.safe_load(PATH.read_text(encoding="utf-8")).get("stages") or {}
    options = {
        path: chosen
        for stage in before.values()
        for entry in stage.get("do", stage).get("outs", ())
        if isinstance(entry, dict)
        for path, chosen in entry.items()
    }
    for stage in stages.values():
        body = stage.get("do", stage)
        body["outs"] = [
            {out: options[out]} if out in options else out for out in body.get("outs", ())
        ]
