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
                np.array(values, np.float32 if rows["types"][name] == "float32" else object)
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
            name, column_type, delimiter = features[key]
            if column_type == "string" and isinstance(value, list):
                # What has no delimiter is a text, as its words.
                value = (delimiter or " ").join(part for part in value if part)
            if value is None or value == "" or value == [None, None]:
                continue
            feature = example.features.feature[name]
            if column_type in ("int64", "bool"):
                feature.int64_list.value.append(int(value))
            elif column_type in ("float32", "float64"):
                feature.float_list.value.append(value)
            else:
                feature.bytes_list.value.append(text(value, column_type).encode())
        serialized.append(example.SerializeToString())
    return serialized


def text(value: Any, column_type: str) -> str:
    """Returns a string, or a date (days since 1970) or timestamp (days, seconds) as ISO 8601."""
    if column_type == "date":
        return str(np.datetime64(int(value), "D"))
    if column_type == "timestamp":
        days, seconds = value
        time = np.datetime64(int(days), "D") + np.timedelta64(round(seconds * 1e6), "us")
        return f"{time}Z"
    return str(value)


if __name__ == "__main__":
    main()
