"""Runs a SavedModel on raw rows, with nothing but TensorFlow: an example for your own server.

python saved_model.py --model DIR --function serving_default --signature signature.json \\
    --rows rows.json --output out.json

rows.json is {column: [cell, …]}: a verbatim cell, a number, or null for missing.
"""

import argparse
import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def main() -> None:
    """Reads rows, writes predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "function", "signature", "rows", "output"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    inputs = json.loads(Path(arguments.signature).read_text(encoding="utf-8"))["inputs"]
    rows = json.loads(Path(arguments.rows).read_text(encoding="utf-8"))
    signatures = tf.saved_model.load(arguments.model).signatures
    predictions = predict(signatures, arguments.function, rows, inputs)
    result = {
        "shape": predictions.shape,
        # Non-finite numbers as text: JSON has none.
        "predictions": [x if np.isfinite(x) else str(x) for x in predictions.ravel().tolist()],
    }
    Path(arguments.output).write_text(json.dumps(result), encoding="utf-8")


def predict(
    signatures: Mapping[str, Callable[..., Any]],
    function: str,
    rows: dict[str, list[Any]],
    inputs: list[dict[str, Any]],
) -> np.ndarray:
    """Returns what a function of a SavedModel predicts for rows, [n] or [n, classes]."""
    columns = tensors(rows, inputs)
    if function == "serving_examples":
        fed = {"examples": tf.constant(examples(columns, inputs), tf.string)}
    else:
        types = {each["key"]: tf.dtypes.as_dtype(each["type"]) for each in inputs}
        fed = {key: tf.constant(x, types[key]) for key, x in columns.items()}
    predictions: np.ndarray = signatures[function](**fed)["predictions"].numpy()
    return predictions


def tensors(rows: dict[str, list[Any]], inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the models' inputs by key: what an application makes of the cells of a table."""
    return {each["key"]: [as_input(cell, each) for cell in rows[each["name"]]] for each in inputs}


def as_input(cell: Any, about: dict[str, Any]) -> Any:
    """Returns a cell as the models take it; `about` is the column's entry in signature.json."""
    text = cell.strip(" \t") if isinstance(cell, str) else cell
    is_missing = text is None or text == "" or text in (about["missing"] or [])
    if about["column_type"] in ("date", "timestamp"):
        days, seconds = (float("nan"),) * 2 if is_missing else days_and_seconds(text)
        return days if about["column_type"] == "date" else [days, seconds]
    if about["type"] == "float32":
        # A number that means missing, such as -1, the models know themselves.
        return float("nan") if is_missing else as_number(text)
    if about["max_length"]:
        found = [] if is_missing else values(text, about["delimiter"])[: about["max_length"]]
        return found + [""] * (about["max_length"] - len(found))
    if about["missing"] is None:
        return cell or ""
    if about["takes_cells"] and cell is not None and one_space_off(cell) == text:
        return cell
    return "" if is_missing else text


def one_space_off(cell: str) -> str:
    """Returns a text without one space before and one behind it, which the models know."""
    return cell.removeprefix(" ").removesuffix(" ")


def as_number(cell: Any) -> float:
    """Returns a number, or what true and false are as one."""
    truth = {"true": 1.0, "false": 0.0}
    name = str(cell).lower()
    return truth[name] if name in truth else float(cell)


def days_and_seconds(text: str) -> tuple[float, float]:
    """Returns the days since 1970 and the seconds of the day, in UTC, of ISO 8601."""
    time = datetime.fromisoformat(text)
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return float(since.days), since.seconds + since.microseconds / 1e6


def values(text: str, delimiter: str) -> list[str]:
    """Returns the values of a delimited cell, or with no delimiter the words of a text."""
    if delimiter:
        parts = [part.strip(" \t\n\v\f\r") for part in text.split(delimiter)]
        return [part for part in parts if part]
    letters = [x if unicodedata.category(x)[0] in "LMN" else " " for x in text.lower()]
    return "".join(letters).split()


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
