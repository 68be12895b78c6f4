"""signature.json"""

from dataclasses import dataclass

from millrace.artifacts.records import Artifact, Record, Value


@dataclass(frozen=True)
class Input(Record):
    """An input of the exported models.

    Attributes:
        name: the raw column.
        key: its name in the signature: the column's, if TensorFlow allows it.
        type: what the model takes: float32 or string.
        column_type: its type in schema.json.
        max_length: for a sequence, the number of values that the model takes; 0 for a single value.
        delimiter: the separator of a sequence's values in a cell.
        missing: the cell texts that mean missing; null if the model was fitted on a table in
            memory.
        takes_cells: whether the model takes text cells verbatim.
        decimal: the decimal separator of numbers, if the file does not write them as programs do;
            the application parses them.
        thousands: their thousands separator, "" for none.
        format: the format of dates or times, for strptime, if the file does not write them in
            ISO 8601; the application parses them.
    """

    name: str
    key: str
    type: str
    column_type: str
    max_length: int
    delimiter: str
    missing: list[str] | None
    takes_cells: bool
    decimal: str | None
    thousands: str | None
    format: str | None


@dataclass(frozen=True)
class Signature(Artifact):
    """Inputs and outputs of the exported models.

    Attributes:
        model: the champion.
        inputs: the inputs, in the order of the table.
        output: the name of the output.
        task: binary, multiclass or regression.
        classes: the label's values, for a binary task [negative, positive]; empty for a regression.
        label: the label's column.
        label_type: its type in schema.json.
        label_std: for a regression, the standard deviation of the label in the training examples;
            else 1.
        threshold: the lowest probability that counts as positive; null for other tasks.
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
