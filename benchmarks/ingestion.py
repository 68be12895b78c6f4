"""Measures writing rows as TFRecord, in CPU time and memory, and compares it with the usual ways.

    python benchmarks/ingestion.py [--rows 1000000] [--tfx-python path/to/python]

The table has 15 columns: 6 floats, 3 integers, 6 strings, 2 % missing. Each contestant runs in its
own process; imports and compilation count towards its memory, not its time. Takes
about four minutes on 2 cores. `--tfx-python` names a Python 3.10 with tfx==1.16.* and dill. Writes
benchmarks/ingestion.json.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OUT = Path(__file__).parent / "out"
RESULT = Path(__file__).with_suffix(".json")
LOOP_ROWS = 50_000  # for the methods that are too slow for more
TFX_ROWS = 20_000
FLOATS = [f"float_{index}" for index in range(6)]
INTS = [f"int_{index}" for index in range(3)]
STRINGS = [f"string_{index}" for index in range(6)]

Contestant = Callable[[Path, Callable[[], None]], int]


def make(rows: int) -> Path:
    """Writes the table as CSV and Parquet unless it exists; returns its path without suffix."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    path = OUT / f"table_{rows}"
    if path.with_suffix(".parquet").exists():
        return path
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    words = np.array([f"value {number}" for number in range(200)])
    columns = {name: rng.normal(size=rows).round(5) for name in FLOATS}
    columns |= {name: rng.integers(0, 10 ** (2 * i + 2), rows) for i, name in enumerate(INTS)}
    columns |= {name: rng.choice(words, rows) for name in STRINGS}
    table = pa.table(
        {name: pa.array(values, mask=rng.random(rows) < 0.02) for name, values in columns.items()}
        | {"label": rng.integers(0, 2, rows)}
    )
    pyarrow.csv.write_csv(table, path.with_suffix(".csv"))
    pyarrow.parquet.write_table(table, path.with_suffix(".parquet"))
    return path


def example_loop(path: Path, start: Callable[[], None]) -> int:
    """The loop found in most tutorials: a tf.train.Example per row, written by TFRecordWriter."""
    import pyarrow.parquet
    import tensorflow as tf

    rows = pyarrow.parquet.read_table(path.with_suffix(".parquet"))[:LOOP_ROWS].to_pylist()
    tf.train.Example()
    start()
    with tf.io.TFRecordWriter(str(OUT / "loop.tfrecord")) as writer:
        for row in rows:
            feature = {}
            for name in FLOATS:
                if row[name] is not None:
                    values = tf.train.FloatList(value=[row[name]])
                    feature[name] = tf.train.Feature(float_list=values)
            for name in [*INTS, "label"]:
                if row[name] is not None:
                    values = tf.train.Int64List(value=[row[name]])
                    feature[name] = tf.train.Feature(int64_list=values)
            for name in STRINGS:
                if row[name] is not None:
                    values = tf.train.BytesList(value=[row[name].encode()])
                    feature[name] = tf.train.Feature(bytes_list=values)
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return LOOP_ROWS


def encode(path: Path, start: Callable[[], None]) -> int:
    """Millrace's encoder on the same rows in memory, including writing."""
    from millrace.tfrecord import examples, framing

    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path.with_suffix(".parquet"))
    batches = table.to_batches(framing.RECORDS_PER_BATCH)
    examples.serialize(batches[0][:10])
    start()
    with (OUT / "encode.tfrecord").open("wb") as file:
        for batch in batches:
            file.write(examples.serialize(batch).data)
    return int(table.num_rows)


def ingest(source: Path, job: Path, data: dict[str, object], start: Callable[[], None]) -> int:
    """The whole ingest stage: types inferred; rows checked, divided, counted and written.

    `job` is the folder for its outputs, `data` the section of the job's config.
    """
    import runpy

    from millrace.artifacts.manifest import Manifest, RawFile

    shutil.rmtree(job, ignore_errors=True)  # garbage from before must not count
    job.mkdir(parents=True)
    entry = RawFile(str(source), None, sha256="0" * 64, bytes=0, source=str(source))
    Manifest([entry]).save(job / "manifest.json")
    config = {"name": "benchmark", "data": {"files": str(source), "label": "label"} | data}
    (job / "config.yaml").write_text(json.dumps(config))
    part, scripts = job / "parts" / "1", Path(__file__).parents[1] / "scripts"
    gathered = {name: job / name for name in ("examples", "schema", "account", "rejected")}
    options: dict[str, dict[str, object]] = {
        "ingest": {"raw": job, "part": 1, "output": part},
        "gather": {"parts": job / "parts"} | gathered,
    }
    stages = {stage: runpy.run_path(str(scripts / f"{stage}.py")) for stage in options}
    _warm_up()
    start()
    for stage, given in options.items():
        given = {"config": job / "config.yaml"} | given
        sys.argv = [stage, *(text for key, x in given.items() for text in (f"--{key}", str(x)))]
        stages[stage]["main"]()
    return int(json.loads((job / "account").read_text())["rows_read"])


def _warm_up() -> None:
    """Loads the compiled kernels, so that the measurement does not include compiling them."""
    from millrace import config
    from millrace.artifacts.manifest import RawFile
    from millrace.ingestion.ingest import ingest as ingest_files
    from millrace.tfrecord import examples

    import pyarrow as pa

    examples.serialize(pa.RecordBatch.from_pydict({"a": [1], "b": [0.5], "c": ["x"]}))
    small = OUT / "small.csv"
    small.write_text("a,label\n0.123456789012345678,0\nx,1\n")
    data = config.complete({"name": "x", "data": {"files": "x", "label": "label"}}).data
    file = RawFile(str(small), None, sha256="", bytes=1, source=str(small))
    ingest_files([file], 1, data, 0, OUT / "small")
    shutil.rmtree(OUT / "small")


