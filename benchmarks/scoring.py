"""Measures scoring a file, per row: CPU time and peak memory, compared with its parts and pandas.

    python benchmarks/scoring.py [--config config/config.yaml] [--results results/flights]
        [--rows results/flights/raw/flights.csv]

The job must have run. Each contestant runs in its own process; imports and compilation are
not in its time, but in its memory. Takes a minute on 2 cores. Writes
benchmarks/scoring.json, and the table in docs/scoring.md from it.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pages

OUT = Path(__file__).parent / "out"
RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "scoring.md"
COPIES = 4
RUNS = 3  # the fastest counts

WAYS = {
    "parse": "reading the cells and their types alone",
    "model": "calling the TF Lite model alone, in batches of 4,096",
    "score": "`make score`, to Parquet",
    "score_long": f"the same, {COPIES} times the rows",
    "pandas": "pandas' `read_csv`, then the SavedModel in batches of 4,096, to Parquet",
}


class Task:
    """The inputs of scoring: the job's config, its results, and a CSV of new rows."""

    def __init__(self, config: str, results: str, rows: str) -> None:
        from millrace import config as configs
        from millrace.artifacts.schema import Schema
        from millrace.artifacts.signature import Signature
        from millrace.results import Results
        from millrace.serving.new_rows import Contract

        self.job = configs.load(Path(config))
        self.results, self.rows = Results(Path(results)), Path(rows)
        self.signature = Signature.load(self.results.signature)
        schema = Schema.load(self.results.schema)
        self.contract = Contract(self.job.data, schema, self.signature)
        self.small = OUT / "small.csv"
        with self.rows.open() as file:
            self.small.write_text("".join(file.readline() for _ in range(100)))


def parse(task: Task) -> Callable[[], int]:
    """Reads the cells that the model takes, and discards them."""
    from millrace.serving.new_rows import NewFile

    def run(path: Path) -> int:
        return sum(piece.total for piece in NewFile(path, task.contract).pieces())

    run(task.small)
    return lambda: run(task.rows)


def model(task: Task) -> Callable[[], int]:
    """Predicts rows that are already in memory as model inputs."""
    from millrace.serving import exported_models
    from millrace.serving.model_inputs import tensors
    from millrace.serving.new_rows import ROWS_PER_BATCH as SIZE
    from millrace.serving.new_rows import NewFile

    batches = [
        tensors(piece.cells.slice(start, SIZE), task.signature.inputs)
        for piece in NewFile(task.rows, task.contract).pieces()
        for start in range(0, piece.total, SIZE)
    ]
    pool = exported_models.Pool(exported_models.find(task.results, "float32"), 1)
    pool.predict(batches[0])
    return lambda: sum(len(pool.predict(batch)) for batch in batches)


def score(task: Task) -> Callable[[], int]:
    """The whole stage."""
    from millrace.results import ScoredFile
    from millrace.serving import scoring

    scored = ScoredFile(OUT / "scored.parquet")

    def run(path: Path) -> int:
        return scoring.score(task.job, task.results, str(path), scored, "float32").scored

    run(task.small)
    return lambda: run(task.rows)


def score_long(task: Task) -> Callable[[], int]:
    """The whole stage on a longer file."""
    with (OUT / "long.csv").open("wb") as file:
        for copy in range(COPIES):
            with task.rows.open("rb") as source:
                header = source.readline()
                file.write(b"" if copy else header)
                shutil.copyfileobj(source, file)
    task.rows = OUT / "long.csv"
    return score(task)


def pandas(task: Task) -> Callable[[], int]:
    """The usual way: pandas table in memory, columns to tensors, SavedModel, output file."""
    import numpy as np
    import pandas as pd
    import tensorflow as tf

    serve = tf.saved_model.load(str(task.results.saved_model)).signatures["serving_default"]
    names = [x.name for x in task.signature.inputs]

    def run(path: Path) -> int:
        table = pd.read_csv(path, usecols=names)
        found = []
        for start in range(0, len(table), 4096):
            part = table.iloc[start : start + 4096]
            found.append(
                serve(
                    **{
                        x.key: part[x.name].to_numpy(np.float32)
                        if x.type == "float32"
                        else tf.constant(part[x.name].fillna("").tolist())
                        for x in task.signature.inputs
                    }
                )["predictions"].numpy()
            )
        predictions = np.concatenate(found)
        pd.DataFrame({"prediction": predictions}).to_parquet(OUT / "pandas.parquet")
        return len(predictions)

    run(task.small)
    return lambda: run(task.rows)


def contestant(name: str, task: Task) -> dict[str, float]:
    """Runs one contestant in this process."""
    run = globals()[name](task)
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        rows = run()
        times.append(time.process_time() - started)
    cpu = min(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "us_per_row": round(1e6 * cpu / rows, 2), "peak_mib": round(peak)}


def table(found: dict[str, Any]) -> str:
    """Returns the costs of scoring, as Markdown."""
    lines = ["", "| task | µs per row | peak memory |", "|---|--:|--:|"]
    lines += [
        f"| {way} | {found[name]['us_per_row']:.1f} | {found[name]['peak_mib']} MiB |"
        for name, way in WAYS.items()
    ]
    parts = found["parse"]["us_per_row"] + found["model"]["us_per_row"]
    ratio = found["score"]["us_per_row"] / parts
    usual, memory = (
        found["pandas"][key] / found["score"][key] for key in ("us_per_row", "peak_mib")
    )
    said = (
        f"CPU time of {found['score']['rows']:,} rows of 25 columns, on 2 cores that other work"
        f" used too, without imports. Scoring takes {ratio:.2f} times its two parts. pandas with"
        f" the SavedModel takes {usual:.1f} times the CPU of scoring and {memory:.1f} times the"
        " memory, which grows with the file; it checks no row and knows no format but its own."
    )
    return "\n".join([*lines, "", said, ""])


def main() -> None:
    """Measures, or runs one contestant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="config/config.yaml")
    parser.add_argument("--results", default="results/flights")
    parser.add_argument("--rows", default="results/flights/raw/flights.csv")
    parser.add_argument("--contestant", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    given = [arguments.config, arguments.results, arguments.rows]
    if arguments.contestant:
        print(json.dumps(contestant(arguments.contestant, Task(*given))))
        return
    found = {}
    for name in WAYS:
        options = zip(("--config", "--results", "--rows"), given, strict=True)
        words = [word for option in options for word in option]
        command = [sys.executable, __file__, "--contestant", name, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, found[name])
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    pages.fill(PAGE, "scoring.py", table(found))


if __name__ == "__main__":
    main()
