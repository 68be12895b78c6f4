"""Runs a SavedModel on raw rows, with nothing but TensorFlow: an example for your own server.

python saved_model.py --model DIR --signature serving_default --rows rows.json --output out.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def main() -> None:
    """Reads rows, writes predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "signature", "rows", "output"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    rows = json.loads(Path(arguments.rows).read_text(encoding="utf-8"))
    signature = tf.saved_model.load(arguments.model).signatures[arguments.signature]
    if arguments.signature == "serving_examples":
        inputs = {"examples": tf.constant(examples(rows["columns"], rows["features"]))}
    else:
        inputs = {
            name: tf.constant(
                [float("nan") if x is None else x for x in values], rows["types"][name]
            )
            for name, values in rows["columns"].items()
        }
    predictions = signature(**inputs)["predictions"].numpy()
    result = {
        "shape": predictions.shape,
        # Non-finite numbers as text: JSON has none.
        "predictions": [x if np.isfinite(x) else str(x) for x in predictions.ravel().tolist()],
    }
    Path(arguments.output).write_text(json.dumps(result), encoding="utf-8")


def examples(columns: dict[str, list[Any]], features: dict[str, list[str]]) -> list[bytes]:
    """Returns a serialized tf.train.Example for each row; a missing value is left out."""
    serialized = []
    for row in zip(*columns.values(), strict=True):
        example = tf.train.Example()
        for key, value in zip(columns, row, strict=True):
            if value is None or value == "":
                continue
            name, column_type = features[key]
            feature = example.features.feature[name]
            if column_type in ("int64", "bool"):
                feature.int64_list.value.append(int(value))
            elif column_type in ("float32", "float64"):
                feature.float_list.value.append(value)
            else:
                feature.bytes_list.value.append(value.encode())
        serialized.append(example.SerializeToString())
    return serialized


if __name__ == "__main__":
    main()
