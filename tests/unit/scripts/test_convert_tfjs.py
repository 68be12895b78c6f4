"""convert_tfjs, run on the made job."""

import json


def test_the_model_is_one_topology_and_one_file_of_weights(made_job):
    job = made_job("binary").until("convert_tfjs")
    directory = job.results / "export" / "tfjs"
    assert {path.name for path in directory.iterdir()} == {"model.json", "group1-shard1of1.bin"}
    model = json.loads((directory / "model.json").read_text())
    assert model["format"] == "graph-model"
    assert list(model["signature"]["outputs"]) == ["predictions"]
