"""Selection of the champion: the ranking, the margin, and the gate."""

from collections.abc import Iterable, Sequence

from millrace.artifacts.champion import Champion, Check, Choice, Gate, RunnerUp
from millrace.artifacts.diagnostics import Slice
from millrace.artifacts.leaderboard import Entry, Leaderboard
from millrace.artifacts.metrics import Interval
from millrace.artifacts.scores import Scores
from millrace.config.assessment import SelectionConfig
from millrace.config.job import JobConfig
from millrace.config.models import EnsembleConfig, TrainedConfig, is_trained
from millrace.errors import MillraceError
from millrace.evaluation import candidates, metrics
from millrace.evaluation.candidates import Candidate

# An interval is too wide for a reliable choice if it exceeds this share of the model's gain over a
# constant prediction.
WIDEST = 0.5


def rank(models: Sequence[Candidate], setting: str) -> tuple[str, list[Candidate]]:
    """Returns the selection metric and the models, best first; equally good ones by name.

    They are compared on the validation rows, or on the folds of the training rows.

    Args:
        models: the models.
        setting: `selection.metric` of the config.

    Raises:
        MillraceError: the models were not evaluated on one task and the same number of rows, the
            metric is not one of the task's, or it is not defined for a model.
    """
    _require_same("task", {x.name: x.metrics.task for x in models})
    _require_same("rows", {x.name: x.metrics.rows for x in models})
    _require_same("rows to compare by", {x.name: x.rows for x in models})
    metric = metrics.selection_metric(setting, models[0].metrics.task)
    split = "training" if models[0].folds else "validation"
    for name, measured in (
        (split, {x.name: x.measured(metric) for x in models}),
        ("test", {x.name: x.metrics.metrics[metric] for x in models}),
    ):
        if undefined := [model for model, value in measured.items() if value is None]:
            raise MillraceError(
                f"selection.metric: expected {metric} to be defined on the {name} rows, found no "
                f"value for {undefined}.",
                note=f"the {name} rows may hold one class only: give data.split more of them, or "
                "set another selection.metric.",
            )
    sign = 1 if metric in metrics.LOWER_IS_BETTER else -1
    return metric, sorted(models, key=lambda x: (sign * candidates.value(x, metric), x.name))


def _require_same(what: str, found: dict[str, str] | dict[str, int]) -> None:
    if len(set(found.values())) > 1:
        raise MillraceError(
            f"metrics: expected the same {what} for all models, found {found}.",
            note="evaluate the models again, on the same examples.",
        )


def scores(metric: str, ranked: list[Candidate], names: Iterable[str]) -> Scores:
    """Returns the selection metric of the models, in the order of `names`."""
    values = {model.name: candidates.value(model, metric) for model in ranked}
    return Scores(metric, {name: values[name] for name in names})


def leaderboard(metric: str, ranked: list[Candidate]) -> Leaderboard:
    """Returns the ranked models: metrics on the test, what they are ranked by, and their sizes."""
    best = ranked[0]
    return Leaderboard(
        [
            Entry(
                rank=rank,
                model=model.name,
                kind=model.metrics.kind,
                metrics={name: model.tested(name) for name in model.metrics.metrics},
                ranked_by=metric,
                ranked_on=model.compared_on,
                ranking=model.measured(metric),
                behind=None if model is best else candidates.lead(metric, best, model),
                over=model.over,
                runs=len(model.compared),
                parameters=model.parameters,
                bytes=model.metrics.training.bytes,
                epochs=model.metrics.training.epochs,
            )
            for rank, model in enumerate(ranked, start=1)
        ]
    )


def champion(
    metric: str,
    ranked: list[Candidate],
    settings: SelectionConfig,
    also: Sequence[str] = (),
    slices: Sequence[Slice] = (),
) -> Champion:
    """Returns the model to export with its lead over the next and the checks it has to pass.

    `margin` is the lead over the best of the others on the rows used for the comparison. The values
    and the gate are those of the exported model on the test.

    Args:
        metric: the selection metric.
        ranked: the result of `rank`.
        settings: `selection` of the config.
        also: other uses of the rows used for the comparison, see `other_uses`.
        slices: the slices of the champion, see `chosen`.
    """
    winner = chosen(metric, ranked, settings)
    others = [x for x in ranked if x is not winner]
    leads = {x.name: candidates.lead(metric, winner, x) for x in others}
    margin = next(iter(leads.values()), None)
    tested, baseline = winner.metrics.metrics[metric], winner.metrics.baseline[metric]
    assert tested and baseline is not None, "rank refuses a metric that is not defined"
    checks = _checks(metric, tested.value, baseline, settings.gate)
    checks += [
        _slice_check(metric, column, gate, slices) for column, gate in settings.slice_gates.items()
    ]
    return Champion(
        model=winner.name,
        kind=winner.metrics.kind,
        metric=metric,
        value=tested.value,
        low=tested.low,
        high=tested.high,
        choice=_choice(metric, ranked[0], winner, leads, settings, also),
        runner_up=_runner_up(metric, others[0]) if others else None,
        margin=margin.value if margin else None,
        margin_low=margin.low if margin else None,
        margin_high=margin.high if margin else None,
        gate=Gate(passed=all(check.passed for check in checks), checks=checks),
    )


