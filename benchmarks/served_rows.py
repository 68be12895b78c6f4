"""Raw rows of every kind of column, valid and damaged, sent to the clients of two runtimes.

Both must predict the same or refuse with one clear error. The model returns its own encoded row, so
that a cell that one of them reads otherwise shows.
"""

import functools
import json
import random
import subprocess
import sys
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.config.features import features_of
from millrace.export import conversion, runtimes, serving
from millrace.export.signature import describe_input
from millrace.features.preprocessing import Preprocessing, learn
from millrace.statistics import statistics
from millrace.tfrecord import examples

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tests.helpers.artifacts import as_json
from tests.helpers.differential import run_script

CLIENT = runtimes._HERE / "tflite.py"
# A number in float32, or one above 1 as a share of it.
LARGEST_DIFFERENCE = 1e-6
MARKERS = ["", "NA", "?"]
TYPES = {
    "size": "float32",
    "rooms": "int64",
    "new": "bool",
    "city": "string",
    "tags": "string",
    "note": "string",
    "day": "date",
    "at": "timestamp",
    "price": "float64",
    "share": "float64",
    "paid": "date",
    "seen": "timestamp",
}
# How the file of the table writes them.
WRITTEN: dict[str, dict[str, str]] = {
    "price": {"decimal": ".", "thousands": ","},
    "share": {"decimal": ",", "thousands": ""},
    "paid": {"format": "%d/%m/%Y"},
    "seen": {"format": "%d-%b-%y %I:%M %p"},
}
FEATURES = {
    "size": {"kind": "numeric"},
    "rooms": {"kind": "numeric"},
    "new": {"kind": "numeric"},
    "city": {"kind": "vocabulary"},
    "tags": {"kind": "sequence", "delimiter": "|", "max_length": 3},
    "note": {"kind": "text"},
    "day": {"kind": "elapsed"},
    "at": {"kind": "elapsed"},
    "price": {"kind": "numeric"},
    "share": {"kind": "numeric"},
    "paid": {"kind": "elapsed"},
    "seen": {"kind": "elapsed"},
}
CELLS: dict[str, list[Any]] = {
    "size": [1.5, "1.5", " -2e3 ", 0, "NA", None, "true", -0.0, 3.4e38],
    "rooms": [3, "3", "-7", None, "?", 16777216],
    "new": [True, False, "True", "false", 1, "0", None],
    "city": ["Oslo", "Bergen", " Oslo", "Oslo ", "NA", "", None, "never seen"],
    "tags": ["a|b", "a", "", None, "b||a", " a | b "],
    "note": ["Mind the gap", "gap!", "", None, "the THE"],
    "day": ["2020-02-29", "1970-01-01", "NA", None, " 1999-12-31 "],
    "at": ["2020-02-29T12:30:00Z", "1970-01-01 00:00", "2020-01-01T00:00:00.25+01:00", None],
    "price": ["$1,234.50", "(300)", "12%", "-5", "1e3", "€ 7", "5-", None, "NA", 4.5],
    "share": ["12,5 %", "1,5", "3", "-,5", "?", None, 2],
    "paid": ["31/12/2021", "1/2/2021", "29/02/2020", None, "NA"],
    "seen": ["01-Feb-21 3:07 PM", "1-sept-99 12:00 am", None, "31-Dec-68 11:59 pm"],
}
# What no column expects, or not every one.
AWKWARD: list[Any] = [
    *(True, False, 0, -1, 1e39, -1e39, 1e308, 10**30, 1e-45, float("nan"), float("inf")),
    *([], {}, [1], ["a"], {"a": 1}, [[]], "constructor", "__proto__", "toString", "null"),
    *("1_000", "0x10", "1e999", "-inf", "Infinity", "nan", "+5", ".5", "5.", "1e", "--1", "1,5"),
    *("٣", "１", "²", "½", "²³", "1 2", "\u00a01", "1\n", "\ufeff1", "1\0", "−1", "0b1", "1j"),
    *("2021-02-29", "2021-2-3", "20210203", "2021-W05-3", "2021", "2021-01-01T24:00", "0000-01-01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2021-01-01T00:00:60Z", "now"),
    *("1,23,456.5", "1,234,5", "1.234,5", "($5", "$-5-", "$ 5 €", "1,2345", "5 %", "1'234", "- 5"),
    *("31/02/2021", "1/1/21", "01/13/2021", "0/1/2021", "1-Foo-21 1:00 AM", "1-Feb-21 13:00 PM"),
    *("2021-01-01T00:00:00.123456789Z", "2021-01-01t00:00z", "2021-01-01 00:00+0130", "-1-01-01"),
    *("\ud800", "a\udfff", "é", "e\u0301", "İ", "ΑΣ", "ß", "🛫", "\u200b", "\ufeffOslo", "\0"),
    *("x" * 5000, "|" * 500, "a|" * 500, "\t Oslo", "  Oslo", "Oslo\u00a0", "oslo", "\u2028", "ﬁ"),
]


class Served(NamedTuple):
    """A model in two runtimes.

    Attributes:
        folder: where requests are written.
        signature: the file that says what the models take.
        tflite: the file for LiteRT.
        node: a process that answers requests by TF.js.
    """

    folder: Path
    signature: Path
    tflite: Path
    node: subprocess.Popen[str]


