"""Checks of the config that involve several keys or an address."""

from collections.abc import Mapping

from pydantic import ValidationError

from millrace.config import addresses, runs, tuning
from millrace.config.data import SplitFiles
from millrace.config.job import LARGEST_SEED, JobConfig
from millrace.config.messages import explain
from millrace.config.models import (
    EnsembleConfig,
    Model,
    NetworkConfig,
    TrainedConfig,
    TuneConfig,
    adopted,
    is_trained,
    warm_start,
)
from millrace.config.training import TrainingOverrides
from millrace.config.values import local_paths, plain_form
from millrace.errors import MillraceError

# Settings that a search cannot vary: they identify the model instead of saying how it is trained,
# and the losses of two `target`s are not comparable.
NOT_TUNED = {"kind", "path", "adopt", "warm_start", "seeds", "ensemble", "tune", "target"}


def check(job: JobConfig, source: str) -> None:
    """Raises MillraceError when two parts of a config contradict each other.

    `source` names the config in the message.
    """
    _refuse_what_tflite_cannot_run(job, source)
    _refuse_secrets(job, source)
    _refuse_impossible_runs(job, source)
    _refuse_impossible_choice(job, source)


def _refuse_what_tflite_cannot_run(job: JobConfig, source: str) -> None:
    if job.export.tflite is not True:
        return
    for name, feature in job.given_features.items():
        if getattr(feature, "unseen", None) == "hash":
            raise MillraceError(
                f"{source}: features.{name}.unseen: expected bucket, found hash, which TF Lite has "
                "no op for.",
                note="set export.tflite to false for a model that runs on servers and in browsers.",
            )


def _refuse_impossible_choice(job: JobConfig, source: str) -> None:
    selection, slices = job.selection, job.evaluation.slices
    if selection.smallest_within and selection.smallest_not_significantly_worse:
        raise MillraceError(
            f"{source}: selection: expected one of smallest_within and "
            "smallest_not_significantly_worse, found both.",
            note="remove one of them.",
        )
    for column in selection.slice_gates:
        if column not in slices:
            raise MillraceError(
                f"{source}: selection.slice_gates: expected columns of evaluation.slices, "
                f"{[*slices]}; found {column!r}.",
                note="add the column to evaluation.slices.",
            )


def _refuse_impossible_runs(job: JobConfig, source: str) -> None:
    folds, by = job.selection.folds, job.data.split.by
    if folds and by in ("group", "time"):
        raise MillraceError(
            f"{source}: selection.folds: expected rows that are divided by row or stratum, found "
            f"data.split.by: {by}, which folds of single examples would mix.",
            note="data.split.folds makes one job a fold.",
        )
    ensembles = {x: y for x, y in job.models.items() if isinstance(y, EnsembleConfig)}
    for name, model in job.models.items():
        if name not in ensembles:
            _refuse_impossible_run(model, job, f"{source}: models.{name}")
    for name, ensemble in ensembles.items():
        _refuse_impossible_members(name, ensemble, job, f"{source}: models.{name}.of")
    # Of names that are wrong no runs can be planned.
    for run in runs.plan(job).values():
        if run.model in ensembles and len(run.members) < 2:
            raise MillraceError(
                f"{source}: models.{run.model}.of: expected at least two runs to average, found "
                f"{', '.join(run.members) or 'none'}.",
                note="add another model, or, without selection.folds, seeds to this one.",
            )


def _refuse_impossible_members(
    name: str, ensemble: EnsembleConfig, job: JobConfig, where: str
) -> None:
    possible = runs.possible_members(job)
    for member in () if isinstance(ensemble.of, str) else ensemble.of:
        if member in possible:
            continue
        found, note = repr(member), "name models of the config; seeds and folds come with them."
        if member == name:
            found, note = f"{member!r}, the ensemble itself", "remove it from the list."
        elif member in job.models:
            found += f", whose kind is {job.models[member].kind}"
            note = "remove it: members are models that Millrace trains on its encoded examples."
        raise MillraceError(
            f"{where}: expected models of the config that can be members, "
            f"{', '.join(possible) or 'of which there are none'}; found {found}.",
            note=note,
        )


def _refuse_impossible_run(model: Model, job: JobConfig, where: str) -> None:
    repeated = bool(job.selection.folds)
    if isinstance(model, TrainedConfig):
        repeated = repeated or model.seeds > 1 or model.tune is not None
        if model.ensemble and model.seeds < 2:
            raise MillraceError(
                f"{where}.ensemble: expected seeds of at least 2, found 1.",
                note="set seeds to 2 or more, or remove ensemble.",
            )
        if model.target != "none" and (adopted(model) or warm_start(model)):
            raise MillraceError(
                f"{where}.target: expected none for a model with weights of an old one, which "
                f"predicts the label itself, found {model.target}.",
                note="remove target, or adopt and warm_start.",
            )
        if job.seed + model.seeds - 1 > LARGEST_SEED:
            raise MillraceError(
                f"{where}.seeds: expected seeds up to {LARGEST_SEED}, found {model.seeds} from "
                f"{job.seed} on.",
                note="set a smaller seed, or fewer seeds.",
            )
    if repeated and not is_trained(model):
        raise MillraceError(
            f"{where}: expected a model that is trained, found an old one, which has neither "
            "seeds, folds nor trials.",
            note="remove these keys, or choose a kind of model that is trained.",
        )
    if isinstance(model, TrainedConfig) and model.tune:
        _check_space(model, model.tune, where)


def _check_space(model: TrainedConfig, tune: TuneConfig, where: str) -> None:
    """Raises MillraceError when a trial could have settings that the model's class refuses."""
    allowed = {*type(model).model_fields} - NOT_TUNED
    if isinstance(model, NetworkConfig):
        of_training = TrainingOverrides.model_fields
        allowed = (allowed - {"training"}) | {f"training.{key}" for key in of_training}
    for key, value in tuning.edges(tune.space, f"{where}.tune.space"):
        if key not in allowed:
            raise MillraceError(
                f"{where}.tune.space: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}.",
                note="see the keys of this kind of model in docs/reference/config.md.",
            )
        trial = tuning.override(plain_form(model), {key: value})
        try:
            type(model).model_validate(trial)
        except ValidationError as error:
            raise explain(error, trial, f"{where}.tune.space") from None


def _refuse_secrets(job: JobConfig, source: str) -> None:
    """Raises MillraceError for a secret: the report and provenance.json publish the config."""
    files = job.data.files
    for names in files.by_split().values() if isinstance(files, SplitFiles) else [files]:
        for name in [names] if isinstance(names, str) else names:
            addresses.refuse_secrets(name, f"{source}: data.files")
    for name in job.data.sha256:
        addresses.refuse_secrets(name, f"{source}: data.sha256")
    skipped = job.data.skip_lines
    for name in skipped if isinstance(skipped, Mapping) else ():
        addresses.refuse_secrets(name, f"{source}: data.skip_lines")
    for name in job.score.files:
        addresses.refuse_secrets(name, f"{source}: score.files")
    for key, path in local_paths(job):
        if key != "data.database":
            addresses.refuse_secrets(path, f"{source}: {key}")
    if job.data.database:
        addresses.refuse_secrets(job.data.database, f"{source}: data.database", is_database=True)
