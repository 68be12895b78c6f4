"""Damages valid files at random and checks that reading them never crashes, hangs or loses rows.

    python benchmarks/fuzz.py --minutes 60 [--targets csv parquet config served]

A case is a seed: each target resumes with the next one where it stopped. The counts are kept in
benchmarks/fuzz.json; docs/testing.md shows them. The exit status is 1 if a fault is found;
the file that causes it is kept in a folder whose path is printed.
"""

import argparse
import gzip
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import millrace.config
import pages
from millrace.errors import MillraceError
from millrace.tfrecord import examples

import pyarrow as pa
import pyarrow.parquet as pq
from tests.helpers.differential import ingest, make_table

RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
CONFIGS = sorted((Path(__file__).parents[1] / "config").rglob("*.yaml"))
SECONDS_OF_A_CASE = 60
# Pieces of syntax that random bytes seldom produce.
TOKENS = [
    *(b'"', b'""', b"'", b"\n", b"\r\n", b"\r", b"\0", b"\t", b",", b";", b"|", b"\\", b"#"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"{", b"}", b"["),
    *(
        b"]",
        b":",
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"<<: ",
        b"null",
        b"NaN",
        b"-0",
        b"1e999",
        b"1" * 40,
    ),
    *(b"true", b"\\u0000", b"\\ud800", b"PAR1", b"!!python/name:os.system", b"%YAML 9", b"---\n"),
]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Returns content with one to six random edits."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        length = chance.choice([1, 2, 8, 64, 512])
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = chance.choice(TOKENS)
            case 3:
                start = chance.randrange(len(data) + 1)
                data[at:at] = data[start : start + length]
            case 4:
                data[at : at + 1] = chance.choice(TOKENS)
            case 5:
                del data[at:]
    return bytes(data)


def csv(chance: random.Random, folder: Path) -> None:
    _ingest(folder, "table.csv", damaged(make_table(chance.randrange(1000)).content, chance))


def csv_gzip(chance: random.Random, folder: Path) -> None:
    content = gzip.compress(make_table(chance.randrange(1000)).content, mtime=0)
    _ingest(folder, "table.csv.gz", damaged(content, chance))


def json_lines(chance: random.Random, folder: Path) -> None:
    table = make_table(chance.randrange(1000))
    rows = (json.dumps(dict(zip(table.names, row, strict=True))) for row in table.rows)
    _ingest(folder, "table.jsonl", damaged("\n".join(rows).encode(), chance))


def parquet(chance: random.Random, folder: Path) -> None:
    table = make_table(chance.randrange(1000))
    columns = zip(table.names, zip(*table.rows, strict=True), strict=True)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: list(cells) for name, cells in columns}), sink)
    _ingest(folder, "table.parquet", damaged(sink.getvalue().to_pybytes(), chance))


def _ingest(folder: Path, name: str, content: bytes) -> None:
    """Ingests a file; gather fails unless the row counts add up."""
    (folder / name).write_bytes(content)
    error = ingest(folder / "job", folder / name, "label")
    if "Traceback" in error or (error and "error: " not in error):
        raise AssertionError(error)


def config(chance: random.Random, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(damaged(chance.choice(CONFIGS).read_bytes(), chance))
    try:
        millrace.config.load(path)
    except MillraceError:
        return


def tfrecord(chance: random.Random, folder: Path) -> None:
    """Reads a damaged shard; its checksums must detect every changed value."""
    values = [chance.gauss(0, 1) for _ in range(chance.randint(1, 50))]
    batch = pa.record_batch({"x": pa.array(values, pa.float32()), "s": [str(x) for x in values]})
    content = bytes(examples.serialize(batch))
    path = folder / "train-00000-of-00001.tfrecord"
    path.write_bytes(damaged(content, chance))
    types = {"x": "float32", "s": "string"}
    try:
        read = [row for part in examples.read_batches([path], types) for row in part.to_pylist()]
    except MillraceError:
        return
    known = batch.to_pylist()
    if any(row not in known for row in read):
        raise AssertionError(f"read values that were never written: {read}")


def served(chance: random.Random, folder: Path) -> None:
    """Sends raw rows to the clients of LiteRT and TF.js, which must answer alike."""
    import served_rows  # only this target needs TensorFlow

    content = json.dumps(served_rows.make_rows(chance)).encode()
    content = damaged(content, chance) if chance.random() < 0.2 else content
    (folder / "rows.json").write_bytes(content)
    served_rows.ask(content)


TARGETS: dict[str, Callable[[random.Random, Path], None]] = {
    target.__name__: target
    for target in (csv, csv_gzip, json_lines, parquet, config, tfrecord, served)
}


def _too_long(*_: object) -> None:
    raise TimeoutError(f"no answer within {SECONDS_OF_A_CASE} s")


def fuzz(name: str, seed: int, minutes: float) -> tuple[int, list[str]]:
    """Runs a target starting from a seed; returns the next seed and the findings."""
    signal.signal(signal.SIGALRM, _too_long)
    deadline = time.monotonic() + 60 * minutes
    found: list[str] = []
    while time.monotonic() < deadline and len(found) < 20:
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-{seed}-"))
        signal.alarm(SECONDS_OF_A_CASE)
        try:
            TARGETS[name](random.Random(f"{name} {seed}"), folder)
        except Exception:
            found.append(f"{name} {seed}, kept in {folder}:\n{traceback.format_exc()[-2000:]}")
            print(found[-1], flush=True)
        else:
            shutil.rmtree(folder)
        finally:
            signal.alarm(0)
        seed += 1
    return seed, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of each target")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    arguments = parser.parse_args()
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    failed = False
    for name in arguments.targets:
        before = kept.get(name, {"cases": 0, "minutes": 0})
        cases, found = fuzz(name, before["cases"], arguments.minutes)
        minutes = round(before["minutes"] + arguments.minutes, 1)
        print(f"{name}: {cases:,} cases in {minutes} minutes, {len(found)} findings", flush=True)
        failed = failed or bool(found)
        if not found:
            kept[name] = {"cases": cases, "minutes": minutes}
            RESULT.write_text(json.dumps(kept, indent=1) + "\n")
            pages.fill(PAGE, "fuzz.py", table(kept))
    sys.exit(failed)


def table(kept: dict[str, Any]) -> str:
    """Returns the table for docs/testing.md."""
    rows = [f"| {name} | {of['cases']:,} | {of['minutes']:g} |" for name, of in kept.items()]
    return "\n".join(["| input | cases | minutes |", "|---|--:|--:|", *rows, ""])


if __name__ == "__main__":
    main()
