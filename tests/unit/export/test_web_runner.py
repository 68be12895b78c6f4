import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.export.runtimes import NODE
from millrace.export.signature import describe_input
from millrace.features.raw_row import name_columns
from millrace.report.inline_html import WEB
from tests.helpers.artifacts import as_json

FIXTURE = Path(__file__).parents[2] / "fixtures" / "tfjs"

# The fixture's formula: sigmoid(0.03 * (age - 40) + weight of the carrier).
COLUMNS = name_columns({"age": "float32", "carrier": "string"})
WEIGHTS = {"UA": 0.5, "AA": -0.7, "Ü": 1.1}

pytestmark = pytest.mark.skipif(
    not (WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)


def expected(ages: list[float | None], carriers: list[str]) -> np.ndarray:
    age = np.array([40.0 if value is None else value for value in ages])
    weight = np.array([WEIGHTS.get(carrier, 0.1) for carrier in carriers])
    return 1 / (1 + np.exp(-(0.03 * (age - 40) + weight)))


def run_node(
    model: Path, rows: Path, output: Path, backend: str
) -> subprocess.CompletedProcess[str]:
    files = ["--model", model, "--signature", rows.with_name("signature.json"), "--rows", rows]
    arguments = [*files, "--output", output, "--backend", backend]
    command = [str(part) for part in (NODE, WEB / "predict.mjs", *arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def write_rows(path: Path, columns: dict[str, list[Any]]) -> Path:
    path.write_text(json.dumps(columns))
    inputs = as_json([describe_input(column) for column in COLUMNS])
    path.with_name("signature.json").write_text(json.dumps({"inputs": inputs}))
    return path


@pytest.mark.parametrize("backend", ["cpu", "wasm"])
def test_predictions_are_those_of_the_formula(tmp_path: Path, backend: str) -> None:
    # Several batches, whose order must be kept.
    ages = [None, 25.0, 60.5, -3.25, 1e9] * 500
    carriers = ["UA", "", "Ü", "never seen", "AA"] * 500
    rows = write_rows(tmp_path / "rows.json", {"age": ages, "carrier": carriers})
    done = run_node(FIXTURE, rows, tmp_path / "predictions.json", backend)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = json.loads((tmp_path / "predictions.json").read_text())
    assert found["shape"] == [2500]
    np.testing.assert_allclose(found["predictions"], expected(ages, carriers), atol=2e-7)


def test_numbers_that_json_lacks_become_strings(tmp_path: Path) -> None:
    model = json.loads((FIXTURE / "model.json").read_text())
    # The imputing Select's condition picks the age itself where it is missing, once inverted.
    for node in model["modelTopology"]["node"]:
        if node["op"] == "NotEqual":
            node["op"] = "Equal"
    broken = tmp_path / "model"
    broken.mkdir()
    (broken / "model.json").write_text(json.dumps(model))
    for shard in FIXTURE.glob("*.bin"):
        (broken / shard.name).write_bytes(shard.read_bytes())
    rows = write_rows(tmp_path / "rows.json", {"age": [None], "carrier": ["UA"]})
    run_node(broken, rows, tmp_path / "predictions.json", "cpu")
    assert json.loads((tmp_path / "predictions.json").read_text())["predictions"] == ["NaN"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": [1.0]}, "expected the columns of the signature, found missing [carrier]"),
        ({"age": [1.0], "carrier": ["UA"], "x": [1]}, "unknown [x]"),
        ({"age": [1.0, 2.0], "carrier": ["UA"]}, "expected columns of one length"),
        ({"age": 1.0, "carrier": ["UA"]}, "expected {column: [cell, …]}"),
        ({"age": [1.0], "carrier": [1.0]}, "column 'carrier': expected a text, found 1"),
    ],
)
def test_rows_that_do_not_fit_the_model_are_refused(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    rows = write_rows(tmp_path / "rows.json", columns)
    assert_one_error(run_node(FIXTURE, rows, tmp_path / "out.json", "cpu"), message)
    assert not (tmp_path / "out.json").exists()


def test_a_signature_of_another_model_is_refused(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.json", {"age": [1.0], "carrier": ["UA"]})
    inputs = as_json([describe_input(column) for column in COLUMNS[:1]])
    rows.write_text('{"age": [1.0]}')
    (tmp_path / "signature.json").write_text(json.dumps({"inputs": inputs}))
    message = "signature.json: expected the model's inputs [age,carrier], found [age]"
    assert_one_error(run_node(FIXTURE, rows, tmp_path / "out.json", "cpu"), message)


@pytest.mark.parametrize("backend", ["cpu", "wasm"])
def test_no_rows_have_no_predictions(tmp_path: Path, backend: str) -> None:
    rows = write_rows(tmp_path / "rows.json", {"age": [], "carrier": []})
    done = run_node(FIXTURE, rows, tmp_path / "out.json", backend)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text()) == {"shape": [0], "predictions": []}


def test_files_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.json", {"age": [1.0], "carrier": ["UA"]})
    out = tmp_path / "out.json"
    assert_one_error(run_node(tmp_path / "no", rows, out, "cpu"), "no/model.json: expected a file")
    assert_one_error(
        run_node(FIXTURE, tmp_path / "no.json", out, "cpu"), "no.json: expected a file"
    )
    assert_one_error(run_node(FIXTURE, FIXTURE, out, "cpu"), "expected a file that can be read")
    for content in (b"not JSON", b'{"age": [1], "carrier": ["\xff"]}'):
        (tmp_path / "text.json").write_bytes(content)
        assert_one_error(run_node(FIXTURE, tmp_path / "text.json", out, "cpu"), "expected JSON")
    half = tmp_path / "half"
    half.mkdir()
    (half / "model.json").write_bytes((FIXTURE / "model.json").read_bytes())
    assert_one_error(run_node(half, rows, out, "cpu"), "expected the model's weights, found ENOENT")
    shard = next(FIXTURE.glob("*.bin"))
    (half / shard.name).write_bytes(shard.read_bytes()[:30])
    assert_one_error(run_node(half, rows, out, "cpu"), "found a broken one")
    assert_one_error(run_node(FIXTURE, rows, tmp_path / "no" / "out.json", "cpu"), "ENOENT")


def test_backend_and_arguments_are_checked(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.json", {"age": [1.0], "carrier": ["UA"]})
    out = tmp_path / "out.json"
    assert_one_error(run_node(FIXTURE, rows, out, "gpu"), "expected one of cpu,wasm, found gpu")
    done = subprocess.run(
        [str(NODE), str(WEB / "predict.mjs"), "--model", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_error(done, "expected --signature, found none")


def assert_one_error(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_lock_file_holds_checksums_and_no_addresses() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    pinned = json.loads((WEB / "package.json").read_text())
    wanted = {**pinned["dependencies"], **pinned["devDependencies"]}
    for name, version in wanted.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for path, package in lock["packages"].items():
        assert "resolved" not in package, path
        assert path == "" or package["integrity"].startswith("sha512-"), path
