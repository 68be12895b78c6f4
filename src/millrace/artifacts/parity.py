"""parity.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.conversion import Converted
from millrace.artifacts.records import Artifact, Record

# A raw value or a prediction: NaN is null, infinity a text; a sequence or a row's classes a list.
Scalar = int | float | str | None
Cell = Scalar | list[Scalar]


@dataclass(frozen=True)
class WorstRow(Record):
    """The row with the largest difference.

    Attributes:
        index: its place among the rows.
        raw: its raw values by column.
        reference: what the reference predicts.
        prediction: what the runtime predicts.
    """

    index: int
    raw: dict[str, Cell]
    reference: Cell
    prediction: Cell


@dataclass(frozen=True)
class RuntimeParity(Record):
    """One exported model in one runtime, compared with the reference.

    Attributes:
        runtime: saved_model, tflite, tfjs or tf1; evaluation under `stored_rows`.
        variant: the signature, precision or backend.
        artifact: the path of what was run.
        reduced: whether it trades accuracy for size; then only real rows count.
        rows: how many rows were sent.
        max_difference: the largest difference; a text where it is infinite.
        mean_difference: the mean difference.
        class_flips: how many rows are decided otherwise.
        finite: whether every prediction is a finite number.
        bound: the largest difference that passes.
        passed: whether it agrees with the reference.
        worst_row: the row with the largest difference.
    """

    runtime: str
    variant: str
    artifact: str
    reduced: bool
    rows: int
    max_difference: float | str
    mean_difference: float | str
    class_flips: int
    finite: bool
    bound: float
    passed: bool
    worst_row: WorstRow

    @property
    def difference(self) -> float:
        """The largest difference as a number, infinite ones too."""
        return float(self.max_difference)


@dataclass(frozen=True)
class NotReached(Record):
    """A runtime for which there is no model.

    Attributes:
        runtime: tflite or tfjs.
        reason: why.
    """

    runtime: str
    reason: str


@dataclass(frozen=True)
class Parity(Artifact):
    """The certificate that the same raw row gives the same prediction in every runtime.

    Attributes:
        passed: whether it does.
        reference: what the runtimes are compared with.
        model: the champion.
        rows: how many rows were sent to each.
        real_rows: how many of them are test rows.
        raw_file_rows: of how many test rows the cells were read again from the raw file.
        helped_cells: by column, how many cells of test rows an application has to prepare.
        made_rows: how many were made to be difficult: missing, extreme, unseen values.
        refused_rows: how many made rows an old model refuses itself.
        rows_with_unseen_text: of a model that was adopted from TensorFlow 1, the test rows whose
            text only TensorFlow's own hash knows; else null.
        tolerance: the largest difference that passes, of what is not reduced.
        runtimes: each exported model in each runtime.
        stored_rows: the champion on the test rows as ingest stored them, compared with the same
            rows read again from the raw files.
        not_reached: the runtimes for which there is no model.
        not_shipped: the reduced models that are not good enough.
        files: the SHA-256 of each exported file that was run, by its form and path, such as
            `tfjs/model.json`.
    """

    passed: bool
    reference: str
    model: str
    rows: int
    real_rows: int
    raw_file_rows: int
    helped_cells: dict[str, int]
    made_rows: int
    refused_rows: int
    rows_with_unseen_text: int | None
    tolerance: float
    runtimes: list[RuntimeParity]
    stored_rows: RuntimeParity
    not_reached: list[NotReached]
    not_shipped: list[Converted]
    files: dict[str, str]
