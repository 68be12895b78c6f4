"""Which model wins, by how much, and whether it is good enough to be exported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from millrace.artifacts.champion import Champion, Check, Gate, RunnerUp
from millrace.artifacts.leaderboard import Entry, Leaderboard
from millrace.artifacts.metrics import Interval, Metrics
from millrace.artifacts.scores import Scores
from millrace.errors import MillraceError
from millrace.evaluation import metrics


@dataclass(frozen=True)
class Candidate:
    """A model, and what its other runs say about it.

    Attributes:
        metrics: the model's metrics.
        seeds: the same for the model trained with other seeds; empty for an ensemble of them.
        folds: the same for each fold of a cross-validation.
    """

    metrics: Metrics
    seeds: Sequence[Metrics] = ()
    folds: Sequence[Metrics] = ()

    @property
    def name(self) -> str:
        return self.metrics.model

    @property
    def parameters(self) -> int:
        return self.metrics.training.parameters

    @property
    def over(self) -> str:
        """What the interval of `measured` is over: folds, seeds or rows."""
        return "folds" if self.folds else "seeds" if self.seeds else "rows"

    def measured(self, metric: str) -> Interval | None:
        """Returns the metric by which the model is compared.

        Over folds and seeds it is the mean with a 95 % interval by Student's t; over rows, the
        metric on the test with its bootstrap interval. None where it is not defined.
        """
        runs = self.folds or [self.metrics, *self.seeds]
        found = [measured for run in runs if (measured := run.metrics[metric])]
        if len(found) < len(runs):
            return None
        if self.over == "rows":
            return found[0]
        values = np.array([measured.value for measured in found])
        mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
        reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
        return Interval(mean, mean - reach, mean + reach)


def rank(candidates: list[Candidate], setting: str) -> tuple[str, list[Candidate]]:
    """Returns the selection metric and the models, best first; equally good ones by name.

    Args:
        candidates: the models.
        setting: `selection.metric` of the config.

    Raises:
        MillraceError: the models were not evaluated on one task and the same number of rows, the
            metric is not one of the task's, or it is not defined for a model.
    """
    for field in ("task", "rows"):
        found = {x.name: getattr(x.metrics, field) for x in candidates}
        if len(set(found.values())) > 1:
            raise MillraceError(
                f"metrics: expected the same {field} for all models, found {found}.",
                note="evaluate the models again, on the same examples.",
            )
    metric = metrics.selection_metric(setting, candidates[0].metrics.task)
    undefined = [x.name for x in candidates if x.measured(metric) is None]
    if undefined:
        raise MillraceError(
            f"selection.metric: expected {metric} to be defined, found no value for {undefined}.",
            note="the test examples may hold one class only; give data.split.test more rows.",
        )
    sign = 1 if metric in metrics.LOWER_IS_BETTER else -1
    return metric, sorted(candidates, key=lambda x: (sign * _value(x, metric), x.name))


def _value(candidate: Candidate, metric: str) -> float:
    measured = candidate.measured(metric)
    assert measured is not None, "rank refuses a metric that is not defined"
    return measured.value


def scores(metric: str, ranked: list[Candidate], names: Iterable[str]) -> Scores:
    """Returns the metric by which the models are compared, in the order of `names`."""
    values = {model.name: _value(model, metric) for model in ranked}
    return Scores(metric, {name: values[name] for name in names})


def leaderboard(ranked: list[Candidate]) -> Leaderboard:
    """Returns the ranked models: their metrics with intervals, and how large they are."""
    return Leaderboard(
        [
            Entry(
                rank=rank,
                model=model.name,
                kind=model.metrics.kind,
                metrics={name: model.measured(name) for name in model.metrics.metrics},
                over=model.over,
                runs=len(model.folds) or 1 + len(model.seeds),
                parameters=model.parameters,
                bytes=model.metrics.training.bytes,
                epochs=model.metrics.training.epochs,
            )
            for rank, model in enumerate(ranked, start=1)
        ]
    )


def champion(
    metric: str, ranked: list[Candidate], gate: float | None, smallest_within: float = 0.0
) -> Champion:
    """Returns the model to export with its lead over the next and the checks it has to pass.

    It is the best; or the one with the fewest parameters, where some are worse by at most
    `smallest_within`. `margin` is by how much it is better than the best of the others, positive
    whatever the metric's direction, by what they are compared by: `over` rows, seeds or folds. The
    values and the gate are about the exported model on the test.
    """
    best = _value(ranked[0], metric)
    near = [
        x
        for x in ranked
        if x is ranked[0]
        or metrics.improvement(metric, best, _value(x, metric)) <= smallest_within > 0
    ]
    chosen = min(near, key=lambda x: x.parameters)
    other = next((x for x in ranked if x is not chosen), None)
    second = _value(other, metric) if other else None
    margin = None if second is None else metrics.improvement(metric, _value(chosen, metric), second)
    tested, baseline = chosen.metrics.metrics[metric], chosen.metrics.baseline[metric]
    assert tested and baseline is not None, "rank refuses a metric that is not defined"
    checks = _checks(metric, tested.value, baseline, gate)
    return Champion(
        model=chosen.name,
        kind=chosen.metrics.kind,
        metric=metric,
        value=tested.value,
        low=tested.low,
        high=tested.high,
        over=chosen.over,
        runner_up=_runner_up(metric, other) if other else None,
        margin=margin,
        gate=Gate(passed=all(check.passed for check in checks), checks=checks),
    )


def _runner_up(metric: str, other: Candidate) -> RunnerUp:
    tested = other.metrics.metrics[metric]
    assert tested, "rank refuses a metric that is not defined"
    return RunnerUp(other.name, tested.value)


def _checks(metric: str, value: float, baseline: float, gate: float | None) -> list[Check]:
    better = f"{metric} better than that of a model that always predicts the same"
    checks = [Check(better, baseline, value, metrics.improvement(metric, value, baseline) > 0)]
    if gate is not None:
        passed = metrics.improvement(metric, value, gate) >= 0
        checks.append(Check(f"{metric} not worse than selection.gate", gate, value, passed))
    return checks


def require_gate(winner: Champion) -> None:
    """Raises MillraceError, with the figures, when the champion fails a check of its gate."""
    for check in winner.gate.checks:
        if not check.passed:
            raise MillraceError(
                f"champion {winner.model!r}: expected {check.check}, "
                f"{check.expected:.6g}; found {check.found:.6g}.",
                note="the leaderboard has all figures; look at the features, or at the anomalies "
                "that analyze found.",
            )
