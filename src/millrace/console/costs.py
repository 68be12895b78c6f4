"""The costs of each model of a job: training, size, and time per row.

Run as `python -m millrace.console.costs --config FILE` after the job. Costs differ between runs, so
the table, the leaderboard with more columns, is written to the logs: `logs/<name>/costs.csv`.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from millrace import config, models
from millrace.artifacts.champion import Champion
from millrace.config import runs
from millrace.config.job import JobConfig
from millrace.errors import MillraceError, exit_with_status
from millrace.files import replacing
from millrace.results import Logs, Results
from millrace.tfrecord.examples import shard_paths

ROWS = 1000

# Precedes the JSON of `spent` in a log; srun puts the number of a task before it.
MARK = "costs: "


def spent() -> str:
    """Returns the resources used by this process so far, as a line of a log for `training`."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds, mebibytes = round(used.ru_utime + used.ru_stime, 1), used.ru_maxrss // 1024
    return MARK + json.dumps({"cpu_seconds": seconds, "peak_mib": mebibytes})


def training(logs: Logs, model: str, plan: Iterable[runs.Run]) -> dict[str, float | None]:
    """Returns the costs of training a model, from the logs of its runs.

    Args:
        logs: the logs of the job.
        model: the model's name in the config.
        plan: all runs of the job.

    Returns:
        `cpu_seconds` of the model itself, including the members of an ensemble; `all_cpu_seconds`
        also of its other seeds, folds and trials; `peak_mib` of the largest process. None if the
        logs are incomplete, as after `dvc repro`.
    """
    by_name = {one.name: one for one in plan}
    needed = {model, *by_name[model].members}
    counted = [name for name, one in by_name.items() if one.model == model or name in needed]
    told = {name: _told(logs.log(f"train/{name}")) for name in counted}
    processes = [process for found in told.values() for process in found]
    return {
        "cpu_seconds": _total(told[name] for name in needed),
        "all_cpu_seconds": _total(told.values()),
        "peak_mib": max((mebibytes for _, mebibytes in processes), default=None),
    }


def _told(log: Path) -> list[tuple[float, int]]:
    """Returns the CPU seconds and MiB of each process that wrote to a log."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    found = []
    for line in text.splitlines():
        # Processes that write at the same time may garble a line.
        with suppress(ValueError, KeyError):
            process = json.loads(line.partition(MARK)[2])
            found.append((process["cpu_seconds"], process["peak_mib"]))
    return found


def _total(found: Iterable[list[tuple[float, int]]]) -> float | None:
    parts = list(found)
    return round(sum(s for part in parts for s, _ in part), 1) if all(parts) else None


def told(logs: Logs, job: JobConfig) -> str | None:
    """Returns a line with the training costs of the models; None without logs."""
    plan = runs.plan(job).values()
    took = {model: training(logs, model, plan)["cpu_seconds"] for model in job.models}
    known = [f"{model} {seconds:.0f}" for model, seconds in took.items() if seconds is not None]
    return f"Training: {', '.join(known)} CPU seconds" if known else None


def leaderboard(results: Results) -> list[dict[str, str]]:
    """Returns the rows of leaderboard.csv; raises MillraceError if there is none."""
    path = results.leaderboard
    if not path.is_file():
        raise MillraceError(
            f"{path}: expected a leaderboard, found no file.", note="run the job first."
        )
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def serving(
    results: Results, names: Iterable[str], seed: int
) -> Iterator[dict[str, float | str | None]]:
    """Yields the costs of each model as float32 TF Lite: `tflite_bytes`, `row_microseconds`.

    Both are None for a model that TF Lite cannot run, and `tflite_lacks` says why. Times are
    measured on test rows.
    """
    # Imported on use, because TensorFlow takes seconds to import, and logs do not need it.
    from millrace.export import conversion, serving
    from millrace.features.raw_row import read_raw

    shards = shard_paths(results.examples, "test")
    for name in names:
        predictor = models.load(results.preprocessing, results.run(name).training)
        with TemporaryDirectory() as folder:
            serving.export_saved_model(predictor, Path(folder) / "1")
            try:
                tflite = conversion.convert_tflite(Path(folder) / "1")
            except conversion.LackingOps as error:
                yield {"tflite_bytes": None, "row_microseconds": None, "tflite_lacks": error.reason}
                continue
        columns = predictor.preprocessing.raw
        took = conversion.time_tflite(tflite, read_raw(shards, columns, ROWS, seed), columns)
        yield {"tflite_bytes": len(tflite), "row_microseconds": took, "tflite_lacks": None}


def table(rows: list[dict[str, Any]], metric: str) -> str:
    """Returns costs as text: a line per model, with its metric and interval."""
    titles = ["", "model", metric, "95 % interval", "CPU s", "all runs", "MiB", "parameters"]
    lines = [[*titles, "TF Lite kB", "µs a row"]]
    for row in rows:
        low, high = row[f"{metric}_low"], row[f"{metric}_high"]
        size = row["tflite_bytes"] and row["tflite_bytes"] / 1000
        costs = [row["cpu_seconds"], row["all_cpu_seconds"], row["peak_mib"]]
        costs += [int(row["parameters"]), size, row["row_microseconds"]]
        measured = ["-" if cost is None else f"{cost:,.0f}" for cost in costs]
        interval = f"{float(low):.4g} to {float(high):.4g}" if low else "-"
        lines.append([row["rank"], row["model"], f"{float(row[metric]):.4g}", interval, *measured])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def main() -> None:
    """Measures the models of a finished job; writes and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    job = config.load(parser.parse_args().config)
    results, logs = Results.of(job.name), Logs.of(job.name)
    ranked = leaderboard(results)
    names = [row["model"] for row in ranked]
    if set(names) != set(job.models):
        raise MillraceError(
            f"{results.leaderboard}: expected the models of the config, "
            f"{', '.join(job.models)}; found {', '.join(names)}.",
            note="run the job first.",
        )
    plan = list(runs.plan(job).values())
    rows = [
        row | training(logs, row["model"], plan) | served
        for row, served in zip(ranked, serving(results, names, job.seed), strict=True)
    ]
    with replacing(logs.costs) as path, path.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows, Champion.load(results.champion).metric))
    for row in rows:
        if row["tflite_lacks"]:
            print(f"{row['model']}: {row['tflite_lacks']}")
    print(f"all columns: {logs.costs}")


if __name__ == "__main__":
    exit_with_status(main)
