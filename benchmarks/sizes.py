"""Measures all six models in all runtimes: size, latency of a single row, and differences.

    python benchmarks/sizes.py

Uses a synthetic table with numbers, categories, crosses and missing values, and each model at its
defaults, with few epochs because its size and speed do not depend on how well it has learned.
Writes benchmarks/sizes.json; the table in docs/models.md is made from it.
"""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from millrace import config, models
from millrace.config.models import BoostedTreesConfig
from millrace.config.training import TrainingOverrides
from millrace.export import conversion, parity, runtimes, signature
from millrace.export.serving import export_saved_model
from millrace.features import dataframe
from millrace.features.encoded import Encoded
from millrace.features.raw_row import raw_columns
from millrace.files import write_json
from millrace.models import boosted_trees
from millrace.models.keras_predictor import Head, KerasPredictor
from millrace.training import loop, recipe
from millrace.training.batches import InMemory

import numpy as np
import pandas as pd
import tensorflow as tf

KINDS = ["linear", "dnn", "wide_deep", "dcn", "tabm", "boosted_trees"]
ROWS, TESTED = 20_000, 1000
LEVELS = (4, 12, 50, 300)
FEATURES: dict[str, Any] = {
    **{f"number {i}": "numeric" for i in range(6)},
    **{f"category {count}": "vocabulary" for count in LEVELS},
    "band": {"kind": "bucketized", "column": "number 0", "quantiles": 8},
    "cross of two": {"kind": "crossed", "keys": ["category 4", "category 12"]},
    "cross of three": {"kind": "crossed", "keys": ["category 4", "category 12", "band"]},
}


def main() -> None:
    """Writes sizes.json."""
    rng = np.random.default_rng(0)
    train, validation, test = (make_table(rng, rows) for rows in (ROWS, 2000, TESTED))
    preprocessing = dataframe.fit(train, "label", FEATURES)
    data = tuple(
        Encoded(preprocessing.transform(table), (table["label"] == "yes").to_numpy(np.float32))
        for table in (train, validation)
    )
    rows = {column.name: test[column.name] for column in preprocessing.raw}
    real = {name: parity.as_cells(cells) for name, cells in rows.items()}
    cells = parity.join(real, parity.synthetic_rows(real, preprocessing.raw))
    found = {}
    for kind in KINDS:
        predictor = KerasPredictor(
            preprocessing, fit(kind, preprocessing, data), [Head(preprocessing.task)]
        )
        with tempfile.TemporaryDirectory() as directory:
            found[kind] = measure(predictor, cells, Path(directory))
        print(kind, found[kind], flush=True)
    result = {"rows": len(next(iter(cells.values()))), "models": found}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


def make_table(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Returns a table whose label depends on numbers, on categories and on pairs of them."""
    table = pd.DataFrame({f"number {i}": rng.normal(0, 10, rows).round(2) for i in range(6)})
    for count in LEVELS:
        table[f"category {count}"] = [f"level {i}" for i in rng.integers(0, count, rows)]
    score = table["number 0"] * (table["category 4"] == "level 1") + table["number 1"]
    for column in table.columns:
        table.loc[rng.random(rows) < 0.05, column] = None
    table["label"] = np.where(score + rng.normal(0, 5, rows) > 0, "yes", "no")
    return table


def fit(kind: str, preprocessing: Any, data: tuple[Encoded, Encoded]) -> Any:
    """Returns a model trained for three epochs, or to the end for trees."""
    job = config.complete(
        {"name": "sizes", "data": {"files": "-", "label": "label"}, "models": [kind]}
    )
    settings, spec, task = job.models[kind], preprocessing.spec, preprocessing.task
    if isinstance(settings, BoostedTreesConfig):
        return boosted_trees.fit(settings, spec, task, data, 0).model
    model = models.build(settings, spec, task)
    defaults = models.training_defaults(settings, ROWS)
    used = recipe.settle(job.training, TrainingOverrides(epochs=3), defaults, ROWS)
    loop.train(model, task, used, tuple(map(InMemory, data)), 0)
    return model


def measure(predictor: KerasPredictor, cells: parity.Columns, directory: Path) -> dict[str, Any]:
    """Returns the bytes of each format, the microseconds per row, and the largest difference."""
    columns, task = predictor.preprocessing.raw, predictor.preprocessing.task
    raw = raw_columns(pd.DataFrame(cells), columns)
    saved_model, tfjs = directory / "1", directory / "tfjs"
    export_saved_model(predictor, saved_model)
    tflite = directory / "float32.tflite"
    tflite.write_bytes(conversion.convert_tflite(saved_model))
    reduced = conversion.reduce_tflite(tflite.read_bytes(), "dynamic_range", raw, columns)
    conversion.convert_tfjs(saved_model, tfjs)
    rows = runtimes.Request(directory / "rows.json", directory / "signature.json")
    runtimes.write_rows(rows.rows, cells)
    write_json(rows.signature, signature.describe("sizes", predictor.preprocessing, 0.5))
    runs = {
        "saved_model": partial(runtimes.run_saved_model, saved_model, "serving_default"),
        "tflite": partial(runtimes.run_tflite, tflite),
        "tfjs cpu": partial(runtimes.run_tfjs, tfjs, "cpu"),
        "tfjs wasm": partial(runtimes.run_tfjs, tfjs, "wasm"),
    }
    reference = predictor.predict(raw)
    compared = {
        name: parity.compare(reference, run(rows), task, threshold=0.5, band=1e-5)
        for name, run in runs.items()
    }
    assert all(x.finite and not x.flips.any() for x in compared.values())
    return {
        "parameters": int(sum(np.prod(weight.shape) for weight in predictor.model.weights)),
        "saved_model_bytes": size(saved_model),
        "tflite_bytes": tflite.stat().st_size,
        "dynamic_range_bytes": len(reduced),
        "tfjs_bytes": size(tfjs),
        "tflite_microseconds": conversion.time_tflite(tflite.read_bytes(), raw, columns),
        "max_difference": {name: float(x.differences.max()) for name, x in compared.items()},
    }


def size(directory: Path) -> int:
    """Returns the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    main()