def chosen(metric: str, ranked: list[Candidate], settings: SelectionConfig) -> Candidate:
    """Returns the best of the ranked models; or a smaller one that is nearly as good.

    That is the one with the fewest parameters among those that are worse by at most
    `smallest_within`, or not significantly worse.
    """
    best, within = ranked[0], settings.smallest_within

    def is_near(model: Candidate) -> bool:
        behind = candidates.lead(metric, best, model)
        if settings.smallest_not_significantly_worse:
            # Without an interval, because of too few rows, the model may be worse.
            return behind.low is not None and behind.low <= 0
        return behind.value <= within > 0

    return min([best, *filter(is_near, ranked[1:])], key=lambda x: x.parameters)


def other_uses(job: JobConfig) -> list[str]:
    """Returns the other uses of the rows on which models are compared; none for folds."""
    if job.selection.folds:
        return []
    trained = [model for model in job.models.values() if is_trained(model)]
    uses = {
        "ended the training": bool(trained),
        "weighted the members of an ensemble": any(
            isinstance(x, EnsembleConfig) for x in job.models.values()
        ),
        "calibrated the probabilities": job.training.calibration == "auto",
        "chose among the trials": any(isinstance(x, TrainedConfig) and x.tune for x in trained),
        "set the decision threshold": job.evaluation.threshold == "max_f1",
    }
    return [use for use, is_so in uses.items() if is_so]


def _choice(
    metric: str,
    best: Candidate,
    winner: Candidate,
    leads: dict[str, Interval],
    settings: SelectionConfig,
    also: Sequence[str],
) -> Choice:
    """Returns how the winner was chosen; `leads` are over the other models."""
    measured = winner.measured(metric)
    assert measured is not None, "rank refuses a metric that is not defined"
    rule = "the best"
    if settings.smallest_not_significantly_worse:
        rule = "the smallest that is not significantly worse than the best"
    elif settings.smallest_within:
        rule = f"the smallest within {settings.smallest_within:g} of the best"
    return Choice(
        compared_on=winner.compared_on,
        rows=winner.rows,
        over=winner.over,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        best=best.name,
        rule=rule,
        also=list(also),
        not_separable=[name for name, lead in leads.items() if not _is_apart(lead)],
        warning=_too_few(metric, winner) if leads else None,
    )


def _is_apart(lead: Interval) -> bool:
    return lead.low is not None and lead.high is not None and not lead.low <= 0 <= lead.high


def _too_few(metric: str, winner: Candidate) -> str | None:
    """Returns why the rows are too few for a reliable choice, or None if they suffice."""
    of = [run.comparison for run in winner.compared]
    if reason := next((x.too_small for x in of if x.too_small), None):
        return f"{reason}: no interval can be given, and the order of the models says little"
    # The interval over rows, even if there are several seeds.
    figure, constant = of[0].metrics[metric], of[0].baseline[metric]
    assert figure and figure.low is not None and figure.high is not None, "it is not too small"
    if constant is None:
        return None
    width, gain = figure.high - figure.low, abs(figure.value - constant)
    if width <= WIDEST * gain:
        return None
    return (
        f"{of[0].rows:,} rows, on which the {metric} of {winner.name} is {figure.value:.4g}, 95 %: "
        f"{figure.low:.4g} to {figure.high:.4g}, a constant prediction's {constant:.4g}: models "
        "that differ by less than this interval cannot be told apart"
    )


def _runner_up(metric: str, other: Candidate) -> RunnerUp:
    tested = other.metrics.metrics[metric]
    assert tested, "rank refuses a metric that is not defined"
    return RunnerUp(other.name, tested.value, candidates.value(other, metric))


def _checks(metric: str, value: float, baseline: float, gate: float | None) -> list[Check]:
    better = f"{metric} better than that of a model that always predicts the same"
    checks = [Check(better, baseline, value, metrics.improvement(metric, value, baseline) > 0)]
    if gate is not None:
        passed = metrics.improvement(metric, value, gate) >= 0
        checks.append(Check(f"{metric} not worse than selection.gate", gate, value, passed))
    return checks


def _slice_check(metric: str, column: str, gate: float, slices: Sequence[Slice]) -> Check:
    """Checks a gate on the slices by a column that have enough rows for intervals.

    The text does not name the value of the worst slice, because the report must not show rare
    values.
    """
    key = f"selection.slice_gates.{column}"
    own = [x for x in slices if x.column == column]
    judged = [
        (figure.value, x.rows)
        for x in own
        if (figure := x.metrics[metric]) and figure.low is not None
    ]
    if not judged:
        raise MillraceError(
            f"{key}: expected a slice with enough test rows for an interval, found {len(own)} "
            "slices with too few.",
            note="remove the gate, or give the test more rows.",
        )
    pick = max if metric in metrics.LOWER_IS_BETTER else min
    value, rows = pick(judged)
    text = f"{metric} on the worst of {len(judged)} slices by {column} ({rows:,} rows)"
    if skipped := len(own) - len(judged):
        text += f", {skipped} with too few rows left out,"
    return Check(
        f"{text} not worse than {key}", gate, value, metrics.improvement(metric, value, gate) >= 0
    )


def require_gate(winner: Champion) -> None:
    """Raises MillraceError, with the figures, when the champion fails a check of its gate."""
    for check in winner.gate.checks:
        if not check.passed:
            raise MillraceError(
                f"champion {winner.model!r}: expected {check.check}, "
                f"{check.expected:.6g}; found {check.found:.6g}.",
                note="the leaderboard has all figures, and the model's diagnostics.json those of "
                "its slices; look at the features, or at the anomalies that analyze found.",
            )
