"""A SavedModel as feature in a real job: training, export, and the runtimes without it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.saved_models import save_text
from tests.helpers.synthetic_jobs import CONFIG_FILE, make_folder, snakemake

CONFIG = """
name: made
data: {files: table.csv, label: label}
features:
  rooms: vocabulary
  remark: {kind: saved_model, path: modules/text}
models:
  linear: {kind: linear}
training: {epochs: 5, learning_rate: 0.05}
evaluation: {bootstrap: 20}
export: {tflite: where_possible, tfjs: where_possible}
parity: {rows: 200}
"""


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_module_of_text_reaches_servers_and_the_certificate_says_why(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", "binary")
    table = pd.read_csv(folder / "table.csv")
    # The module counts bytes and words.
    table["remark"] = ["very good" if yes else "no" for yes in table["label"] == "yes"]
    table.to_csv(folder / "table.csv", index=False)
    (folder / CONFIG_FILE).write_text(CONFIG, encoding="utf-8")
    save_text(folder / "modules" / "text")
    snakemake(folder, "--until", "verify")

    results = folder / "results" / "made"
    metrics = json.loads((results / "models" / "linear" / "metrics.json").read_text())
    assert metrics["metrics"]["auc"]["value"] > 0.95
    certificate = json.loads((results / "parity.json").read_text())
    assert certificate["passed"]
    reached = {(entry["runtime"], entry["variant"]) for entry in certificate["runtimes"]}
    signatures = {("saved_model", "serving_default"), ("saved_model", "serving_examples")}
    assert reached == signatures
    reasons = {entry["runtime"]: entry["reason"] for entry in certificate["not_reached"]}
    assert reasons.keys() == {"tflite", "tfjs", "onnx"}
    assert all("StringSplit" in reason for reason in reasons.values()), reasons
