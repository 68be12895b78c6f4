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
    "example_loop": "the usual loop over `tf.train.Example`, rows in memory to TFRecord",
    "tfx_bsl": "TFX's C++ encoder (tfx_bsl 1.16), the same",
    "encode": "ours, the same",
    "csv_example_gen": "TFX 1.16's `CsvExampleGen`, CSV to TFRecord with splits",
    "ingest_csv": "ours: types found, rows checked, divided, accounted for",
    "ingest_parquet": "ours, from Parquet",
}


def main() -> None:
    """Writes the tables."""
    pages.fill(PAGE, "ingestion_table.py", tables())


def tables() -> str:
    """Returns what ingestion took, as Markdown."""
    ways = json.loads((HERE / "ingestion.json").read_text())
    scaling = json.loads((HERE / "ingestion_scaling.json").read_text())
    return "\n".join(["", *_ways(ways), "", *_stage(scaling["configs"]), "", _more(scaling), ""])


def _ways(found: dict[str, Any]) -> list[str]:
    lines = ["| way | µs per row | peak memory |", "|---|--:|--:|"]
    for name, way in WAYS.items():
        cpu, memory = found[name]["cpu_per_million_rows"], found[name]["peak_mib"]
        lines.append(f"| {way} | {cpu:.1f} | {memory:.0f} MiB |")
    loop, encoder, stage = found["ratios"].values()
    said = (
        f"The loop takes {loop:.0f} times the CPU of our encoder, TFX's encoder {encoder:.1f}"
        f" times; `CsvExampleGen` takes {stage:.0f} times that of our stage."
    )
    return [*lines, "", said]


def _stage(found: dict[str, Any]) -> list[str]:
    stage = {name: row for name, row in found.items() if name != "limit"}
    said = (
        "The whole stage (types found, rows checked, divided, accounted for, written) must take at"
        " most 3 times the CPU of pyarrow's typed parse of the CSV and a write of as many bytes as"
        f" the examples have with their CRC32C. That limit is"
        f" {found['limit']['cpu_per_million_rows']:.1f} µs per row of the same table with a day and"
        " a weight beside. The stage takes, as the rows are divided"
        " (`benchmarks/ingestion_scaling.py`):"
    )
    lines = [
        "| rows are divided | µs per row | times the limit | peak memory |",
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
        f" the memory from CSV, {cpu:.1f} and {memory:.2f} times from Parquet. Two processes, on a"
        f" file each, take in {rates[0]:.1f} times the rows per second of one from CSV, and"
        f" {rates[1]:.1f} times from Parquet."
    )


if __name__ == "__main__":
    main()
