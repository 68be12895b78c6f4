"""Writes the tables in docs/choices.md from ingestion.json and ingestion_scaling.json.

python benchmarks/ingestion_table.py
"""

import json
from pathlib import Path
from typing import Any

import pages

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "choices.md"

WAYS = {
    "example_loop": "rows in memory to TFRecord: a plain loop over `tf.train.Example`",
    "tfx_bsl": "the same: TFX's C++ encoder (tfx_bsl 1.16)",
    "encode": "the same: Millrace's encoder",
    "csv_example_gen": "CSV to TFRecord with splits: TFX 1.16's `CsvExampleGen`",
    "ingest_csv": "the same: Millrace's ingest, with types inferred and rows checked",
    "ingest_parquet": "Parquet to TFRecord with splits: Millrace's ingest",
}


def main() -> None:
    """Writes the tables."""
    pages.fill(PAGE, "ingestion_table.py", tables())


def tables() -> str:
    """Returns the costs of ingestion, as Markdown."""
    ways = json.loads((HERE / "ingestion.json").read_text())
    scaling = json.loads((HERE / "ingestion_scaling.json").read_text())
    return "\n".join(["", *_ways(ways), "", *_stage(scaling["configs"]), "", _more(scaling), ""])


def _ways(found: dict[str, Any]) -> list[str]:
    lines = ["| task | µs per row | peak memory |", "|---|--:|--:|"]
    for name, way in WAYS.items():
        cpu, memory = found[name]["cpu_per_million_rows"], found[name]["peak_mib"]
        lines.append(f"| {way} | {cpu:.1f} | {memory:.0f} MiB |")
    loop, encoder, stage = found["ratios"].values()
    said = (
        f"The loop takes {loop:.0f} times the CPU of Millrace's encoder, TFX's encoder"
        f" {encoder:.1f} times; `CsvExampleGen` takes {stage:.0f} times that of ingest."
    )
    return [*lines, "", said]


def _stage(found: dict[str, Any]) -> list[str]:
    stage = {name: row for name, row in found.items() if name != "limit"}
    said = (
        "The whole stage (inferring types, checking, splitting, counting and writing the rows) must"
        " take at most 3 times the CPU of pyarrow's typed parse of the CSV plus writing the same"
        " number of bytes with their CRC32C. This limit is"
        f" {found['limit']['cpu_per_million_rows']:.1f} µs per row of the same table with a day and"
        " a weight column added. By split, the stage takes (`benchmarks/ingestion_scaling.py`):"
    )
    lines = [
        "| split | µs per row | times the limit | peak memory |",
        "|---|--:|--:|--:|",
    ]
    for name, row in stage.items():
        cpu, times = row["cpu_per_million_rows"], row["times the limit"]
        lines.append(f"| {name} | {cpu:.1f} | {times:.1f} | {row['peak_mib']} MiB |")
    return [said, "", *lines]


def _more(found: dict[str, Any]) -> str:
    cup = found["kddcup99_10pct"]["by row"]
    (csv_cpu, csv_memory), (cpu, memory) = (
        found[part]["4 times the rows"].values() for part in ("csv", "parquet")
    )
    rates = [found[part]["rate of 2 processes"] for part in ("csv", "parquet")]
    return (
        f"KDD Cup 1999 ({cup['rows']:,} rows of 42 columns, gzip) takes"
        f" {cup['cpu_per_million_rows']:.1f} µs per row, {cup['times the limit']:.1f} times its"
        f" limit. Four times the rows take {csv_cpu:.1f} times the CPU and {csv_memory:.2f} times"
        f" the memory from CSV, {cpu:.1f} and {memory:.2f} times from Parquet. Two"
        f" processes, on a file each, ingest {rates[0]:.1f} times as many rows per second as one"
        f" from CSV, and {rates[1]:.1f} times from Parquet."
    )


if __name__ == "__main__":
    main()
