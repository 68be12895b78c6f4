"""A small synthetic job whose stages run in this process, as far as a test needs them."""

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from millrace.results import Results

# Imported before TensorFlow: millrace sets what TensorFlow reads from the environment.
from millrace.statistics import statistics
from tests.helpers.artifacts import champion_of, metrics_of, schema_of

ROOT = Path(__file__).parents[1]
SPLIT_ROWS = {"train": 1200, "validation": 300, "test": 400}
SCHEMA_TYPES = {"size (mm)": "float32", "count": "int64", "city": "string", "label": "string"}

CONFIG = """
name: made
data: {files: made.csv, label: label}
features:
  size: {kind: numeric, column: size (mm)}
  count: vocabulary
  city: {kind: vocabulary, min_count: 3}
  size_bucket: {kind: bucketized, column: size (mm), quantiles: 4}
  city_by_size: {kind: crossed, keys: [city, size_bucket], buckets: 20}
  city_embedding: {kind: embedding, of: city, dimension: 3}
models:
  linear: {kind: linear}
  dnn: {kind: dnn, hidden_units: [16, 8]}
training: {epochs: 4, learning_rate: 0.02}
parity: {rows: 60}
"""


def make_table(task: str, rows: int, seed: int) -> pd.DataFrame:
    """Returns a table with missing values whose label depends on all columns."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size (mm)": rng.normal(30, 8, rows).astype(np.float32),
            "count": rng.integers(0, 4, rows),
            "city": rng.choice(["Aarhus", "Zürich", "São Paulo", "東京"], rows),
        }
    )
    signal = (table["size (mm)"] - 30) / 8 + table["count"] + 2 * (table["city"] == "Zürich")
    score = signal + rng.normal(0, 0.5, rows)
    table.loc[rng.random(rows) < 0.1, "size (mm)"] = np.nan
    table.loc[rng.random(rows) < 0.05, "city"] = None
    if task == "regression":
        table["label"] = (score * 100 + 5000).astype(np.float32)
    elif task == "binary":
        table["label"] = np.where(score > 2, "yes", "no")
    else:
        table["label"] = np.select([score < 1, score < 3], ["low", "middle"], "high")
    return table


def write_examples(path: Path, table: pd.DataFrame, types: dict[str, str]) -> None:
    """Writes a table as tf.train.Example with TensorFlow's own writer."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in table.to_dict("records"):
            example = tf.train.Example()
            for name, value in row.items():
                if pd.isna(value):
                    continue
                feature = example.features.feature[name]
                if types[name] == "int64":
                    feature.int64_list.value.append(value)
                elif types[name] == "float32":
                    feature.float_list.value.append(value)
                else:
                    feature.bytes_list.value.append(value.encode())
            writer.write(example.SerializeToString(deterministic=True))


def write_origins(examples: Path, split: str, rows: int) -> None:
    """Writes the origins of a split's examples: the rows of one file per split."""
    from millrace.ingestion import origins

    file = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [f"{split}.csv"])
    numbers = pa.array(np.arange(1, rows + 1))
    writer = origins.OriginWriter(examples, split, [])
    writer.write(pa.Table.from_arrays([file, numbers], schema=origins.fields([])))
    writer.close()


def write_file(path: Path, table: pd.DataFrame) -> None:
    """Writes the raw file of a table: a space behind some commas, and NA for missing values."""
    spaced = table.astype(object).where(table.notna(), "NA")
    spaced["city"] = [f" {city}" if row % 3 else city for row, city in enumerate(spaced["city"])]
    spaced.to_csv(path, index=False)


