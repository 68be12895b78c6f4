"""Measures the ingest stage: with each way to divide the rows, against a lower bound; with four
times the rows; in two processes; and on a real table.

    python benchmarks/ingestion_scaling.py [--rows 1000000] [--part configs]

The table is that of ingestion.py with a day and a weight added. Each measurement has its own
process; imports and compilation count towards its memory, not its time. Takes about six minutes
on 2 otherwise idle cores. Writes benchmarks/ingestion_scaling.json, or one part of it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ingestion
from ingestion import OUT

RESULT = Path(__file__).with_suffix(".json")
KDD_CUP = Path(__file__).parents[2] / "shared/data/kddcup99_10pct/data.csv.gz"

# Variants of data.split and of other keys of data.
CONFIGS: dict[str, dict[str, Any]] = {
    "by row": {},
    "by group": {"split": {"by": "group", "column": "int_2"}},
    "folds": {"split": {"folds": 5}},
    "by time, first days given": {
        "split": {"by": "time", "column": "day", "validation": "2013-10-01", "test": "2013-11-01"}
    },
    "by time, shares given": {"split": {"by": "time", "column": "day"}},
    "by stratum": {"split": {"by": "stratum"}},
    "with weights": {"weight": "weight"},
    "with a committed schema": {"schema": str(OUT / "committed.json")},
    "duplicates dropped": {"drop_duplicates": True},
}


def make(rows: int) -> Path:
    """Writes the table as CSV and Parquet unless it exists; returns its path without suffix."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    path = OUT / f"dated_{rows}"
    if not path.with_suffix(".parquet").exists():
        table = pyarrow.parquet.read_table(ingestion.make(rows).with_suffix(".parquet"))
        rng = np.random.default_rng(1)
        days = np.datetime64("2013-01-01") + np.sort(rng.integers(0, 365, rows))
        table = table.append_column("day", pa.array(days))
        table = table.append_column("weight", pa.array(rng.random(rows).round(4)))
        pyarrow.csv.write_csv(table, path.with_suffix(".csv"))
        pyarrow.parquet.write_table(table, path.with_suffix(".parquet"))
    return path


def limit(source: Path, job: Path, start: Callable[[], None]) -> int:
    """Parses the CSV that `job` ingested with PyArrow, and writes as many bytes as it has written,
    with their checksum."""
    from millrace import files
    from millrace.artifacts.schema import Schema
    from millrace.tfrecord import byte_kernels, examples

    import numpy as np
    import pyarrow.csv

    schema = examples.arrow_schema(Schema.load(job / "schema").types)
    rows_read = files.read_json(job / "account")["rows_read"]
    written = sum(path.stat().st_size for path in (job / "examples").iterdir())
    options = pyarrow.csv.ConvertOptions(column_types=schema, strings_can_be_null=True)
    byte_kernels.masked_crc(np.zeros(1, np.uint8), 0, 1)
    start()
    rows = 0
    with (
        pyarrow.csv.open_csv(source, convert_options=options) as reader,
        (OUT / "limit").open("wb") as file,
    ):
        for batch in reader:
            rows += batch.num_rows
            data = np.zeros(batch.num_rows * written // rows_read, np.uint8)
            byte_kernels.masked_crc(data, 0, len(data))
            file.write(data.data)
    return rows


def run_one(source: Path, job: Path, config: str | None) -> None:
    """Measures the stage (without `config`: the lower bound) in this process, and prints JSON."""
    begun = [0.0, 0.0]

    def start() -> None:
        begun[:] = time.process_time(), time.time()

    rows = (
        limit(source, job, start)
        if config is None
        else ingestion.ingest(source, job, CONFIGS[config], start)
    )
    result = {
        "cpu_per_million_rows": round((time.process_time() - begun[0]) / rows * 1e6, 3),
        "peak_mib": round(ingestion.peak_mib()),
        "rows": rows,
        "from": begun[1],
        "to": time.time(),
    }
    print(json.dumps(result))


def begin(source: Path, job: str, config: str | None) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--source", str(source), "--job", str(OUT / job)]
    command += [] if config is None else ["--config", config]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{process.args}: failed")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def measure(source: Path, job: str, config: str | None) -> dict[str, Any]:
    found = finish(begin(source, job, config))
    print(f"{source.name:22} {config or 'limit':26}", json.dumps(found))
    found["seconds"] = round(found.pop("to") - found.pop("from"), 2)
    return found


def beside_the_limit(source: Path, configs: list[str]) -> dict[str, Any]:
    """Measures the stage with each config, and its CPU time relative to the lower bound.

    Takes medians of three rounds, since the speed of a core varies.
    """
    ways = [*configs, None]
    rounds = [[measure(source, "scaling", way) for way in ways] for _ in range(3)]
    *stage, limit = [median(found) for found in zip(*rounds, strict=True)]
    for found in stage:
        ratio = found["cpu_per_million_rows"] / limit["cpu_per_million_rows"]
        found["times the limit"] = round(ratio, 2)
    return {"limit": limit} | dict(zip(configs, stage, strict=True))


def median(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the measurement with the median CPU time."""
    ordered = sorted(found, key=lambda one: float(one["cpu_per_million_rows"]))
    return ordered[len(ordered) // 2]


def of_four_times_the_rows(rows: int, suffix: str) -> dict[str, float]:
    sources = [make(count).with_suffix(suffix) for count in (rows, 4 * rows)]
    rounds = [[measure(source, "scaling", "by row") for source in sources] for _ in range(3)]
    one, four = (median(found) for found in zip(*rounds, strict=True))
    cpu = 4 * four["cpu_per_million_rows"] / one["cpu_per_million_rows"]
    memory = four["peak_mib"] / one["peak_mib"]
    return {"CPU": round(cpu, 2), "peak memory": round(memory, 2)}


def rate_of_two(source: Path) -> float:
    """Returns the throughput of two processes, with a file each, relative to one.

    Takes the best of three runs, since wall-clock time depends on whatever else runs.
    """
    again = source.with_stem(f"{source.stem}_again")
    again.unlink(missing_ok=True)
    again.hardlink_to(source)
    alone, together = [], []
    for _ in range(3):
        alone.append(measure(source, "scaling", "by row")["seconds"])
        both = [begin(path, path.stem, "by row") for path in (source, again)]
        found = [finish(process) for process in both]
        together.append(max(one["to"] for one in found) - min(one["from"] for one in found))
    return float(round(2 * min(alone) / min(together), 2))


def more_rows_and_processes(rows: int, suffix: str) -> dict[str, Any]:
    return {
        "4 times the rows": of_four_times_the_rows(rows, suffix),
        "rate of 2 processes": rate_of_two(make(rows).with_suffix(suffix)),
    }


def with_each_config(rows: int) -> dict[str, Any]:
    source = make(rows).with_suffix(".csv")
    measure(source, "scaling", "by row")
    (OUT / "scaling" / "schema").replace(OUT / "committed.json")
    return beside_the_limit(source, list(CONFIGS))


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "configs": with_each_config,
    "kddcup99_10pct": lambda _: beside_the_limit(KDD_CUP, ["by row"]),
    "csv": lambda rows: more_rows_and_processes(rows, ".csv"),
    "parquet": lambda rows: more_rows_and_processes(rows, ".parquet"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--job", type=Path)
    parser.add_argument("--config", choices=CONFIGS)
    arguments = parser.parse_args()
    if arguments.source:
        run_one(arguments.source, arguments.job, arguments.config)
        return
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for part in [arguments.part] if arguments.part else PARTS:
        found[part] = PARTS[part](arguments.rows)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
