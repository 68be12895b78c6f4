"""Converts the SavedModel into TF Lite models, and ships the reduced ones that are good enough."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from millrace import config
from millrace.errors import run
from millrace.evaluation import metrics
from millrace.export import conversion, parity
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import read_raw
from millrace.files import read_json, replacing, write_json
from millrace.tfrecord.examples import shard_paths
from millrace.training import devices

import numpy as np
import tensorflow as tf

# Enough for a stable metric, few enough to be done in seconds.
ROWS_TO_COMPARE = 20_000
ROWS_TO_CALIBRATE = 1_000


def main() -> None:
    """Reads the SavedModel and examples; writes *.tflite and conversion.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "saved-model", "signature", "preprocessing", "examples", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()
    job = config.load(arguments.config)
    convert = partial(conversion.convert_tflite, arguments.saved_model)
    full, left_out = conversion.attempt("tflite", job["export"]["tflite"], convert)
    if full is None:
        with replacing(arguments.output) as directory:
            directory.mkdir()
            write_json(directory / "conversion.json", {"left_out": left_out, "artifacts": []})
        print(f"not converted: {left_out}")
        return
    signature = read_json(arguments.signature)
    threshold = signature["threshold"]
    preprocessing = Preprocessing.load(arguments.preprocessing)
    label, task = preprocessing.label_column, preprocessing.task
    taken = {column["name"] for column in signature["inputs"]}
    raw = tuple(column for column in preprocessing.raw if column.name in taken)

    train, test = (shard_paths(arguments.examples, split) for split in ("train", "test"))
    calibration = read_raw(train, raw, ROWS_TO_CALIBRATE, job["seed"])
    rows = read_raw(test, (*raw, label), ROWS_TO_COMPARE, job["seed"])
    labels = task.decode_labels(task.encode_labels(tf.constant(rows.pop(label.name))).numpy())

    reference = conversion.predict_tflite(full, rows, raw)
    metric = metrics.selection_metric(job["selection"]["metric"], task.kind)

    def score(predictions: np.ndarray) -> float:
        return metrics.evaluate(task.kind, labels, predictions, threshold=threshold)[metric]

    with replacing(arguments.output) as directory:
        directory.mkdir()
        (directory / "float32.tflite").write_bytes(full)
        entries = [describe("float32", full, "the full model") | {"metric": score(reference)}]
        for precision in job["export"]["reduced"]:
            model = conversion.reduce_tflite(full, precision, calibration, raw)
            predictions = conversion.predict_tflite(model, rows, raw)
            compared = parity.compare(reference, predictions, task, threshold, band=0.0)
            differences = {
                "max_difference": float(compared.differences.max()),
                "mean_difference": float(compared.differences.mean()),
                "metric": score(predictions),
                "metric_cost": metrics.improvement(metric, score(reference), score(predictions)),
            }
            fault = conversion.find_fault(differences, job["export"], task.kind, score(reference))
            entry = describe(precision, model, fault or "as good as the full model")
            entries.append(entry | {"shipped": fault is None} | differences)
            if fault is None:
                (directory / f"{precision}.tflite").write_bytes(model)
            print(
                f"{precision}: {'shipped' if fault is None else 'not shipped'}, {entry['reason']}"
            )
        description = {"rows": len(labels), "metric": metric, "artifacts": entries}
        write_json(directory / "conversion.json", {"left_out": None} | description)


def describe(precision: str, model: bytes, reason: str) -> dict[str, Any]:
    """Returns what conversion.json says of a model before it is compared with the full one."""
    return {
        "artifact": f"{precision}.tflite",
        "precision": precision,
        "bytes": len(model),
        "shipped": True,
        "reason": reason,
        "max_difference": 0.0,
        "mean_difference": 0.0,
        "metric_cost": 0.0,
    }


if __name__ == "__main__":
    run(main)
