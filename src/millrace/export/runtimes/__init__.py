"""The runtimes of exported models, each run in its own process like by a user.

A runner is a small program that reads raw rows and writes predictions. It is also an example of a
client: it converts cells as signature.json describes (`cells.py`, `web/cells.cjs`).
`saved_model.py` imports only TensorFlow, `tflite.py` only LiteRT, `onnx_runtime.py` only ONNX
Runtime, and `web/predict.mjs` runs in Node; none imports Millrace.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from millrace.errors import MillraceError

_HERE = Path(__file__).parent
NODE = Path(sys.executable).parent / "node"
_TFJS_RUNNER = Path(__file__).parents[4] / "web" / "predict.mjs"


class Request(NamedTuple):
    """The paths of raw rows, {column: [cell, …]}, and of the model's signature.json."""

    rows: Path
    signature: Path


def write_rows(path: Path, cells: Mapping[str, np.ndarray]) -> None:
    """Writes rows as the JSON that all runners read: NaN becomes null, infinity text.

    Args:
        path: where to write.
        cells: cells [n] by column name: numbers, text, None for missing.
    """
    # JSON's doubles represent float32 values exactly.
    columns = {name: [_as_json(cell) for cell in values.tolist()] for name, values in cells.items()}
    path.write_text(json.dumps(columns), encoding="utf-8")


def _as_json(cell: Any) -> Any:
    if cell is None or isinstance(cell, str) or math.isfinite(cell):
        return cell
    # JSON has no infinity; both Python and JavaScript parse this text.
    return None if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"


def run_saved_model(saved_model: Path, function: str, request: Request) -> np.ndarray:
    """Returns the predictions of a SavedModel's function for the rows of a request."""
    runner = [sys.executable, str(_HERE / "saved_model.py"), "--function", function]
    return _run([*runner, "--model", str(saved_model)], request)


def run_tflite(model: Path, request: Request) -> np.ndarray:
    """Returns the predictions of a TF Lite model for the rows of a request."""
    return _run([sys.executable, str(_HERE / "tflite.py"), "--model", str(model)], request)


def run_onnx(model: Path, request: Request) -> np.ndarray:
    """Returns the predictions of an ONNX model, run by Python, for the rows of a request."""
    return _run([sys.executable, str(_HERE / "onnx_runtime.py"), "--model", str(model)], request)


def run_tfjs(model: Path, backend: str, request: Request) -> np.ndarray:
    """Returns the predictions of a TF.js model, run by Node, for the rows of a request."""
    runner = [str(NODE), str(_TFJS_RUNNER), "--backend", backend]
    try:
        return _run([*runner, "--model", str(model)], request)
    except MillraceError as error:
        lacking = re.search(r"Kernel '(\w+)' not registered", str(error))
        if lacking is None:
            raise
        # The converter checks the ops of TF.js, but not those of each backend.
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


def _run(command: list[str], request: Request) -> np.ndarray:
    output = request.rows.with_name("predictions.json")
    output.unlink(missing_ok=True)
    files = ["--signature", str(request.signature), "--rows", str(request.rows)]
    try:
        done = subprocess.run(
            [*command, *files, "--output", str(output)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise MillraceError(
            f"program not found: {command[0]}.", note="`make install` installs it."
        ) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        # The last line of Python's output is the error, that of Node's is its version.
        named = [line for line in lines if re.match(r"[\w.]*Error\b", line)]
        raise MillraceError(
            f"{' '.join(command)}: expected predictions, found: {(named or lines)[-1]}",
            note="run the command by itself to see its whole output.",
        )
    result: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    predictions = np.array([float(x) for x in result["predictions"]], np.float64)
    return predictions.reshape(result["shape"])
