"""Measures feature columns: learning compared with Keras' adapt(), encoding by kind, and reading.

    python benchmarks/feature_columns.py [--rows 1000000]

The table has 15 columns: 6 floats, 3 integers, 6 strings of 4 to 75,000 different values, 2 %
missing, and additional sequences and times. Each part runs in its own process; imports and
compilation count towards its memory, not its time. Learning and adapt() alternate, and the
fastest run of each counts, with the files in the system's cache. Takes 4 minutes on 2 idle cores.
A run with all million rows writes benchmarks/feature_columns.json, from which
feature_columns_table.py makes the tables in docs/feature-columns.md; a shorter one only prints its
results.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from made_columns import ALL, KEPT, KINDS, NUMBERS, STRINGS, make, table

RESULT = Path(__file__).with_suffix(".json")
ROWS = 1_000_000
ROUNDS = 2
ROWS_PER_BATCH = 4096
# The value of `batch_size: auto` for a million rows.
TRAINING_BATCH = 1024

Result = dict[str, Any]


@contextmanager
def measured(result: Result, rows: int) -> Iterator[None]:
    """Adds the block's CPU and wall-clock seconds, and its rows per CPU second."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    seconds = time.process_time() - cpu
    result["cpu_seconds"] = round(seconds, 2)
    result["wall_seconds"] = round(time.perf_counter() - wall, 2)
    result["rows_per_cpu_second"] = round(rows / seconds)


def learn(rows: int) -> Result:
    """Computes statistics of the training examples with Millrace, then fits 15 feature columns."""
    from millrace.config.features import features_of
    from millrace.features import preprocessing
    from millrace.statistics import statistics
    from millrace.tfrecord import examples

    schema, paths = make(rows)

    def from_shards(shards: list[Path]) -> None:
        batches = examples.read_batches(shards, schema.types)
        described = statistics.describe({"train": batches}, schema)
        preprocessing.learn(features_of(ALL), schema, described)

    from_shards(paths[:1])
    result: Result = {}
    with measured(result, rows):
        from_shards(paths)
    return result


def adapt(rows: int) -> Result:
    """Adapts a Keras Normalization per number and a StringLookup per string, one pass each."""
    import keras
    import tensorflow as tf

    schema, paths = make(rows)
    dtypes = {"float32": tf.float32, "int64": tf.int64, "string": tf.string}
    types = {name: dtypes[type_] for name, type_ in schema.types.items()}

    def read(names: list[str]) -> Any:
        features = {
            name: tf.io.FixedLenFeature([], types[name], "" if types[name] == tf.string else 0)
            for name in names
        }
        serialized = tf.data.TFRecordDataset([str(path) for path in paths]).batch(8192)
        return serialized.map(lambda batch: tf.io.parse_example(batch, features))

    def stack(columns: dict[str, Any]) -> Any:
        return tf.stack([tf.cast(column, tf.float32) for column in columns.values()], axis=1)

    keras.layers.Normalization().adapt(read(NUMBERS).take(1).map(stack))
    result: Result = {}
    with measured(result, rows):
        keras.layers.Normalization().adapt(read(NUMBERS).map(stack))
        for name in STRINGS:
            keras.layers.StringLookup().adapt(read([name]).map(lambda x: next(iter(x.values()))))
    return result


