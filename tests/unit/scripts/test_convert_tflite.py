"""convert_tflite, run on the synthetic job."""

import json


def run(job, tmp_path, export):
    config = tmp_path / "config.yaml"
    config.write_text(job.config.read_text() + f"export: {export}\n")
    job.run("convert_tflite", config=config, output=tmp_path / "tflite")
    description = json.loads((tmp_path / "tflite" / "conversion.json").read_text())
    shipped = {path.stem for path in (tmp_path / "tflite").glob("*.tflite")}
    return {entry["precision"]: entry for entry in description["artifacts"]}, shipped


def test_what_is_near_enough_is_shipped(made_job, tmp_path):
    job = made_job("binary").until("export")
    artifacts, shipped = run(job, tmp_path, "{max_difference: 0.5, max_metric_cost: 0.5}")
    assert shipped == {"float32", "float16", "dynamic_range", "int8"}
    assert artifacts["float16"]["bytes"] < artifacts["float32"]["bytes"]
    assert 0 < artifacts["int8"]["max_difference"] < 0.5


def test_what_is_not_stays_out_with_the_reason(made_job, tmp_path):
    job = made_job("regression").until("export")
    artifacts, shipped = run(job, tmp_path, "{max_difference: 1.0e-9}")
    assert shipped == {"float32"}
    assert not artifacts["int8"]["shipped"]
    assert "more than export.max_difference, 1e-09" in artifacts["int8"]["reason"]


def test_a_model_may_leave_tflite_out(made_job, tmp_path):
    job = made_job("regression").until("export")
    artifacts, shipped = run(job, tmp_path, "{tflite: false}")
    assert not artifacts
    assert not shipped
    description = json.loads((tmp_path / "tflite" / "conversion.json").read_text())
    assert description["left_out"] == "export.tflite is false"
