"""export, run on the made job."""

import json


def test_signature_says_what_the_model_takes_and_gives(made_job):
    job = made_job("binary").until("export")
    signature = json.loads((job.results / "export" / "signature.json").read_text())
    keys = ("name", "key", "type", "column_type")
    assert [[entry[key] for key in keys] for entry in signature["inputs"]] == [
        ["size (mm)", "size__mm_", "float32", "float32"],
        ["count", "count", "float32", "int64"],
        ["city", "city", "string", "string"],
    ]
    assert signature["classes"] == ["no", "yes"]
    assert signature["output"] == "predictions"
    assert signature["threshold"] == 0.5
    saved_model = job.results / "export" / "saved_model" / "1"
    assert sorted(path.name for path in saved_model.rglob("*") if path.is_file()) == [
        "saved_model.pb",
        "variables.data-00000-of-00001",
        "variables.index",
    ]
