"""champion.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class Choice(Record):
    """How the champion was chosen. The test split was not used for it.

    Attributes:
        compared_on: the rows that models were compared by: `validation`, or `folds` of the training
            rows.
        rows: the number of these rows.
        over: what the interval is over: rows, seeds or folds.
        value: the champion's metric on them.
        low: the lower end of the 95 % interval; null if the rows are too few for one.
        high: the upper end; null likewise.
        best: the best model on these rows; not the champion if the config prefers small models.
        rule: the rule by which the champion was chosen.
        also: what else the same rows were used for, which makes figures on them optimistic.
        not_separable: the models that are not significantly different from the champion: the 95 %
            interval of the paired difference includes 0, or there is none.
        warning: why the rows are too few for a reliable choice; null if they suffice.
    """

    compared_on: str
    rows: int
    over: str
    value: float
    low: float | None
    high: float | None
    best: str
    rule: str
    also: list[str]
    not_separable: list[str]
    warning: str | None


@dataclass(frozen=True)
class RunnerUp(Record):
    """The best of the other models.

    Attributes:
        model: its name.
        value: its metric on the test.
        compared: its metric on the rows used for the comparison.
    """

    model: str
    value: float
    compared: float


@dataclass(frozen=True)
class Check(Record):
    """A check that the champion must pass to be exported.

    Attributes:
        check: what is checked.
        expected: the bound.
        found: the champion's value.
        passed: whether the champion meets it.
    """

    check: str
    expected: float
    found: float
    passed: bool


@dataclass(frozen=True)
class Gate(Record):
    """All checks.

    Attributes:
        passed: whether all checks passed.
        checks: the checks.
    """

    passed: bool
    checks: list[Check]


@dataclass(frozen=True)
class Champion(Artifact):
    """The model that is exported.

    Attributes:
        model: its name.
        kind: its kind.
        metric: the selection metric.
        value: its metric on the test.
        low: the lower end of the 95 % interval; null if the test is too small for one.
        high: the upper end; null likewise.
        choice: how it was chosen.
        runner_up: the best of the other models; null if there is none.
        margin: by how much it is better than the runner-up on the rows used for the comparison;
            positive whatever the metric's direction.
        margin_low: the lower end of the paired difference's 95 % interval; null if the rows are
            too few for one.
        margin_high: the upper end; null likewise.
        gate: the checks for export.
    """

    model: str
    kind: str
    metric: str
    value: float
    low: float | None
    high: float | None
    choice: Choice
    runner_up: RunnerUp | None
    margin: float | None
    margin_low: float | None
    margin_high: float | None
    gate: Gate
