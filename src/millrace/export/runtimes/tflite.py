"""Runs a TF Lite model on raw rows, with nothing but LiteRT: an example for your own device.

python tflite.py --model float32.tflite --signature signature.json --rows rows.json \\
    --output out.json

rows.json is {column: [cell, …]}: a verbatim cell, a number, or null for missing.
"""

import argparse
import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Reads rows, writes predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "signature", "rows", "output"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    inputs = json.loads(Path(arguments.signature).read_text(encoding="utf-8"))["inputs"]
    rows = json.loads(Path(arguments.rows).read_text(encoding="utf-8"))
    predictions = predict(Interpreter(arguments.model), rows, inputs)
    result = {
        "shape": predictions.shape,
        # Non-finite numbers as text: JSON has none.
        "predictions": [x if np.isfinite(x) else str(x) for x in predictions.ravel().tolist()],
    }
    Path(arguments.output).write_text(json.dumps(result), encoding="utf-8")


def predict(
    model: Interpreter, rows: dict[str, list[Any]], inputs: list[dict[str, Any]]
) -> np.ndarray:
    """Returns what a model predicts for rows, [n] or [n, classes]."""
    types = {each["key"]: each["type"] for each in inputs}
    fed = {
        key: np.vectorize(str.encode, otypes=[object])(x)
        if types[key] == "string"
        else np.array(x, np.float32)
        for key, x in tensors(rows, inputs).items()
    }
    function = model.get_signature_runner("serving_default")
    if not fed[inputs[0]["key"]].size:
        # Some kernels refuse a batch without rows.
        shape = function.get_output_details()["predictions"]["shape"]
        return np.zeros((0, *shape[1:]), np.float32)
    predictions: np.ndarray = function(**fed)["predictions"]
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


if __name__ == "__main__":
    main()
