"""The runs of a job: every training of a model, each scheduled as its own job by both drivers.

A run is named by its folder under `models/`. The run with the model's name is the model itself: it
is compared and exported. The others support it:

    tabm              the model
    tabm/seeds/1      the same model with another seed
    tabm/folds/2      the same model without a fold of the training examples, evaluated on the fold
    tabm/rungs/0/3    a trial with other settings, trained for a fraction of the time

An ensemble is a run that averages other runs, its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from millrace.config import tuning
from millrace.config.built import Ensemble
from millrace.config.job import JobConfig
from millrace.config.models import EnsembleConfig, ModelConfig, TrainedConfig
from millrace.config.tuning import Trial
from millrace.config.values import plain_form
from millrace.errors import MillraceError
from millrace.results import Results


@dataclass(frozen=True)
class Run:
    """One training of a model.

    Attributes:
        name: its folder under `models/`.
        model: a name under `models` in the config.
        seed: the random seed of the training.
        after: the folder of the lower rung of a search, which must finish first; None if there is
            none.
        fold: the fold of the training examples that it is evaluated on; None for the test split.
        rung: for a trial, the rung of the search; else None.
        number: for a trial, its number on the rung. Above the lowest rung this is the rank of its
            settings on the rung below.
        share: the fraction of the configured epochs or trees to train.
        members: for an ensemble, the runs that it may average, which must finish first.
    """

    name: str
    model: str
    seed: int
    after: str | None = None
    fold: int | None = None
    rung: int | None = None
    number: int = 0
    share: float = 1.0
    members: tuple[str, ...] = ()

    def budget(self, most: int) -> int:
        """Returns the run's share of `most` epochs or trees, at least 1."""
        return max(1, round(most * self.share))


def plan(job: JobConfig) -> dict[str, Run]:
    """Returns the runs of a completed config by name, grouped by model."""
    return {run.name: run for model in job.models for run in _runs(job, model)}


def _runs(job: JobConfig, model: str) -> Iterator[Run]:
    settings, seed = job.models[model], job.seed
    if isinstance(settings, EnsembleConfig):
        yield from _ensembles(job, model, settings)
    elif isinstance(settings, TrainedConfig):
        yield from _trainings(model, settings, seed, job.selection.folds or 0)
    else:
        yield Run(model, model, seed)


def _trainings(model: str, settings: TrainedConfig, seed: int, folds: int) -> Iterator[Run]:
    sizes = tuning.rungs(settings.tune.trials) if settings.tune else []
    for rung, size in enumerate(sizes):
        after = f"{model}/rungs/{rung - 1}" if rung else None
        share = tuning.KEPT_OF ** (rung - len(sizes))
        for number in range(size):
            name = f"{model}/rungs/{rung}/{number}"
            yield Run(name, model, seed, after, rung=rung, number=number, share=share)
    tuned = f"{model}/rungs/{len(sizes) - 1}" if sizes else None
    # The model itself is the run with the first seed, unless it is an ensemble of all seeds.
    first = 0 if settings.ensemble else 1
    seeds = [
        Run(f"{model}/seeds/{offset}", model, seed + offset, tuned)
        for offset in range(first, settings.seeds)
    ]
    if settings.ensemble:
        yield Run(model, model, seed, members=tuple(run.name for run in seeds))
    else:
        yield Run(model, model, seed, tuned)
    yield from seeds
    for fold in range(folds):
        yield Run(f"{model}/folds/{fold}", model, seed, tuned, fold=fold)


def _ensembles(job: JobConfig, model: str, settings: EnsembleConfig) -> Iterator[Run]:
    """Yields the ensemble, and for each fold that of the models trained without this fold."""
    of = possible_members(job) if isinstance(settings.of, str) else settings.of
    runs = [run for member in of for run in _runs(job, member) if run.rung is None]
    for fold in (None, *range(job.selection.folds or 0)):
        members = tuple(run.name for run in runs if run.fold == fold and not run.members)
        name = model if fold is None else f"{model}/folds/{fold}"
        yield Run(name, model, job.seed, fold=fold, members=members)


def possible_members(job: JobConfig) -> list[str]:
    """Returns the models that an ensemble may be of: those that read the encoded examples."""
    return [name for name, model in job.models.items() if isinstance(model, TrainedConfig)]


def before(plan: dict[str, Run], run: Run) -> list[Run]:
    """Returns the runs of a plan whose trainings a run reads."""
    rung = [one for one in plan.values() if run.after and one.name.startswith(f"{run.after}/")]
    return rung + [plan[name] for name in run.members]


def artifacts(runs: Iterable[Run], results: Results) -> list[Path]:
    """Returns the outputs of train and evaluate. Trials of a search are not evaluated."""
    return [path for run in runs for path in results.run(run.name).made(evaluated=run.rung is None)]


def named(job: JobConfig, name: str) -> Run:
    """Returns a run of a completed config; raises MillraceError if there is no such run."""
    runs = plan(job)
    if name not in runs:
        raise MillraceError(
            f"--model: expected one of {sorted(runs)}, found {name!r}.",
            note="under DVC, `make dvc` after a change of `models` in config/config.yaml.",
        )
    return runs[name]


@dataclass(frozen=True)
class Settled:
    """The final settings of a run.

    Attributes:
        settings: the settings of the model.
        trial: the trial that they come from; None without a search.
        tuned: the model with these settings as YAML, to paste into a config; "" without a search.
    """

    settings: ModelConfig
    trial: Trial | None = None
    tuned: str = ""


def settle(job: JobConfig, run: Run, models: Path) -> Settled:
    """Returns the final settings of a run.

    Args:
        job: the completed config.
        run: one of its runs.
        models: the folder of all runs; those under `run.after` must be finished.
    """
    model = job.models[run.model]
    if run.members:
        return Settled(Ensemble())
    if not (isinstance(model, TrainedConfig) and model.tune):
        return Settled(model)
    if run.rung == 0:
        trial = tuning.proposed(model.tune, job.seed, run.number)
    else:
        assert run.after, "the settings come from the rung below"
        trial = tuning.best(models / run.after)[run.number]
    settings = tuning.override(plain_form(model.changed(tune=None)), trial.settings)
    tuned = yaml.safe_dump({"models": {run.model: settings}}, sort_keys=False)
    return Settled(type(model).model_validate(settings), trial, tuned)


def fold_rows(labels: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Divides examples into folds, stratified by label.

    Args:
        labels: float32 [n].
        folds: the number of folds.
        seed: the seed of the assignment.

    Returns:
        The indices of the examples of each fold, ascending: int64 [about n / folds].
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return [np.sort(by_label[fold::folds]) for fold in range(folds)]
