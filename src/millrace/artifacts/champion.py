"""champion.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record


@dataclass(frozen=True)
class RunnerUp(Record):
    """The best of the other models.

    Attributes:
        model: its name.
        value: its metric on the test.
    """

    model: str
    value: float


@dataclass(frozen=True)
class Check(Record):
    """A check that the champion has to pass to be exported.

    Attributes:
        check: what is demanded.
        expected: the figure that is to be met.
        found: the champion's.
        passed: whether it is met.
    """

    check: str
    expected: float
    found: float
    passed: bool


@dataclass(frozen=True)
class Gate(Record):
    """All checks.

    Attributes:
        passed: whether every one is.
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
        metric: the metric by which it won.
        value: its metric on the test.
        low: the lower end of the 95 % interval; null where the test is too small for one.
        high: the upper end; null likewise.
        over: what models were compared by: rows, seeds or folds.
        runner_up: the best of the other models; null where there is none.
        margin: by how much it is better than that one, by what they were compared by; positive
            whatever the metric's direction.
        gate: whether it is good enough.
    """

    model: str
    kind: str
    metric: str
    value: float
    low: float | None
    high: float | None
    over: str
    runner_up: RunnerUp | None
    margin: float | None
    gate: Gate
