"""Runs a TF Lite model on raw rows, with nothing but LiteRT: an example for your own device.

python tflite.py --model float32.tflite --rows rows.json --output out.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Reads rows, writes predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "rows", "output"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    rows = json.loads(Path(arguments.rows).read_text(encoding="utf-8"))
    signature = Interpreter(arguments.model).get_signature_runner("serving_default")
    inputs = {
        name: np.vectorize(str.encode, otypes=[object])(values)
        if rows["types"][name] == "string"
        else np.array(values, np.float32)
        for name, values in rows["columns"].items()
    }
    predictions = signature(**inputs)["predictions"]
    result = {
        "shape": predictions.shape,
        # Non-finite numbers as text: JSON has none.
        "predictions": [x if np.isfinite(x) else str(x) for x in predictions.ravel().tolist()],
    }
    Path(arguments.output).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