def ingest_csv(path: Path, start: Callable[[], None]) -> int:
    return ingest(path.with_suffix(".csv"), OUT / "csv", {}, start)


def ingest_parquet(path: Path, start: Callable[[], None]) -> int:
    return ingest(path.with_suffix(".parquet"), OUT / "parquet", {}, start)


def tfx_bsl(path: Path, start: Callable[[], None]) -> int:
    """TFX's C++ encoder on the same rows in memory, with TFRecordWriter."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    table = pyarrow.parquet.read_table(path.with_suffix(".parquet"))

    def as_lists(column: pa.Array) -> pa.Array:
        # tfx_bsl takes lists of values, null if missing.
        if pa.types.is_floating(column.type):
            column = column.cast(pa.float32())
        elif pa.types.is_string(column.type):
            column = column.cast(pa.binary())
        valid = [0, *column.is_valid().cast(pa.int32()).to_pylist()]
        offsets = pa.array(np.cumsum(valid), pa.int32())
        lists = pa.ListArray.from_arrays(offsets, column.drop_null())
        return pa.compute.if_else(column.is_valid(), lists, pa.scalar(None, lists.type))

    batches = [
        pa.RecordBatch.from_arrays([as_lists(c) for c in batch.columns], batch.schema.names)
        for batch in table.to_batches(32768)
    ]
    encoder = RecordBatchToExamplesEncoder()
    start()
    with tf.io.TFRecordWriter(str(OUT / "tfx_bsl.tfrecord")) as writer:
        for batch in batches:
            for example in encoder.encode(batch):
                writer.write(example)
    return table.num_rows


def csv_example_gen(path: Path, start: Callable[[], None]) -> int:
    """TFX's CsvExampleGen on a part of the same CSV, with Beam's DirectRunner."""
    import itertools

    from tfx.components.example_gen.csv_example_gen.executor import Executor
    from tfx.proto import example_gen_pb2 as proto
    from tfx.types import standard_artifacts, standard_component_specs
    from tfx.utils import proto_utils

    folder = OUT / "csv_example_gen"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    with path.with_suffix(".csv").open() as source, (folder / "in" / "part.csv").open("w") as part:
        part.writelines(itertools.islice(source, TFX_ROWS + 1))
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "out")
    shares = {"train": 14, "validation": 3, "test": 3}
    split = proto.SplitConfig(
        splits=[proto.SplitConfig.Split(name=n, hash_buckets=b) for n, b in shares.items()]
    )
    given = proto.Input(splits=[proto.Input.Split(name="all", pattern="*")])
    properties = {
        standard_component_specs.INPUT_BASE_KEY: str(folder / "in"),
        standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(given),
        standard_component_specs.OUTPUT_CONFIG_KEY: proto_utils.proto_to_json(
            proto.Output(split_config=split)
        ),
        standard_component_specs.OUTPUT_DATA_FORMAT_KEY: proto.FORMAT_TF_EXAMPLE,
        "output_file_format": proto.FORMAT_TFRECORDS_GZIP,
    }
    start()
    Executor().Do({}, {standard_component_specs.EXAMPLES_KEY: [examples]}, properties)
    return TFX_ROWS


WITH_TFX = ("tfx_bsl", "csv_example_gen")
CONTESTANTS: dict[str, Contestant] = {
    function.__name__: function
    for function in (
        example_loop,
        tfx_bsl,
        csv_example_gen,
        encode,
        ingest_csv,
        ingest_parquet,
    )
}


def run_one(name: str, rows: int) -> None:
    """Runs one contestant in this process and prints its measurements as JSON."""
    begun = [0.0]

    def start() -> None:
        begun[0] = time.process_time()

    done = CONTESTANTS[name](make(rows), start)
    result = {
        "cpu_per_million_rows": (time.process_time() - begun[0]) / done * 1e6,
        "peak_mib": peak_mib(),
        "rows": done,
    }
    print(json.dumps(result))


def peak_mib() -> float:
    """Returns this process's peak memory; getrusage would include its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tfx-python")
    parser.add_argument("--one", choices=CONTESTANTS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, arguments.rows)
        return
    make(arguments.rows)
    found = {}
    for name in CONTESTANTS:
        python = arguments.tfx_python if name in WITH_TFX else sys.executable
        if python is not None:
            found[name] = _run(python, name, arguments.rows)
            print(
                f"{name:16} {found[name]['cpu_per_million_rows']:8.2f} CPU s per million rows, "
                f"{found[name]['peak_mib']:6.0f} MiB"
            )
    found["ratios"] = _ratios(found)
    print(json.dumps(found["ratios"], indent=1))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


def _run(python: str, name: str, rows: int) -> dict[str, float]:
    command = [python, __file__, "--one", name, "--rows", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ratios(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Returns the ratios of the other methods' CPU time to ours."""
    cpu = {name: result["cpu_per_million_rows"] for name, result in found.items()}
    ratios = {
        f"{name} / encode": cpu[name] / cpu["encode"]
        for name in ("example_loop", "tfx_bsl")
        if name in cpu
    }
    if "csv_example_gen" in cpu:
        ratios["csv_example_gen / ingest_csv"] = cpu["csv_example_gen"] / cpu["ingest_csv"]
    return {name: round(value, 2) for name, value in ratios.items()}


if __name__ == "__main__":
    main()