class Encoder:
    """Takes the place of a predictor in an export and returns the encoded row itself."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing
        self.tracked = [table for column in preprocessing.columns for table in column.tables]

    def predict_tensors(self, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        encoded = self.preprocessing.encode(raw)
        return tf.concat([tf.cast(encoded["ids"], tf.float32), encoded["numbers"]], axis=1)


# Answers one request after the other with the code of the client, which starts once.
SERVER = """
import { createInterface } from "node:readline";
const [directory, signature] = process.argv.slice(-2);
const inputs = readSignature(signature);
const tf = await startBackend("cpu");
const model = await loadModel(tf, directory);
for await (const path of createInterface({ input: process.stdin })) {
  try {
    const rows = readRows(path, inputs);
    const found = rows.count ? (await predictBatch(tf, model, inputs, rows, 0)).values : [];
    console.log(JSON.stringify({ predictions: [...found].map(asJson) }));
  } catch (error) {
    const refused = error instanceof InputError || error instanceof CellError;
    console.log(JSON.stringify(refused ? { refused: error.message } : { fault: error.stack }));
  }
}
"""


@functools.cache
def serve() -> Served:
    """Exports the model, once, and starts the client of TF.js."""
    folder = Path(tempfile.mkdtemp(prefix="served-"))
    columns = [
        SchemaColumn(name, type_, missing_values=MARKERS, **WRITTEN.get(name, {}))
        for name, type_ in TYPES.items()
    ]
    schema = Schema([*columns, SchemaColumn("label", "string")], "label")
    learned = learn(features_of(FEATURES), schema, statistics.compute(_training(schema), schema))
    serving.export_saved_model(Encoder(learned), folder / "saved_model")
    conversion.convert_tfjs(folder / "saved_model", folder / "tfjs")
    (folder / "model.tflite").write_bytes(conversion.convert_tflite(folder / "saved_model"))
    inputs = as_json([describe_input(column) for column in learned.raw])
    (folder / "signature.json").write_text(json.dumps({"inputs": inputs}))
    source, _, _ = runtimes._TFJS_RUNNER.read_text().partition("try {\n  await main();")
    command = [runtimes.NODE, "--input-type=module", "--eval", source + SERVER, "--"]
    node = subprocess.Popen(
        [*command, folder / "tfjs", folder / "signature.json"],
        cwd=runtimes._TFJS_RUNNER.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Served(folder, folder / "signature.json", folder / "model.tflite", node)


def _training(schema: Schema) -> dict[str, list[pa.RecordBatch]]:
    values = {
        "size": [1.0, 2.5],
        "rooms": [1, 4],
        "new": [True, False],
        "city": ["Oslo", "Bergen"],
        "tags": ["a|b", "b"],
        "note": ["mind the gap", "the gap"],
        "day": [date(1970, 1, 1), date(2020, 2, 29)],
        "at": [datetime(1970, 1, 1), datetime(2020, 2, 29, 12, 30)],
        "price": [1.0, 1000.0],
        "share": [0.5, 12.5],
        "paid": [date(1970, 1, 1), date(2021, 12, 31)],
        "seen": [datetime(1970, 1, 1), datetime(2021, 2, 1, 15, 7)],
        "label": ["yes", "no"],
    }
    columns = {name: cells * 40 for name, cells in values.items()}
    batch = pa.RecordBatch.from_pydict(columns, schema=examples.arrow_schema(schema.types))
    return {split: [batch] for split in ("train", "validation", "test")}


def make_rows(chance: random.Random) -> dict[str, Any]:
    """Returns zero to six rows, of which up to three cells or columns are awkward."""
    count = chance.choice([0, 1, 1, 2, 6])
    rows: dict[str, Any] = {name: chance.choices(CELLS[name], k=count) for name in TYPES}
    for _ in range(chance.randint(0, 3)):
        name = chance.choice(list(TYPES))
        cell = chance.choice(AWKWARD)
        match chance.randrange(12):
            case 0:
                rows.pop(name, None)
            case 1:
                rows[str(cell)] = [cell] * count
            case 2:
                rows[name] = cell
            case 3:
                rows[name] = [*chance.choices(CELLS[name], k=count), cell]
            case _ if count and isinstance(rows.get(name), list) and rows[name]:
                rows[name][chance.randrange(len(rows[name]))] = cell
    return rows


def ask(content: bytes) -> None:
    """Sends a request to both clients.

    Raises:
        AssertionError: one fails other than with a clear error, or they differ.
    """
    served = serve()
    path = served.folder / "rows.json"
    path.write_bytes(content)
    lite, js = _ask_tflite(served, path), _ask_tfjs(served, path)
    if isinstance(lite, str) != isinstance(js, str):
        raise AssertionError(f"LiteRT: {lite}\nTF.js: {js}")
    if not isinstance(lite, str):
        np.testing.assert_allclose(js, lite, rtol=LARGEST_DIFFERENCE, atol=LARGEST_DIFFERENCE)


def _ask_tflite(served: Served, rows: Path) -> list[float] | str:
    """Returns the predictions, or the error."""
    output = rows.with_name("tflite.json")
    output.unlink(missing_ok=True)
    files = {"model": served.tflite, "signature": served.signature, "rows": rows}
    options = [x for name, path in files.items() for x in (f"--{name}", str(path))]
    error = run_script(CLIENT, [*options, "--output", str(output)])
    if error and not error.startswith("error: "):
        raise AssertionError(f"LiteRT: {error}")
    return error or [*map(float, json.loads(output.read_text())["predictions"])]


def _ask_tfjs(served: Served, rows: Path) -> list[float] | str:
    assert served.node.stdin and served.node.stdout
    served.node.stdin.write(f"{rows}\n")
    served.node.stdin.flush()
    found = json.loads(served.node.stdout.readline())
    if "fault" in found:
        raise AssertionError(f"TF.js: {found['fault']}")
    refused: str | None = found.get("refused")
    return refused or [*map(float, found["predictions"])]
