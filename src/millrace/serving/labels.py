"""Labels as the metrics take them, and the values of slices as artifacts have them."""

from collections.abc import Sequence

import numpy as np

from millrace.artifacts.records import Value
from millrace.artifacts.signature import Signature
from millrace.errors import MillraceError


def slice_value(cell: object) -> Value | None:
    """Returns the value that a slice has: a number or None as it is, anything else as text."""
    return cell if cell is None or isinstance(cell, bool | int | float) else str(cell)


def encode_labels(signature: Signature, labels: Sequence[Value]) -> np.ndarray:
    """Returns labels as `metrics` takes them: a class' index, or the number; [n]."""
    if signature.task == "regression":
        return np.array(labels, np.float64)
    index = {value: place for place, value in enumerate(signature.classes)}
    if unknown := next((x for x in labels if x not in index), None):
        raise MillraceError(
            f"{signature.label}: expected a class out of {signature.classes}, found {unknown!r}.",
            note="the model knows no other classes: correct the label, or train again.",
        )
    return np.array([index[value] for value in labels], np.int64)
