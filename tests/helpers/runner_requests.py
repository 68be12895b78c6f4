"""Requests to the runners, as an application would send them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from millrace.export import runtimes
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
