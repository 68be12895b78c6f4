"""parity.json"""

from __future__ import annotations

from dataclasses import dataclass

from millrace.artifacts.conversion import Converted
from millrace.artifacts.records import Artifact, Record

# A raw value or a prediction. NaN is null, infinity is text; sequences and the probabilities of
# several classes are lists.
Scalar = int | float | str | None
Cell = Scalar | list[Scalar]


@dataclass(frozen=True)
class WorstRow(Record):
    """The row with the largest difference.

    Attributes:
        index: its index among the rows.
        raw: its raw values by column.
        reference: the prediction of the reference.
        prediction: the prediction of the runtime.
    """

    index: int
    raw: dict[str, Cell]
    reference: Cell
    prediction: Cell


@dataclass(frozen=True)
class RuntimeParity(Record):
    """One exported model in one runtime, compared with the reference.

    Attributes:
        runtime: saved_model, tflite, tfjs, onnx or tf1; evaluation under `stored_rows`.
        variant: the signature, precision, backend or language.
        artifact: the path of the model that was run.
        reduced: whether it has reduced precision; then only test rows count.
        rows: the number of rows.
        max_difference: the largest difference; a text if infinite.
        mean_difference: the mean difference.
        class_flips: rows with another decision.
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
        """The largest difference as a number, also if it is infinite."""
        return float(self.max_difference)


@dataclass(frozen=True)
class NotReached(Record):
    """A runtime for which there is no model.

    Attributes:
        runtime: tflite, tfjs or onnx.
        reason: why there is none.
    """

    runtime: str
    reason: str


@dataclass(frozen=True)
class Parity(Artifact):
    """The certificate that the same raw row gives the same prediction in every runtime.

    Attributes:
        passed: whether all runtimes agree with the reference.
        reference: what the runtimes are compared with.
        model: the champion.
        rows: the number of rows sent to each runtime.
        real_rows: the test rows among them.
        raw_file_rows: the test rows whose cells were read again from the raw file.
        helped_cells: by column, the cells of test rows that an application must prepare.
        synthetic_rows: the synthetic rows among them: missing, extreme and unseen values.
        refused_rows: synthetic rows that an old model refuses.
        rows_with_unseen_text: for a model adopted from TensorFlow 1, the test rows with text not
            seen in training, which only TensorFlow can hash; else null.
        tolerance: the largest difference that passes at full precision.
        runtimes: each exported model in each runtime.
        stored_rows: the champion on the test rows as ingest stored them, compared with the same
            rows read again from the raw files.
        not_reached: runtimes without a model.
        not_shipped: reduced models that are not accurate enough.
        files: the SHA-256 of each exported file that was run, by format and path, such as
            `tfjs/model.json`.
    """

    passed: bool
    reference: str
    model: str
    rows: int
    real_rows: int
    raw_file_rows: int
    helped_cells: dict[str, int]
    synthetic_rows: int
    refused_rows: int
    rows_with_unseen_text: int | None
    tolerance: float
    runtimes: list[RuntimeParity]
    stored_rows: RuntimeParity
    not_reached: list[NotReached]
    not_shipped: list[Converted]
    files: dict[str, str]