def rate(call: Callable[[Any], Any], batches: list[Any], rows: int, size: int) -> Result:
    """Calls a function with batches, repeatedly, until it has processed enough rows."""
    call(batches[0])
    result: Result = {}
    count = -(-rows // size)
    with measured(result, count * size):
        for batch in islice(cycle(batches), count):
            call(batch)
    return result


def batches_of(parts: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """Returns arrays [n, …] as tensors in full batches; remaining rows are dropped."""
    import tensorflow as tf

    rows = len(next(iter(parts.values())))
    return [
        {name: tf.constant(x[start : start + size]) for name, x in parts.items()}
        for start in range(0, rows - size + 1, size)
    ]


def encode(rows: int) -> dict[str, Result]:
    """Encodes with each kind and with all columns, from raw columns; then from tf.Example."""
    from millrace.features import dataframe
    from millrace.features.raw_row import parse_examples, raw_columns

    import tensorflow as tf

    made, results = table(KEPT), {}
    for name, features in KINDS.items():
        learned = dataframe.fit(made, "label", features)
        call = tf.function(learned.encode, reduce_retracing=True)
        batches = batches_of(raw_columns(made, learned.raw), ROWS_PER_BATCH)
        results[name] = rate(call, batches, rows // 4, ROWS_PER_BATCH)

    learned = dataframe.fit(made, "label", ALL)

    @tf.function
    def from_examples(serialized: Any) -> Any:
        return learned.encode(parse_examples(serialized, learned.raw))

    _, (shard, *_) = make(rows)
    serialized = [*tf.data.TFRecordDataset(str(shard)).batch(ROWS_PER_BATCH, drop_remainder=True)]
    name = "all 15, from tf.train.Example"
    results[name] = rate(from_examples, serialized, rows // 4, ROWS_PER_BATCH)
    encoded = learned.transform(made)
    results["a training step of dnn"] = train(learned, encoded, rows // 5)
    results["reading encoded/ back"] = read(learned, encoded, rows)
    return results


def train(learned: Any, encoded: dict[str, Any], rows: int) -> Result:
    """Trains a step of the default dnn."""
    from millrace import config, models

    import keras
    import tensorflow as tf

    data = {"files": "-", "label": "label"}
    job = config.complete({"name": "x", "data": data, "models": ["dnn"]})
    model = models.build(job.models["dnn"], learned.spec, learned.task)
    loss, optimizer = learned.task.loss(), keras.optimizers.AdamW()
    optimizer.build(model.trainable_variables)
    size = TRAINING_BATCH

    @tf.function
    def step(inputs: dict[str, Any]) -> None:
        with tf.GradientTape() as tape:
            value = loss(tf.zeros([size, 1]), model(inputs, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return rate(step, batches_of(encoded, size), rows, size)


def read(learned: Any, inputs: dict[str, Any], rows: int) -> Result:
    """Reads encoded rows back into memory, in blocks as preprocess writes them."""
    from millrace.features import encoded

    import numpy as np

    path = make(rows)[1][0].with_name("encoded.tfrecord")
    labels = np.zeros(ROWS_PER_BATCH, np.float32)
    blocks = [
        encoded.Encoded({name: part.numpy() for name, part in batch.items()}, labels)
        for batch in batches_of(inputs, ROWS_PER_BATCH)
    ]
    written = encoded.write(path, islice(cycle(blocks), -(-rows // ROWS_PER_BATCH)))
    encoded.read(path, learned.spec)
    result: Result = {}
    with measured(result, written):
        encoded.read(path, learned.spec)
    path.unlink()
    return result


PARTS = {part.__name__: part for part in (learn, adapt, encode)}


def run(part: str, rows: int) -> Any:
    """Returns the measurements of a part, run in its own process."""
    command = [sys.executable, __file__, "--part", part, "--rows", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Runs each part in its own process, and writes the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--part", choices=PARTS)
    arguments = parser.parse_args()
    if arguments.part:
        result = PARTS[arguments.part](arguments.rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps(result | ({} if arguments.part == "encode" else {"peak_mib": peak})))
        return
    for path in make(arguments.rows)[1]:
        path.read_bytes()
    turns = [(run("learn", arguments.rows), run("adapt", arguments.rows)) for _ in range(ROUNDS)]
    learned, adapted = (
        min(x, key=lambda one: one["wall_seconds"]) for x in zip(*turns, strict=True)
    )
    found: dict[str, Any] = {"rows": arguments.rows, "learn": learned, "adapt": adapted}
    found["encode"] = run("encode", arguments.rows)
    print(json.dumps(found, indent=1))
    if arguments.rows == ROWS:
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
