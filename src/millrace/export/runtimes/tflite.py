"""Runs a TF Lite model on raw rows, with nothing but LiteRT: an example for your own device.

python tflite.py --model float32.tflite --signature signature.json --rows rows.json \\
    --output out.json

rows.json is {column: [cell, …]}: a verbatim cell, a number, or null for missing. `cells.py` must
stand beside this file.
"""

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Reads rows, writes predictions."""
    # Found beside this file, when the file is run.
    from cells import run_client  # type: ignore[import-not-found]

    run_client(
        __doc__,
        lambda given, columns, inputs: predict(Interpreter(given.model), columns, inputs),
    )


def predict(
    model: Interpreter, columns: dict[str, list[Any]], inputs: list[dict[str, Any]]
) -> np.ndarray:
    """Returns what a model predicts, [n] or [n, classes].

    Args:
        model: a TF Lite model.
        columns: rows as `cells.tensors` returns them.
        inputs: those of signature.json.
    """
    types = {each["key"]: each["type"] for each in inputs}
    fed = {
        key: np.vectorize(str.encode, otypes=[object])(x)
        if types[key] == "string"
        else np.array(x, np.float32)
        for key, x in columns.items()
    }
    function = model.get_signature_runner("serving_default")
    if not fed[inputs[0]["key"]].size:
        # Some kernels refuse a batch without rows.
        shape = function.get_output_details()["predictions"]["shape"]
        return np.zeros((0, *shape[1:]), np.float32)
    predictions: np.ndarray = function(**fed)["predictions"]
    return predictions


if __name__ == "__main__":
    main()
