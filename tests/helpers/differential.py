"""Compares, cell by cell, what the ingest stages and other readers read from synthetic tables.

A cell of an example must follow by a rule of docs/testing.md from the text that other readers find
in the file. Anything else is a fault.
"""

import contextlib
import csv
import gzip
import io
import json
import math
import random
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from millrace.tfrecord import examples

SCRIPTS = Path(__file__).parents[2] / "scripts"
SPLITS = ("train", "validation", "test")
MARKERS = {"", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"}
# ASCII whitespace, which is stripped from cells.
SPACES = " \t\r\n\v\f"

WORDS = ["red", "blue", "grün", "東京", "it's", "a b", "NA", "?", "x;y", "tab\there", "007", "-"]
QUOTED = ['say "hi"', "a,b", "line\nbreak", '"', ",", "x\r\ny"]


@dataclass
class Table:
    """A synthetic CSV: its bytes, its delimiter and its cells as written, row by row."""

    content: bytes
    delimiter: str
    names: list[str]
    rows: list[list[str]]


def make_table(seed: int) -> Table:
    """Returns the table of a seed: 40 to 300 rows of 2 to 7 columns and a label."""
    rng = random.Random(seed)
    delimiter = rng.choice([",", ",", ";", "\t", "|"])
    kinds = [rng.choice(list(_KINDS)) for _ in range(rng.randint(1, 6))]
    names = [f"{kind}_{place}" for place, kind in enumerate(kinds)] + ["label"]
    count = rng.randint(40, 300)
    columns = [[_cell(kind, rng) for _ in range(count)] for kind in kinds]
    labels = ["yes", "no"] if rng.random() < 0.7 else ["0", "1"]
    columns.append([labels[place % 2] for place in range(count)])
    rows = [list(row) for row in zip(*columns, strict=True)]
    padded = rng.random() < 0.2
    text = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    ending = rng.choice(["\n", "\n", "\r\n"])
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerow(names)
    for row in rows:
        if padded and quoting == csv.QUOTE_MINIMAL:
            row[:] = [f" {cell}" if cell and cell[0] not in '" ' else cell for cell in row]
        writer.writerow(row)
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig"])
    return Table(text.getvalue().encode(encoding), delimiter, names, rows)


def _cell(kind: str, rng: random.Random) -> str:
    if rng.random() < 0.05:
        return rng.choice(["", "", "NA", "?", "null"])
    return str(_KINDS[kind](rng))


_KINDS: dict[str, Any] = {
    "whole": lambda rng: rng.randint(-(10**6), 10**6),
    "long": lambda rng: rng.randint(-(2**63), 2**63 - 1),
    "real": lambda rng: rng.choice([f"{rng.gauss(0, 100):.4f}", f"{rng.random():.17g}", "1e-3"]),
    "huge": lambda rng: f"{rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30):.9e}",
    "code": lambda rng: f"{rng.randint(0, 9999):05d}",
    "flag": lambda rng: rng.choice(["true", "false"]),
    "day": lambda rng: date.fromordinal(rng.randint(700_000, 738_000)).isoformat(),
    "moment": lambda rng: (
        f"{date.fromordinal(rng.randint(700_000, 738_000))} "
        f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    ),
    "word": lambda rng: rng.choice(WORDS),
    "quoted": lambda rng: rng.choice(WORDS + QUOTED),
    "mixed": lambda rng: rng.choice([*WORDS, "1", "2.5", "-3"]),
    "money": lambda rng: f"${rng.uniform(0, 90_000):,.2f}",
    "debt": lambda rng: (
        f"({rng.uniform(0, 900):.2f})" if rng.random() < 0.4 else f"{rng.uniform(0, 900):.2f}"
    ),
    "percent": lambda rng: f"{rng.uniform(-20, 120):.1f}%",
    "comma": lambda rng: f"{rng.uniform(-90, 90):.2f}".replace(".", ","),
    "european": lambda rng: f"{rng.uniform(0, 9e6):,.2f}".translate(str.maketrans(",.", ".,")),
    "dayfirst": lambda rng: date.fromordinal(rng.randint(700_000, 738_000)).strftime("%d/%m/%Y"),
    "monthfirst": lambda rng: date.fromordinal(rng.randint(700_000, 738_000)).strftime("%m/%d/%Y"),
}


@dataclass
class Findings:
    """The results of comparing tables.

    Attributes:
        rules: how many cells each rule explains.
        refused: how many tables were rejected, by the first words of the error.
        faults: cells that no rule explains, and rows missing from the counts.
        readers: how many cells each other reader reads differently from Python's csv module.
    """

    rules: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    readers: Counter[str] = field(default_factory=Counter)


def compare(table: Table, folder: Path, found: Findings) -> None:
    """Ingests a synthetic table in `folder` (a new one), and adds to the results."""
    folder.mkdir(parents=True)
    path = folder / "table.csv"
    path.write_bytes(table.content)
    names, cells = read_cells(path, table.delimiter)
    assert (names, cells) == (table.names, table.rows)
    _ask_other_readers(path, table.delimiter, cells, found)
    kinds = [name.partition("_")[0] for name in names]
    compare_file(path, "label", names, cells, kinds, folder, found)


def compare_file(
    path: Path,
    label: str,
    names: list[str],
    cells: list[list[str]],
    kinds: list[str],
    folder: Path,
    found: Findings,
) -> None:
    """Ingests a file and compares every cell of every example with the cells of another reader.

    Args:
        path: the file.
        label: its label column.
        names: the names of its columns.
        cells: its rows as read by another reader.
        kinds: the notation of each column: a key of `_WRITTEN`, or anything else for plain values.
        folder: where the stages write.
        found: the results, which are added to.
    """
    if error := ingest(folder, path, label):
        found.refused[error.split("found")[0][:60]] += 1
        return
    schema = json.loads((folder / "schema.json").read_text())
    types = {column["name"]: column["type"] for column in schema["columns"]}
    rejected = _rejected_rows(folder)
    seen = dict.fromkeys(range(1, len(cells) + 1), 0)
    columns = list(enumerate(zip(names, kinds, strict=True)))
    for row, values in _examples(folder, types):
        seen[row] += 1
        for place, (name, kind) in columns:
            text = cells[row - 1][place]
            if rule := explain(text, values[name], types[name], kind):
                found.rules[rule] += 1
            else:
                fault = f"row {row}, {name} ({types[name]}): {text!r} became {values[name]!r}"
                found.faults.append(fault)
    place = names.index(label)
    for row, times in seen.items():
        missing = cells[row - 1][place].strip(SPACES) in MARKERS
        accounted = times + (row in rejected or missing)
        if accounted != 1:
            found.faults.append(f"row {row} is accounted for {accounted} times")


def read_cells(path: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows that Python's csv module reads, from gzip too."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        header, *rows = (row for row in csv.reader(file, delimiter=delimiter) if row)
    return [name.strip(SPACES) for name in header], rows


def ingest(folder: Path, path: Path, label: str) -> str:
    """Runs the ingest and gather stages on a file; returns the error's text, "" for none."""
    (folder / "raw").mkdir(parents=True)
    entry = {"path": str(path), "split": None, "sha256": "0" * 64, "bytes": path.stat().st_size}
    manifest = {"files": [entry | {"source": str(path)}]}
    (folder / "raw" / "manifest.json").write_text(json.dumps(manifest))
    job = {"name": "made", "data": {"files": str(path), "label": label}}
    (folder / "job.yaml").write_text(json.dumps(job))
    config = ["--config", str(folder / "job.yaml")]
    stages = {
        "ingest": ["--raw", "raw", "--part", "1", "--output", "parts/1"],
        "gather": [
            *("--parts", "parts", "--examples", "examples", "--schema", "schema.json"),
            *("--account", "ingest.json", "--rejected", "rejected.csv"),
        ],
    }
    for stage, options in stages.items():
        placed = [
            str(folder / text) if index % 2 and text != "1" else text
            for index, text in enumerate(options)
        ]
        if error := run_script(SCRIPTS / f"{stage}.py", [*config, *placed]):
            return error
    return ""


def run_script(script: Path, options: list[str]) -> str:
    """Runs a program in this process; returns what it says if it fails, "" if it does not."""
    before, path = sys.argv, sys.path
    # As Python does, which finds modules beside the program.
    sys.argv, sys.path = [str(script), *options], [str(script.parent), *path]
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        # Python itself would print a text that a program ends with.
        said = f"{end.code}\n" if isinstance(end.code, str) else ""
        return errors.getvalue() + said if end.code else ""
    finally:
        sys.argv, sys.path = before, path
    return ""


def _examples(folder: Path, types: dict[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the row of the file and the values of every example."""
    for split in SPLITS:
        shards = examples.shard_paths(folder / "examples", split)
        origins = pd.read_parquet(folder / "examples" / f"{split}.origins.parquet")["row"].tolist()
        batches = examples.read_batches(shards, types)
        values = [row for batch in batches for row in batch.to_pylist()]
        yield from zip(origins, values, strict=True)


def _rejected_rows(folder: Path) -> set[int]:
    with (folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["row"]) for row in csv.DictReader(file)}


def _ask_other_readers(path: Path, delimiter: str, cells: list[list[str]], found: Findings) -> None:
    """Counts the cells that other readers read differently from Python's csv module."""
    options = {"sep": delimiter, "dtype": str, "keep_default_na": False}
    others = {
        "pandas": lambda: pd.read_csv(path, encoding="utf-8-sig", **options).to_numpy().tolist(),
        "pyarrow": lambda: _arrow(path, delimiter),
        "duckdb": lambda: _duckdb(path, delimiter),
    }
    for name, read in others.items():
        try:
            rows = read()
        except (pa.ArrowException, duckdb.Error, pd.errors.ParserError, ValueError):
            found.readers[f"{name} refuses the file"] += 1
            continue
        if len(rows) != len(cells):
            found.readers[f"{name} finds another number of rows"] += 1
            continue
        unlike = sum(
            (other or "") != cell
            for mine, row in zip(cells, rows, strict=True)
            for cell, other in zip(mine, row, strict=True)
        )
        found.readers[f"{name} reads another text"] += unlike


def _arrow(path: Path, delimiter: str) -> list[list[str]]:
    read = pacsv.open_csv(path, parse_options=pacsv.ParseOptions(delimiter=delimiter))
    texts = dict.fromkeys(read.schema.names, pa.string())
    table = pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(column_types=texts, strings_can_be_null=False),
    )
    return [list(row.values()) for row in table.to_pylist()]


def _duckdb(path: Path, delimiter: str) -> list[tuple[str, ...]]:
    quotes = {"quotechar": '"', "escapechar": '"'}
    read = duckdb.read_csv(str(path), delimiter=delimiter, header=True, all_varchar=True, **quotes)
    return read.fetchall()


def explain(text: str, value: Any, type_: str, kind: str) -> str | None:
    """Returns the rule by which a cell's text has this value, or None.

    Args:
        text: the cell as the csv module reads it.
        value: the example's value; None if missing.
        type_: the column's type in schema.json.
        kind: how the column's cells were written (a key of `_KINDS`), or `label`.
    """
    stripped = text.strip(SPACES)
    if stripped in MARKERS:
        return ("empty" if not stripped else "marker") if value is None else None
    if value is None:
        return None
    if type_ == "string":
        if value == text:
            return "text"
        return "stripped text" if value == stripped else None
    if kind in _WRITTEN:
        meant, rule = _WRITTEN[kind](stripped), f"written as {kind}"
        same = value == meant if isinstance(meant, date) else np.float32(value) == np.float32(meant)
        return rule if same else None
    return _RULES[type_](stripped, value)


def _european(text: str) -> float:
    return float(text.replace(".", "").replace(",", "."))


_WRITTEN: dict[str, Callable[[str], Any]] = {
    "money": lambda text: float(text.replace("$", "").replace(",", "")),
    "debt": lambda text: -float(text.strip("()")) if text.startswith("(") else float(text),
    "percent": lambda text: float(text.removesuffix("%")),
    "comma": _european,
    "european": _european,
    "dayfirst": lambda text: datetime.strptime(text, "%d/%m/%Y").date(),
    "monthfirst": lambda text: datetime.strptime(text, "%m/%d/%Y").date(),
}


def _whole(text: str, value: Any) -> str | None:
    return "integer" if int(text) == value else None


def _real(text: str, value: Any) -> str | None:
    exact = float(text)
    if value == exact or (math.isinf(value) and math.isinf(exact)):
        return "number"
    return "number in float32" if np.float32(exact) == np.float32(value) else None


def _flag(text: str, value: Any) -> str | None:
    return "truth value" if (text.lower() in ("true", "t", "yes", "1")) == value else None


def _day(text: str, value: Any) -> str | None:
    return "date" if date.fromisoformat(text) == value else None


def _moment(text: str, value: Any) -> str | None:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return "time" if moment == value else None


_RULES = {
    "int64": _whole,
    "float32": _real,
    "float64": _real,
    "bool": _flag,
    "date": _day,
    "timestamp": _moment,
}
