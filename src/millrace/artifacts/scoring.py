"""<output>.score.json"""

from dataclasses import dataclass

from millrace.artifacts.account import ReadFile, Taken
from millrace.artifacts.records import Artifact


@dataclass(frozen=True)
class Scoring(Artifact):
    """The row account of new rows that were scored: rows read = scored + rejected.

    Attributes:
        model: the champion.
        form: the exported form that was used: saved_model, or the precision of a TF Lite model.
        exported: the SHA-256 of each of its files, as in parity.json.
        task: binary, multiclass or regression.
        threshold: the lowest probability that counts as positive; null for other tasks.
        rows_read: the number of rows in the files.
        scored: the number of rows with a prediction.
        rejected: the number of rows in the file of rejected rows.
        reasons: the number of rejected rows by reason, as `column: kind`.
        files: the files.
        taken: how the files differ from the training table, and how that was handled.
    """

    model: str
    form: str
    exported: dict[str, str]
    task: str
    threshold: float | None
    rows_read: int
    scored: int
    rejected: int
    reasons: dict[str, int]
    files: list[ReadFile]
    taken: list[Taken]
