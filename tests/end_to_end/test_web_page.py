"""In a real browser, the page predicts what Keras predicts, without any network request."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace import config
from millrace.export.runtimes import NODE
from millrace.report import page
from millrace.results import Results
from tests.helpers.browser import drive, needs_chromium

SIZE, CITY, COUNT = "size (mm)", "city", "count"
TASKS = ["binary", "multiclass", "regression"]

pytestmark = [pytest.mark.end_to_end, needs_chromium]


def write_page(job: Any, folder: Path) -> Path:
    path = folder / "index.html"
    ready = Results(job.until("verify").results)
    path.write_text(page.build(config.load(job.config), ready), encoding="utf-8")
    return path


def drive_page(path: Path, steps: list[list[Any]]) -> dict[str, Any]:
    found = drive("drive_page.mjs", path, json.dumps(steps))
    assert found["inaccessible"] == []
    return found


def keras_predictions(job: Any, rows: list[dict[str, Any]]) -> np.ndarray:
    """Returns what Keras predicts for rows as the page shows them: null is missing."""
    from millrace import models

    training = job.results / "models" / "dnn" / "training"
    predictor = models.load(job.results / "preprocessing.json", training)
    raw = {
        column.name: (
            np.array([np.nan if (v := row[column.name]) is None else v for row in rows], np.float32)
            if column.is_number
            else np.array([row[column.name] or "" for row in rows], dtype=object)
        )
        for column in predictor.preprocessing.raw
    }
    predictions: np.ndarray = predictor.predict(raw)
    return predictions.reshape(len(rows), -1)


def tolerance(task: str, predictions: np.ndarray) -> Any:
    # The regression label is in the thousands, where float32 is correspondingly coarser.
    return 2e-6 * np.abs(predictions).max() if task == "regression" else 1e-6


@pytest.mark.parametrize("task", TASKS)
def test_shown_prediction_is_that_of_keras(
    made_job: Callable[[str], Any], tmp_path: Path, task: str
) -> None:
    job = made_job(task)
    test_rows = job.tables["test"].head(4)[[SIZE, CITY, COUNT]].astype(object)
    rows = test_rows.where(test_rows.notna(), None).to_dict("records")
    rows.append({SIZE: None, CITY: None, COUNT: None})
    rows.append({SIZE: -1e6, CITY: "Nowhere 🛫", COUNT: 99})
    # 30.1 in the table is a float32; the page gets its JSON representation.
    rows = json.loads(json.dumps(rows, default=float))
    found = drive_page(write_page(job, tmp_path), [["address", row] for row in rows])
    states = found["states"][1:]
    assert [state["row"] for state in states] == [
        {name: row[name] for name in states[0]["row"]} for row in rows
    ]
    expected = keras_predictions(job, rows)
    shown = np.array([state["prediction"] for state in states])
    np.testing.assert_allclose(shown, expected, rtol=0, atol=tolerance(task, expected))
    assert np.ptp(expected[:, 0]) > 0.1


def test_page_predicts_as_one_types(made_job: Callable[[str], Any], tmp_path: Path) -> None:
    job = made_job("binary")
    steps = [
        ["type", SIZE, "31.5"],
        ["type", SIZE, "12"],
        ["choose", CITY, "東京"],
        ["missing", COUNT],
        ["choose", CITY, "another value …"],
        ["type", CITY, "Nowhere"],
        ["type", SIZE, ""],
        ["missing", COUNT],
        ["click", "all-missing"],
        ["focus", CITY],
        ["click", "typical"],
    ]
    states = drive_page(write_page(job, tmp_path), steps)["states"]
    rows = [state["row"] for state in states]
    assert [rows[1][SIZE], rows[2][SIZE], rows[3][CITY]] == [31.5, 12, "東京"]
    assert rows[4][COUNT] is None
    assert (rows[5][CITY], rows[6][CITY], rows[7][SIZE]) == (None, "Nowhere", None)
    assert rows[8][COUNT] == rows[0][COUNT]
    assert set(rows[9].values()) == {None}
    assert rows[11] == rows[0]
    expected = keras_predictions(job, rows)
    shown = np.array([state["prediction"] for state in states])
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-6)
    for state, (probability,) in zip(states, expected, strict=True):
        assert state["answer"] == f"{100 * probability:.2f}%"
        assert f"label = {'yes' if probability >= 0.5 else 'no'}," in state["decision"]


@pytest.mark.parametrize(
    "row",
    [
        {SIZE: None, CITY: "Zürich", COUNT: 2},
        {SIZE: 31.0, CITY: "it's \"odd\"; isn't it", COUNT: None},
    ],
)
def test_shown_command_gives_the_shown_number(
    made_job: Callable[[str], Any], tmp_path: Path, row: dict[str, Any]
) -> None:
    job = made_job("binary")
    state = drive_page(write_page(job, tmp_path), [["address", row]])["states"][1]
    command = state["command"].replace("saved_model_cli", str(NODE.parent / "saved_model_cli"))
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, cwd=job.results, check=False
    )
    assert done.returncode == 0, done.stderr
    value = float(done.stdout.split("predictions:\n[")[1].split("]")[0])
    assert value == pytest.approx(state["prediction"][0], abs=1e-6)
