"""The runtimes that a model ships to, each run as a user would: in a process of its own.

A runner is a small program that reads rows and writes predictions. `saved_model.py` imports
TensorFlow alone, `tflite.py` LiteRT alone, `web/predict.mjs` runs in Node: none knows Millrace.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from millrace.errors import MillraceError
from millrace.features.raw_row import RawColumn

_HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"
_TFJS_RUNNER = Path(__file__).parents[4] / "web" / "predict.mjs"


def write_rows(path: Path, raw: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]) -> None:
    """Writes raw columns [n] as the JSON that all runners read; NaN becomes null, infinity text.

    Args:
        path: where to write.
        raw: the rows, float32 or str [n, …] by column name.
        columns: the raw columns that the model takes.
    """
    rows: dict[str, Any] = {"columns": {}, "types": {}, "features": {}}
    for column in columns:
        values = raw[column.name]
        # A float32's value as the double that JSON holds: nothing is rounded.
        rows["columns"][column.key] = _as_json(values.tolist())
        rows["types"][column.key] = "float32" if column.is_number else "string"
        rows["features"][column.key] = [column.name, column.type, column.delimiter]
    path.write_text(json.dumps(rows), encoding="utf-8")


def _as_json(values: Any) -> Any:
    if isinstance(values, list):
        return [_as_json(x) for x in values]
    if isinstance(values, str) or math.isfinite(values):
        return values
    # JSON has no such numbers. Python and JavaScript both read this text as the number.
    return None if math.isnan(values) else "Infinity" if values > 0 else "-Infinity"


def run_saved_model(saved_model: Path, signature: str, rows: Path) -> np.ndarray:
    """Returns the predictions of a SavedModel's signature for the rows in a file."""
    runner = [sys.executable, str(_HERE / "saved_model.py"), "--signature", signature]
    return _run([*runner, "--model", str(saved_model)], rows)


def run_tflite(model: Path, rows: Path) -> np.ndarray:
    """Returns the predictions of a TF Lite model for the rows in a file."""
    return _run([sys.executable, str(_HERE / "tflite.py"), "--model", str(model)], rows)


def run_tfjs(model: Path, backend: str, rows: Path) -> np.ndarray:
    """Returns the predictions of a TF.js model, run by Node, for the rows in a file."""
    runner = [str(NODE), str(_TFJS_RUNNER), "--backend", backend]
    try:
        return _run([*runner, "--model", str(model)], rows)
    except MillraceError as error:
        lacking = re.search(r"Kernel '(\w+)' not registered", str(error))
        if lacking is None:
            raise
        # The converter knows what TF.js has, not which of its backends.
        raise MillraceError(
            f"{model}: expected ops that TF.js has on {backend}, found {lacking[1]} (node "
            f"{_first_node(model, lacking[1])}).",
            note="leave TF.js out with `export: {tfjs: false}`, or rewrite what uses the op.",
        ) from None


def _first_node(model: Path, op: str) -> str:
    topology = json.loads((model / "model.json").read_text(encoding="utf-8"))["modelTopology"]
    functions = topology.get("library", {}).get("function", [])
    nodes = [*topology["node"], *(x for part in functions for x in part.get("nodeDef", []))]
    return next((str(node["name"]) for node in nodes if node["op"] == op), "unknown")


def _run(command: list[str], rows: Path) -> np.ndarray:
    output = rows.with_name("predictions.json")
    output.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [*command, "--rows", str(rows), "--output", str(output)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise MillraceError(
            f"{command[0]}: expected a program, found none.", note="`make setup` installs it."
        ) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        # Python's last line says what is wrong, Node's is its version.
        named = [line for line in lines if re.match(r"[\w.]*Error\b", line)]
        raise MillraceError(
            f"{' '.join(command)}: expected predictions, found: {(named or lines)[-1]}"
        )
    result: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    predictions = np.array([float(x) for x in result["predictions"]], np.float64)
    return predictions.reshape(result["shape"])
