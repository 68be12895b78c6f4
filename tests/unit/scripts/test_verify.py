"""verify, on intact and on broken models."""

import hashlib
import json
import math
import re
import shutil

import pytest

from millrace.errors import MillraceError


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_all_runtimes_agree(made_job, task):
    job = made_job(task).until("verify")
    certificate = json.loads((job.results / "parity.json").read_text())
    assert certificate["passed"]
    for name in (
        "tfjs/model.json",
        "tflite/float32.tflite",
        "onnx/model.onnx",
        "saved_model/saved_model.pb",
    ):
        path = job.results / "export" / name.replace("saved_model/", "saved_model/1/")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert certificate["files"][name] == digest
    assert certificate["real_rows"] == certificate["raw_file_rows"] == 60
    # A file's NA in a column of numbers cannot be sent as a number; in text it can.
    assert certificate["helped_cells"].keys() == {"size (mm)"}
    found = {(entry["runtime"], entry["variant"]) for entry in certificate["runtimes"]}
    assert found >= {
        ("saved_model", "serving_default"),
        ("saved_model", "serving_examples"),
        ("tflite", "float32"),
        ("tfjs", "cpu"),
        ("tfjs", "wasm"),
        ("onnx", "python"),
    }
    stored = certificate["stored_rows"]
    assert (stored["runtime"], stored["rows"]) == ("evaluation", 60)
    for entry in (*certificate["runtimes"], stored):
        assert entry["finite"]
        if not entry["reduced"]:
            assert entry["max_difference"] <= 2e-6


@pytest.mark.slow
def test_a_cell_that_was_stored_as_another_fails_the_job(made_job, tmp_path):
    job = made_job("binary").until("verify")
    text = (job.results / "test.csv").read_text()
    parity = tmp_path / "parity.json"
    try:
        (job.results / "test.csv").write_text(text.replace("Zürich", "Aarhus"))
        expected = r"row \d+ of test\.csv: .* stored as something else: city\."
        with pytest.raises(MillraceError, match=expected) as caught:
            job.run("verify", parity=parity)
        # The log must not contain data.
        assert not re.search("Zürich|Aarhus", str(caught.value))
    finally:
        (job.results / "test.csv").write_text(text)
    assert not parity.exists()


@pytest.mark.slow
def test_a_broken_weight_fails_the_job(made_job, tmp_path):
    job = made_job("binary").until("verify")
    broken = tmp_path / "tfjs"
    shutil.copytree(job.results / "export" / "tfjs", broken)
    weights = broken / "group1-shard1of1.bin"
    content = bytearray(weights.read_bytes())
    topology = json.loads((broken / "model.json").read_text())
    offset = 0
    for weight in topology["weightsManifest"][0]["weights"]:
        if weight["dtype"] == "float32" and len(weight["shape"]) == 2:
            # The high byte of one float of a dense layer.
            content[offset + 3] ^= 0x40
            break
        assert weight["dtype"] in ("float32", "int32", "string")
        for _ in range(math.prod(weight["shape"])):
            # A string is preceded by its length.
            is_text = weight["dtype"] == "string"
            offset += 4 + (int.from_bytes(content[offset : offset + 4], "little") if is_text else 0)
    weights.write_bytes(content)
    parity = tmp_path / "parity.json"
    expected = r"tfjs, cpu\): expected predictions within 5e-05.* in (row \d+ of test\.csv|a synth)"
    with pytest.raises(MillraceError, match=expected):
        job.run("verify", tfjs=broken, parity=parity)
    assert not parity.exists()


@pytest.mark.slow
def test_the_certificate_says_which_runtimes_the_model_does_not_reach(made_job, tmp_path):
    job = made_job("binary").until("verify")
    left_out = {}
    for name in ("tflite", "tfjs", "onnx"):
        left_out[name] = tmp_path / name
        left_out[name].mkdir()
        content = {"left_out": f"{name} lacks Op (node x)", "artifacts": []}
        (left_out[name] / "conversion.json").write_text(json.dumps(content))
    job.run("verify", parity=tmp_path / "parity.json", **left_out)
    certificate = json.loads((tmp_path / "parity.json").read_text())
    assert {entry["runtime"] for entry in certificate["runtimes"]} == {"saved_model"}
    assert certificate["not_reached"] == [
        {"runtime": "tflite", "reason": "tflite lacks Op (node x)"},
        {"runtime": "tfjs", "reason": "tfjs lacks Op (node x)"},
        {"runtime": "onnx", "reason": "onnx lacks Op (node x)"},
    ]
