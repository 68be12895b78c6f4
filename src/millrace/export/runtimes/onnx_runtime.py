"""Runs an ONNX model on raw rows, with nothing but ONNX Runtime: an example for your own server.

python onnx_runtime.py --model model.onnx --signature signature.json --rows rows.json \\
    --output out.json

rows.json is {column: [cell, …]}: a verbatim cell, a number, or null for missing. `cells.py` must
stand beside this file.
"""

from typing import Any

import numpy as np
from onnxruntime import InferenceSession


def main() -> None:
    """Reads rows, writes predictions."""
    # Found beside this file, when the file is run.
    from cells import run_client  # type: ignore[import-not-found]

    run_client(
        __doc__,
        lambda given, columns, inputs: predict(InferenceSession(given.model), columns, inputs),
    )


def predict(
    model: InferenceSession, columns: dict[str, list[Any]], inputs: list[dict[str, Any]]
) -> np.ndarray:
    """Returns what a model predicts, [n] or [n, classes].

    Args:
        model: an ONNX model.
        columns: rows as `cells.tensors` returns them.
        inputs: those of signature.json.
    """
    types = {each["key"]: each["type"] for each in inputs}
    fed = {
        key: np.array(x, object if types[key] == "string" else np.float32)
        for key, x in columns.items()
    }
    if not fed[inputs[0]["key"]].size:
        # Some operations refuse a batch without rows.
        return np.zeros((0, *model.get_outputs()[0].shape[1:]), np.float32)
    predictions: np.ndarray = model.run(["predictions"], fed)[0]
    return predictions


if __name__ == "__main__":
    main()
