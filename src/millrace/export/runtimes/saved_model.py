"""Runs a SavedModel on raw rows, with nothing but TensorFlow: an example for your own server.

python saved_model.py --model DIR --function serving_default --signature signature.json \\
    --rows rows.json --output out.json

rows.json is {column: [cell, …]}: a verbatim cell, a number, or null for missing. `cells.py` must
stand beside this file.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def main() -> None:
    """Reads rows, writes predictions."""
    # Found beside this file, when the file is run.
    from cells import run_client  # type: ignore[import-not-found]

    run_client(
        __doc__,
        lambda given, columns, inputs: predict(
            tf.saved_model.load(given.model).signatures, given.function, columns, inputs
        ),
        "function",
    )


def predict(
    signatures: Mapping[str, Callable[..., Any]],
    function: str,
    columns: dict[str, list[Any]],
    inputs: list[dict[str, Any]],
) -> np.ndarray:
    """Returns what a function of a SavedModel predicts, [n] or [n, classes].

    Args:
        signatures: those of the SavedModel.
        function: serving_default or serving_examples.
        columns: rows as `cells.tensors` returns them.
        inputs: those of signature.json.
    """
    if function == "serving_examples":
        fed = {"examples": tf.constant(examples(columns, inputs), tf.string)}
    else:
        types = {each["key"]: tf.dtypes.as_dtype(each["type"]) for each in inputs}
        fed = {key: tf.constant(x, types[key]) for key, x in columns.items()}
    predictions: np.ndarray = signatures[function](**fed)["predictions"].numpy()
    return predictions


def examples(columns: dict[str, Any], inputs: list[dict[str, Any]]) -> list[bytes]:
    """Returns a serialized tf.train.Example for each row; a missing value is left out."""
    serialized = []
    for row in zip(*columns.values(), strict=True):
        example = tf.train.Example()
        for about, value in zip(inputs, row, strict=True):
            if about["max_length"]:
                # What has no delimiter is a text, as its words.
                value = (about["delimiter"] or " ").join(part for part in value if part)
            if value == "" or (not isinstance(value, str) and np.isnan(value).any()):
                continue
            feature = example.features.feature[about["name"]]
            if about["column_type"] in ("int64", "bool"):
                feature.int64_list.value.append(int(value))
            elif about["column_type"] in ("float32", "float64"):
                feature.float_list.value.append(value)
            else:
                feature.bytes_list.value.append(as_text(value, about["column_type"]).encode())
        serialized.append(example.SerializeToString())
    return serialized


def as_text(value: Any, column_type: str) -> str:
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
