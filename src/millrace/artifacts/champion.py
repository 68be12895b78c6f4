"""champion.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class Choice(Record):
    """What the champion was chosen by. The test had no part in it.

    Attributes:
        compared_on: the rows that models were compared by: `validation`, or `folds` of the training
            rows.
        rows: how many these are.
        over: what the interval is over: rows, seeds or folds.
        value: the champion's metric on them.
        low: the lower end of the 95 % interval; null where the rows are too few for one.
        high: the upper end; null likewise.
        best: the model that is best on them: the champion, unless a smaller model was asked for.
        rule: why that one is the champion.
        also: what else the same rows were used for, which makes figures on them better than they
            will be.
        not_separable: the models that cannot be told apart from the champion: the 95 % interval of
            the paired difference includes 0, or there is none.
        warning: why the rows are too few to choose by; null where they suffice.
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
        compared: its metric on the rows that models were compared by.
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
        low: the lower end of the 95 % interval; null where the test is too small for one.
        high: the upper end; null likewise.
        choice: what it was chosen by.
        runner_up: the best of the other models; null if there is none.
        margin: by how much it is better than that one on the rows that models were compared by;
            positive whatever the metric's direction.
        margin_low: the lower end of the paired difference's 95 % interval; null where the rows are
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
