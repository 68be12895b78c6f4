"""Requests to the runners, as sent by applications, and the clients' conversion of cells."""

import csv
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from millrace.artifacts.champion import Champion
from millrace.artifacts.signature import Input, Signature
from millrace.export import runtimes
from millrace.export.raw_cells import as_cells
from millrace.export.runtimes.cells import tensors
from millrace.export.signature import describe_input
from millrace.features.raw_row import RawColumn
from millrace.results import Results
from tests.helpers.artifacts import as_json


def write_request(
    folder: Path, cells: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> runtimes.Request:
    """Writes rows and a signature of some columns."""
    request = runtimes.Request(folder / "rows.json", folder / "signature.json")
    runtimes.write_rows(request.rows, cells)
    request.signature.write_text(json.dumps({"inputs": as_json([*map(describe_input, columns)])}))
    return request


def round_trip(root: Path, results: Results, folder: Path) -> dict[str, float]:
    """Sends the test rows, as the csv module reads them, to each exported form.

    Args:
        root: the folder that the raw files' paths begin in.
        results: of a finished job, whose raw files are CSV.
        folder: where the requests may be written.

    Returns:
        By form, the largest difference from predictions.parquet, counted as parity.json counts it.
    """
    champion = Champion.load(results.champion).model
    evaluated = pd.read_parquet(results.run(champion).predictions)
    rows = {}
    for name in evaluated["file"].unique():
        with (root / name).open(encoding="utf-8", newline="") as file:
            rows |= {(name, row): x for row, x in enumerate(csv.DictReader(file), start=1)}
    sent = [rows[place] for place in zip(evaluated["file"], evaluated["row"], strict=True)]
    signature = Signature.load(results.signature)
    request = runtimes.Request(folder / "rows.json", results.signature)
    cells = {x.name: as_cells(row[x.name] for row in sent) for x in signature.inputs}
    runtimes.write_rows(request.rows, cells)
    found = {
        f"saved_model {function}": runtimes.run_saved_model(results.saved_model, function, request)
        for function in ("serving_default", "serving_examples")
    }
    found["tflite"] = runtimes.run_tflite(results.tflite / "float32.tflite", request)
    found["tfjs"] = runtimes.run_tfjs(results.tfjs, "cpu", request)
    expected = evaluated.filter(regex="^prediction").to_numpy().squeeze()
    scale = np.maximum(signature.label_std, np.abs(expected))
    scale = scale if signature.task == "regression" else np.ones_like(expected)
    return {form: float((np.abs(x - expected) / scale).max()) for form, x in found.items()}


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
