"""convert_onnx, run on the made job."""

import json


def test_the_model_is_one_file_beside_its_description(made_job):
    job = made_job("binary").until("convert_onnx")
    directory = job.results / "export" / "onnx"
    files = {"model.onnx", "conversion.json", ".millrace"}
    assert {path.name for path in directory.iterdir()} == files
    assert json.loads((directory / "conversion.json").read_text()) == {"left_out": None}


def test_a_model_may_leave_onnx_out(made_job, tmp_path):
    job = made_job("binary").until("export")
    config = tmp_path / "config.yaml"
    config.write_text(job.config.read_text() + "export: {onnx: false}\n")
    job.run("convert_onnx", config=config, output=tmp_path / "onnx")
    (file,) = (tmp_path / "onnx").glob("[!.]*")
    assert json.loads(file.read_text()) == {"left_out": "export.onnx is false"}
