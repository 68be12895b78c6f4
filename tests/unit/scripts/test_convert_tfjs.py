"""convert_tfjs, run on the synthetic job."""

import json


def test_the_model_is_one_topology_and_one_file_of_weights(made_job):
    job = made_job("binary").until("convert_tfjs")
    directory = job.results / "export" / "tfjs"
    files = {"model.json", "group1-shard1of1.bin", "conversion.json", ".millrace"}
    assert {path.name for path in directory.iterdir()} == files
    model = json.loads((directory / "model.json").read_text())
    assert model["format"] == "graph-model"
    assert list(model["signature"]["outputs"]) == ["predictions"]


def test_a_model_may_leave_tfjs_out(made_job, tmp_path):
    job = made_job("binary").until("export")
    config = tmp_path / "config.yaml"
    config.write_text(job.config.read_text() + "export: {tfjs: false}\n")
    job.run("convert_tfjs", config=config, output=tmp_path / "tfjs")
    (file,) = (tmp_path / "tfjs").glob("[!.]*")
    assert json.loads(file.read_text()) == {"left_out": "export.tfjs is false"}
