"""signature.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Input(Record):
    """An input of the exported models.

    Attributes:
        name: the raw column.
        key: its name in the signature: the column's, where TensorFlow can take that.
        type: what the model takes: float32 or string.
        column_type: its type in schema.json.
        max_length: of a sequence, how many values the model takes; 0 for one value.
        delimiter: what divides the values of a sequence in a cell.
        missing: the cell texts that mean missing; null where the model was fitted on no file.
        takes_cells: whether the model takes a text as its cell stands in the file.
        written: how the file writes its numbers or times, where that is not as programs write them:
            the application reads them.
    """

    name: str
    key: str
    type: str
    column_type: str
    max_length: int
    delimiter: str
    missing: list[str] | None
    takes_cells: bool
    written: str | None


@dataclass(frozen=True)
class Signature(Artifact):
    """What the exported models take and give.

    Attributes:
        model: the champion.
        inputs: the inputs, in the order of the table.
        output: the name of the output.
        task: binary, multiclass or regression.
        classes: the label's values, of a binary task [negative, positive]; else empty.
        label: the label's column.
        label_type: its type in schema.json.
        label_std: the standard deviation of a regression's label in the training examples, else 1.
        threshold: the probability from which on a row counts as positive; null of other tasks.
    """

    model: str
    inputs: list[Input]
    output: str
    task: str
    classes: list[Value]
    label: str
    label_type: str
    label_std: float
    threshold: float | None
