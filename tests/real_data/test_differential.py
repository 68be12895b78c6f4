"""Public data sets: a rule derives every cell from the text that the csv module reads."""

import json
from pathlib import Path

import pytest

from tests.helpers.differential import Findings, compare_file, read_cells
from tests.real_data.conftest import DATA

CATALOG = json.loads((DATA / "catalog.json").read_text()) if DATA.is_dir() else []
FILES = [
    (f"{entry['name']}/{file}", entry["label"])
    for entry in CATALOG
    for file in entry["files"]
    if "unlabelled" not in file
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "label"), FILES, ids=lambda value: str(value))
def test_every_cell_is_explained(data: Path, tmp_path: Path, file: str, label: str) -> None:
    names, cells = read_cells(data / file, ",")
    found = Findings()
    compare_file(data / file, label, names, cells, names, tmp_path / "job", found)
    assert found.faults == []
    assert not found.refused
    assert found.rules.total() >= 0.9 * len(cells) * len(names)