class MadeJob:
    """The artifacts of a synthetic job under `results`; each stage runs when it is first needed."""

    def __init__(self, directory: Path, task: str) -> None:
        from millrace.tfrecord import examples

        self.results = directory
        self.config = directory / "config.yaml"
        self.config.write_text(CONFIG, encoding="utf-8")
        types = SCHEMA_TYPES | ({"label": "float32"} if task == "regression" else {})
        schema = schema_of(types)
        marked = [replace(x, missing_values=["", "NA"]) for x in schema.columns]
        results, schema = Results(directory), replace(schema, columns=marked)
        schema.save(results.schema)
        (directory / "examples").mkdir()
        self.tables = {}
        for seed, (split, rows) in enumerate(SPLIT_ROWS.items()):
            self.tables[split] = make_table(task, rows, seed)
            shard = directory / "examples" / f"{split}-00000-of-00001.tfrecord"
            write_examples(shard, self.tables[split], types)
            write_origins(directory / "examples", split, rows)
            write_file(directory / f"{split}.csv", self.tables[split])
        batches = {
            split: examples.read_batches(
                examples.shard_paths(directory / "examples", split), schema.types
            )
            for split in SPLIT_ROWS
        }
        statistics.compute(batches, schema).save(results.statistics)
        self._done: set[str] = set()

    def run(self, stage: str, **arguments: object) -> None:
        """Runs a stage's script in this process, with the arguments of the workflow by default."""
        r = self.results
        paths = {
            "config": self.config,
            "examples": r / "examples",
            "schema": r / "schema.json",
            "statistics": r / "statistics.json",
            "preprocessing": r / "preprocessing.json",
            "features": r / "features.yaml",
            "encoded": r / "encoded",
            "hardware": r / "hardware.json",
            "models": r / "models",
            "champion": r / "champion.json",
            "saved_model": r / "export" / "saved_model" / "1",
            "signature": r / "export" / "signature.json",
            "tflite": r / "export" / "tflite",
            "tfjs": r / "export" / "tfjs",
            "onnx": r / "export" / "onnx",
            "parity": r / "parity.json",
        }
        uses = {
            "preprocess": "config examples schema statistics preprocessing features encoded",
            "rehearse": "config preprocessing examples",
            "train": "config preprocessing encoded models hardware",
            "export": "champion models preprocessing saved_model signature",
            "convert_tflite": "config saved_model signature preprocessing examples",
            "convert_tfjs": "config saved_model",
            "convert_onnx": "config saved_model signature",
            "verify": "config champion models preprocessing examples saved_model signature tflite"
            " tfjs onnx parity",
        }
        merged = {name: paths[name] for name in uses[stage].split()} | arguments
        # Paths of raw files are relative to the folder of the job.
        with contextlib.chdir(self.results):
            call_script(stage, merged)

    def until(self, stage: str, model: str = "dnn") -> "MadeJob":
        """Runs the stages up to the one named that have not run yet."""
        r = self.results
        steps: dict[str, Callable[[], None]] = {
            "preprocess": lambda: self.run("preprocess"),
            "train": lambda: self.run(
                "train", model=model, output=r / "models" / model / "training"
            ),
            "export": lambda: self._export(model),
            "convert_tflite": lambda: self.run("convert_tflite", output=r / "export" / "tflite"),
            "convert_tfjs": lambda: self.run("convert_tfjs", output=r / "export" / "tfjs"),
            "convert_onnx": lambda: self.run("convert_onnx", output=r / "export" / "onnx"),
            "verify": lambda: self.run("verify"),
        }
        for name, step in steps.items():
            if name not in self._done:
                step()
                self._done.add(name)
            if name == stage:
                break
        return self

    def _export(self, model: str) -> None:
        champion_of(model).save(self.results / "champion.json")
        metrics_of(model, {}).save(self.results / "models" / model / "metrics.json")
        self.run("export")


def call_script(stage: str, arguments: dict[str, object]) -> None:
    """Calls the `main` of scripts/<stage>.py with named arguments; errors propagate."""
    path = ROOT / "scripts" / f"{stage}.py"
    spec = importlib.util.spec_from_file_location(f"script_{stage}", path)
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    argv = [str(path)]
    for name, value in arguments.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    before, sys.argv = sys.argv, argv
    try:
        script.main()
    finally:
        sys.argv = before


@pytest.fixture(scope="session")
def made_job(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MadeJob]:
    """Returns a function from a task to its synthetic job, which tests share and do not change."""
    jobs: dict[str, MadeJob] = {}

    def get(task: str) -> MadeJob:
        if task not in jobs:
            jobs[task] = MadeJob(tmp_path_factory.mktemp(task), task)
        return jobs[task]

    return get
