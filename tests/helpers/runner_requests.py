"""Requests to the runners, as applications would send them; what the clients make of cells."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from millrace.artifacts.signature import Input
from millrace.export import runtimes
from millrace.export.runtimes.cells import tensors
from millrace.export.signature import describe_input
from millrace.features.raw_row import RawColumn
from tests.helpers.artifacts import as_json


def write_request(
    folder: Path, cells: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> runtimes.Request:
    """Writes rows and a signature of some columns."""
    request = runtimes.Request(folder / "rows.json", folder / "signature.json")
    runtimes.write_rows(request.rows, cells)
    request.signature.write_text(json.dumps({"inputs": as_json([*map(describe_input, columns)])}))
    return request


CLIENTS = ["cells.py", "cells.cjs"]
_SCRIPT = """
const { CellError, modelValue } = require("./cells.cjs");
const { sent, inputs } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const make = (about, cell) => {
  try {
    return modelValue(about, cell);
  } catch (error) {
    if (error instanceof CellError) return error.message;
    throw error;
  }
};
const made = inputs.map((about) => [about.name, sent[about.name].map((cell) => make(about, cell))]);
process.stdout.write(JSON.stringify(Object.fromEntries(made)));
"""


def model_values(
    client: str, sent: Mapping[str, Sequence[object]], inputs: Sequence[Input]
) -> dict[str, list[object]]:
    """Returns what a client makes of the cells of each column; a text for one that it refuses."""
    described = [about for about in as_json([*inputs]) if about["name"] in sent]
    if client == "cells.py":
        return {x["name"]: [_make(x, cell) for cell in sent[x["name"]]] for x in described}
    done = subprocess.run(
        [str(runtimes.NODE), "--eval", _SCRIPT],
        input=json.dumps({"sent": sent, "inputs": described}),
        capture_output=True,
        text=True,
        check=True,
        cwd=runtimes._TFJS_RUNNER.parent,
    )
    made: dict[str, list[object]] = json.loads(done.stdout)
    return made


def _make(about: dict[str, object], cell: object) -> object:
    try:
        return tensors({str(about["name"]): [cell]}, [about])[str(about["key"])][0]
    except ValueError as error:
        return str(error)
