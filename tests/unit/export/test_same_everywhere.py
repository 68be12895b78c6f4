"""Every runtime encodes a row alike: random feature columns on difficult values.

Hypothesis draws the feature columns, their training values and the values to serve. All columns go
into one SavedModel, because each conversion and each Node process takes seconds. A failure is
reported with its value, so nothing needs to be shrunk.
"""

import contextlib
import datetime
import itertools
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millrace.artifacts.schema import Schema, SchemaColumn
from millrace.artifacts.statistics import Statistics
from millrace.config.features import features_of
from millrace.errors import MillraceError

# Imported before TensorFlow: millrace sets what TensorFlow reads from the environment.
from millrace.export import conversion, runtimes, serving
from millrace.export.parity import as_cells
from millrace.features import preprocessing
from millrace.features.feature_columns import KINDS, FeatureColumn
from millrace.features.feature_columns.lookup import SPACES
from millrace.features.raw_row import parse_examples, raw_columns
from millrace.statistics import statistics
from millrace.tfrecord import examples
from tests.helpers.runner_requests import write_request
from tests.helpers.saved_models import save_numbers

# The number of cases of each kind, and of training values.
DRAWN = 4
ROWS = 80
# An id above 2^24 is not exact in float32: it is sent as two numbers that are.
BASE = 4096
# Absolute, or relative for numbers above 1.
LARGEST_DIFFERENCE = 1e-6

MARKERS = ["", "NA", "null", "-1", "16777216"]

AWKWARD = {
    "string": [
        *("7", "007", "7.0", " 7", "7 ", "1e5", "-0", "9007199254740993", "NaN", "nan", "null"),
        *("é", "e\u0301", "ß", "SS", "Å", "\u212b", "東京", "🛫", "👩‍👩‍👧", "\u200b", "\u202e"),
        *("\ufeff", "\ufeff7", "\x00", "a\x00b", "\n", "\r\n", "\t", " ", "a,b", '"', "\\"),
        *("</script>", "x" * 5000, "NA", " NA", "null ", " 7 ", "  7", "  "),
    ],
    "delimited": ["|", "a|", "|a", " a | b ", "a|b|a", "007|7", "é|e\u0301", "|".join("x" * 50)],
    "float32": [
        *(
            np.nan,
            np.inf,
            -np.inf,
            0.0,
            -0.0,
            1e-45,
            -1e-45,
            1e-39,
            -1e-39,
            2.0**-126,
            -(2.0**-126),
        ),
        *(3.4028235e38, -3.4028235e38, 2.0**24, 2.0**24 + 2, 2.0**31, -(2.0**31), 2.0**32),
        *(2.0**53, 2.0**63, -(2.0**63), 1e9, 0.1, -1.0, 0.5, 1.5, 0.99999994, 1.0000001),
    ],
    "date": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2000, 2, 29)],
    "timestamp": [
        datetime.datetime(1, 1, 1),
        datetime.datetime(9999, 12, 31, 23, 59, 59),
        datetime.datetime(1969, 12, 31, 23, 59, 59),
    ],
}
AWKWARD |= dict.fromkeys(("int64", "bool"), AWKWARD["float32"])
NUMBERS = ("float32", "int64", "bool")
TIMES = ("date", "timestamp")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def float32s(**limits: Any) -> st.SearchStrategy[float]:
    # TensorFlow compares subnormal numbers as zeros, so none is learned.
    return st.floats(width=32, allow_subnormal=False, allow_nan=False, **limits)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
texts |= st.sampled_from(AWKWARD["string"])
cells = st.lists(st.sampled_from("abcdef") | texts, max_size=6).map("|".join)
floats = float32s(min_value=-(2.0**20), max_value=2.0**20) | float32s(allow_infinity=False)
integers = st.integers(-100, 100) | st.integers(-(2**24) + 1, 2**24 - 1)
dates = st.dates(datetime.date(1960, 1, 1), datetime.date(2040, 1, 1))
times = st.datetimes(datetime.datetime(1960, 1, 1), datetime.datetime(2040, 1, 1))
times = times.map(lambda time: time.replace(microsecond=0))


def column_of(*values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Draws a column of similar values."""
    return st.one_of([st.lists(value, min_size=1, max_size=40) for value in values])


LEARNED_FROM = {
    "string": column_of(texts),
    "delimited": column_of(cells),
    "float32": column_of(
        floats, float32s(min_value=-128, max_value=128), st.integers(0, 5).map(float)
    ),
    "int64": column_of(integers, st.integers(0, 9), st.integers(-(2**63), 2**63 - 1)),
    "bool": column_of(st.booleans()),
    "date": column_of(dates),
    "timestamp": column_of(times),
}
SERVED = {"string": texts, "delimited": cells, "date": dates, "timestamp": times}
SERVED |= dict.fromkeys(NUMBERS, st.floats(width=32) | integers.map(float))


@dataclass(frozen=True)
class Case:
    """Features, the types of their raw columns, training values, and values to serve.

    A type is one of schema.json, or `delimited` for a string with several values.
    """

    features: dict[str, dict[str, Any]]
    types: dict[str, str]
    seen: dict[str, list[Any]]
    served: dict[str, list[Any]]

    def __or__(self, other: "Case") -> "Case":
        return Case(*(mine | other.__dict__[name] for name, mine in self.__dict__.items()))


def optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draws settings, any of which may be left out."""
    return st.fixed_dictionaries({}, optional=values)


def feature(
    kind: str, more: st.SearchStrategy[dict[str, Any]] | None = None, **values: Any
) -> st.SearchStrategy[dict[str, Any]]:
    """Draws a feature's settings: all of `values`, and some of `more`."""
    return st.builds(
        lambda given, rest: {"kind": kind, **given, **rest},
        st.fixed_dictionaries(values),
        st.just({}) if more is None else more,
    )


def of_column(
    types: tuple[str, ...], settings: st.SearchStrategy[dict[str, Any]], name: str = "a"
) -> st.SearchStrategy[Case]:
    """Draws a feature of a column of the same name, with one of these types."""

    @st.composite
    def case(draw: st.DrawFn) -> Case:
        type_ = draw(st.sampled_from(types))
        served = draw(st.lists(SERVED[type_], max_size=20))
        seen = draw(LEARNED_FROM[type_])
        return Case({name: draw(settings)}, {name: type_}, {name: seen}, {name: served})

    return case()


def with_feature(
    case: st.SearchStrategy[Case], settings: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[Case]:
    """Returns a case with an additional feature, of those it has."""
    return st.builds(lambda one, more: one | Case({"f": more}, {}, {}, {}), case, settings)


number_more = optional(default=floats, missing_indicator=st.booleans(), bins=st.integers(2, 60))
NORMALIZERS = ("none", "standard", "min_max", "robust", "log", "quantile")
boundaries = st.lists(floats, min_size=1, max_size=20, unique=True).map(sorted)
bucketized = feature("bucketized", quantiles=st.integers(2, 20))
bucketized |= feature("bucketized", boundaries=boundaries)
kept = optional(min_count=st.integers(1, 2), max_size=st.integers(1, 20))
kept |= st.builds(dict.__or__, kept, st.fixed_dictionaries({"num_oov_buckets": st.integers(1, 9)}))
kept |= st.just({"default_value": 0})
vocabulary = feature("vocabulary", kept)
hashed = feature("hashed", buckets=st.integers(1, 100_000))
identity = feature("identity", optional(default_value=st.just(0)), buckets=st.integers(1, 12))
sequence = feature("sequence", kept, delimiter=st.just("|"), max_length=st.integers(1, 5))
parts = st.sampled_from(["year", "month", "day", "weekday", "hour"])
zone = optional(timezone=st.sampled_from(ZONES))
elapsed_more = optional(
    normalizer=st.sampled_from(NORMALIZERS), since=dates.map(str), missing_indicator=st.booleans()
)
number = feature("numeric", number_more, normalizer=st.sampled_from(NORMALIZERS))
texts_crossed = st.builds(
    Case.__or__,
    of_column(("string",), vocabulary | hashed),
    of_column(NUMBERS, bucketized | vocabulary | hashed, "b"),
)
keys = st.just(["a", "b"])
weighed = st.builds(
    lambda case, weight: case | replace(weight, features={}),
    of_column(("string",), vocabulary) | of_column(("delimited",), sequence),
    of_column(("float32", "int64"), number, "b"),
)

CASES = {
    **{
        f"numeric, {normalizer}": of_column(
            NUMBERS, feature("numeric", number_more, normalizer=st.just(normalizer))
        )
        for normalizer in NORMALIZERS
    },
    "piecewise_linear": of_column(NUMBERS, feature("piecewise_linear", number_more)),
    "periodic": of_column(NUMBERS, feature("periodic", number_more)),
    "bucketized": of_column(NUMBERS, bucketized),
    "vocabulary of strings": of_column(("string",), vocabulary),
    "vocabulary of numbers": of_column(NUMBERS, vocabulary),
    "hashed strings": of_column(("string",), hashed),
    "hashed numbers": of_column(NUMBERS, hashed),
    "identity": of_column(("int64", "bool"), identity),
    "sequence": of_column(("delimited",), sequence),
    "text": of_column(
        ("string",), feature("text", min_count=st.just(1), max_length=st.integers(1, 5))
    ),
    "saved_model": of_column(NUMBERS, feature("saved_model")),
    "date_part of a timestamp": of_column(("timestamp",), feature("date_part", zone, part=parts)),
    "date_part of a date": of_column(("date",), feature("date_part", part=parts)),
    "cyclic": of_column(
        ("timestamp",), feature("cyclic", zone, period=st.sampled_from(["day", "week", "year"]))
    ),
    "elapsed": of_column(("timestamp",), feature("elapsed", zone))
    | of_column(TIMES, feature("elapsed", elapsed_more)),
    "crossed": with_feature(
        texts_crossed, feature("crossed", optional(buckets=st.integers(1, 1000)), keys=keys)
    ),
    "crossed_tf1": with_feature(
        texts_crossed,
        feature(
            "crossed",
            keys=keys,
            compat=st.sampled_from(["tf1", "tf1_dense"]),
            buckets=st.integers(1, 1000),
        ),
    ),
    "weighted": with_feature(weighed, feature("weighted", of=st.just("a"), weight=st.just("b"))),
}


def draw(strategy: st.SearchStrategy[Case]) -> list[Case]:
    """Draws the same cases every time, so that failures are reproducible."""
    drawn: list[Case] = []

    @settings(
        max_examples=DRAWN,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(strategy)
    def collect(case: Case) -> None:
        drawn.append(case)

    collect()
    return drawn


def renamed(case: Case, prefix: str) -> Case:
    """Returns the case with a prefix added to the names of its features and columns."""

    def rename(names: Any) -> Any:
        return [prefix + name for name in names] if isinstance(names, list) else prefix + names

    features = {
        name: settings
        | {key: rename(settings[key]) for key in {"keys", "of", "weight"} & {*settings}}
        for name, settings in case.features.items()
    }
    fields = (features, case.types, case.seen, case.served)
    return Case(*({prefix + name: x for name, x in field.items()} for field in fields))


def described(cases: list[Case]) -> tuple[Schema, Statistics]:
    """Returns the schema and the statistics of all cases' training values, as one table."""
    types = {name: x.replace("delimited", "string") for c in cases for name, x in c.types.items()}
    types["label"] = "string"
    # Half of the columns come from a file, with spaces and missing markers in its cells.
    columns = [
        SchemaColumn(name, type_, missing_values=MARKERS if place % 2 else None)
        for place, (name, type_) in enumerate(types.items())
    ]
    schema = Schema(columns, "label")
    # A row in which every value is missing.
    columns = {name: [*repeated(x, ROWS), None] for c in cases for name, x in c.seen.items()}
    columns["label"] = [f"class {row % 2}" for row in range(ROWS + 1)]
    batch = pa.RecordBatch.from_pydict(columns, schema=examples.arrow_schema(schema.types))
    batches = {split: [batch] for split in ("train", "validation", "test")}
    return schema, statistics.compute(batches, schema)


def repeated(values: list[Any], rows: int) -> list[Any]:
    return list(itertools.islice(itertools.cycle(values), rows))


def rows_of(case: Case, learned: preprocessing.Preprocessing) -> dict[str, list[Any]]:
    """Returns values to serve by raw column: missing, drawn, seen, awkward, near learned values."""
    near = boundaries_of(learned)
    rows: dict[str, list[Any]] = {}
    for name, type_ in case.types.items():
        rows[name] = [None, *case.served[name], *case.seen[name], *AWKWARD[type_]]
        if type_ in NUMBERS:
            rows[name] = [*map(as_float, rows[name]), *near]
        elif type_ == "timestamp":
            rows[name] += changes_of(learned)
    return rows


def as_float(value: Any) -> float:
    return float("nan") if value is None else float(np.float32(value))


def boundaries_of(learned: preprocessing.Preprocessing) -> list[float]:
    """Returns the numbers that features learned, and both neighbours of each in float32."""
    found = []
    for column in learned.columns:
        for field in asdict(column).values():
            values = field if isinstance(field, tuple | list) else [field]
            found += [value for value in values if isinstance(value, float)]
    with np.errstate(over="ignore"):
        at = np.array(found, np.float32)
        beside = [at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))]
    return np.concatenate(beside).tolist()


def changes_of(learned: preprocessing.Preprocessing) -> list[datetime.datetime]:
    """Returns the seconds around the last clock changes in a case's time zone."""
    epoch = datetime.datetime(1970, 1, 1)
    return [
        epoch + datetime.timedelta(days=day, seconds=second + step)
        for column in learned.columns
        for day, second, _ in getattr(getattr(column, "clock", None), "changes", ())[-8:]
        for step in (-1, 0, 1)
    ]


class Encoder:
    """Takes the place of a Predictor in an export, and returns the encoded row itself."""

    def __init__(self, preprocessing: preprocessing.Preprocessing) -> None:
        self.preprocessing = preprocessing
        self.tracked = [table for column in preprocessing.columns for table in column.tables]

    def predict_tensors(self, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        encoded = self.preprocessing.encode(raw)
        high = encoded["ids"] // BASE
        parts = [high, encoded["ids"] - high * BASE, encoded["numbers"]]
        return tf.concat([tf.cast(part, tf.float32) for part in parts], axis=1)


@dataclass(frozen=True)
class Drawn:
    """Returns all cases as one Preprocessing, and the rows to serve."""

    encoder: Encoder
    table: pd.DataFrame
    raw: dict[str, np.ndarray]

    @property
    def preprocessing(self) -> preprocessing.Preprocessing:
        return self.encoder.preprocessing


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Returns the drawn cases except invalid ones, which must give a clear error."""
    count = itertools.count()
    cases = {name: [renamed(x, f"c{next(count)}_") for x in draw(CASES[name])] for name in CASES}
    module = save_numbers(tmp_path_factory.mktemp("module"))
    for case in cases["saved_model"]:
        next(iter(case.features.values()))["path"] = str(module)
    schema, computed = described([case for alike in cases.values() for case in alike])
    learned: list[preprocessing.Preprocessing] = []
    rows: dict[str, list[Any]] = {}
    for name, alike in cases.items():
        before = len(learned)
        for case in alike:
            with contextlib.suppress(MillraceError):
                learned.append(preprocessing.learn(features_of(case.features), schema, computed))
                rows |= rows_of(case, learned[-1])
        assert len(learned) > before, f"{name}: every case was refused"
    together = replace(
        learned[0],
        raw=tuple(column for part in learned for column in part.raw),
        columns=tuple(column for part in learned for column in part.columns),
        spec=preprocessing.EncodedSpec(
            tuple(place for part in learned for place in part.spec.numbers),
            tuple(entry for part in learned for entry in part.spec.ids),
        ),
    )
    length = max(map(len, rows.values()))
    table = pd.DataFrame(
        {
            column.name: pd.Series(
                repeated(rows[column.name], length),
                dtype="float32" if column.type in NUMBERS else object,
            )
            for column in together.raw
        }
    )
    return Drawn(Encoder(together), table, raw_columns(table, together.raw))


@pytest.fixture(scope="module")
def reference(drawn: Drawn) -> dict[str, np.ndarray]:
    """Returns the encoding of TensorFlow in eager mode."""
    return {name: part.numpy() for name, part in drawn.preprocessing.encode(drawn.raw).items()}


@pytest.fixture(scope="module")
def saved_model(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("encoder") / "1"
    serving.export_saved_model(drawn.encoder, path)
    return path


@pytest.fixture(scope="module")
def tfjs(saved_model: Path) -> Path:
    path = saved_model.with_name("tfjs")
    conversion.convert_tfjs(saved_model, path)
    return path


def run_saved_model(drawn: Drawn, request: pytest.FixtureRequest) -> np.ndarray:
    loaded = tf.saved_model.load(str(request.getfixturevalue("saved_model")))
    raw = {c.key: tf.constant(drawn.raw[c.name], c.dtype) for c in drawn.preprocessing.raw}
    return loaded.signatures["serving_default"](**raw)["predictions"].numpy()


def run_tflite(drawn: Drawn, request: pytest.FixtureRequest) -> np.ndarray:
    model = conversion.convert_tflite(request.getfixturevalue("saved_model"))
    return conversion.predict_tflite(model, drawn.raw, drawn.preprocessing.raw)


def run_onnx(drawn: Drawn, request: pytest.FixtureRequest) -> np.ndarray:
    saved_model = request.getfixturevalue("saved_model")
    model = saved_model.with_name("model.onnx")
    model.write_bytes(conversion.convert_onnx(saved_model, {}))
    return runtimes.run_onnx(model, request_of(drawn, model.parent))


def request_of(drawn: Drawn, folder: Path) -> runtimes.Request:
    """Returns the rows as cells: numbers, text, and times as ISO 8601."""
    cells = {
        name: as_cells(x.isoformat() if isinstance(x, datetime.date) else x for x in column)
        for name, column in drawn.table.items()
    }
    return write_request(folder, cells, drawn.preprocessing.raw)


def run_tfjs(drawn: Drawn, request: pytest.FixtureRequest, backend: str) -> np.ndarray:
    model = request.getfixturevalue("tfjs")
    return runtimes.run_tfjs(model, backend, request_of(drawn, model.parent))


def run_client(drawn: Drawn, request: pytest.FixtureRequest) -> np.ndarray:
    model = request.getfixturevalue("saved_model")
    return runtimes.run_saved_model(model, "serving_default", request_of(drawn, model.parent))


RUNTIMES = {
    "saved_model client": run_client,
    "saved_model": run_saved_model,
    "tflite": run_tflite,
    "tfjs cpu": partial(run_tfjs, backend="cpu"),
    "tfjs wasm": partial(run_tfjs, backend="wasm"),
    "onnx": run_onnx,
}


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_encodes_alike(
    drawn: Drawn,
    reference: dict[str, np.ndarray],
    request: pytest.FixtureRequest,
    runtime: str,
) -> None:
    found = RUNTIMES[runtime](drawn, request)
    spec, width = drawn.preprocessing.spec, drawn.preprocessing.spec.ids_width
    high, low = found[:, :width].astype(int), found[:, width : 2 * width].astype(int)
    features = [entry.feature for entry in spec.ids for _ in range(entry.length)]
    check(drawn, features, reference["ids"], high * BASE + low, 0)
    # A cyclic feature is named after both of its numbers.
    features = [entry.feature.split()[0] for entry in spec.numbers]
    numbers = found[:, 2 * width :]
    largest = LARGEST_DIFFERENCE * np.maximum(1, np.abs(reference["numbers"]))
    check(drawn, features, reference["numbers"], numbers, largest)


def check(
    drawn: Drawn, features: list[str], expected: np.ndarray, found: np.ndarray, largest: Any
) -> None:
    """Fails with the first few differences, each with its feature and raw values."""
    assert found.shape == expected.shape == (len(expected), len(features))
    with np.errstate(invalid="ignore"):
        near = np.abs(found.astype(np.float64) - expected) <= largest
    columns = {column.name: column for column in drawn.preprocessing.columns}
    faults = []
    for row, place in np.argwhere(~(near | (found == expected))):
        column = columns[features[place]]
        raw = {name: drawn.raw[name][row] for name in raw_columns_of(column, columns)}
        faults.append(
            f"{expected[row, place]} became {found[row, place]}: {raw!r:.200} {column!r:.300}"
        )
    assert not faults, f"{len(faults)} places differ:\n" + "\n".join(
        faults[:: len(faults) // 20 + 1]
    )


def raw_columns_of(column: FeatureColumn, columns: dict[str, FeatureColumn]) -> list[str]:
    """Returns the raw columns that a feature reads, directly or through others."""
    others = [*getattr(column, "keys", ()), getattr(column, "of", None)]
    through = [columns[name] for name in others if name in columns]
    return [*column.raw_columns, *(raw for x in through for raw in raw_columns_of(x, columns))]


def test_every_kind_is_drawn(drawn: Drawn) -> None:
    assert {column.kind for column in drawn.preprocessing.columns} == set(KINDS)


def test_ids_are_in_range_and_numbers_are_numbers(
    drawn: Drawn, reference: dict[str, np.ndarray]
) -> None:
    entries = [entry for entry in drawn.preprocessing.spec.ids for _ in range(entry.length)]
    cardinalities = np.array([entry.cardinality for entry in entries])
    assert (reference["ids"] >= 0).all()
    outside = (reference["ids"] >= cardinalities).any(axis=0)
    assert not outside.any(), [e for e, x in zip(entries, outside, strict=True) if x]
    assert not np.isnan(reference["numbers"]).any()


def test_examples_and_tables_are_read_alike(drawn: Drawn, tmp_path: Path) -> None:
    # Numbers beyond the range of integer columns can be served, but not written.
    columns = [c for c in drawn.preprocessing.raw if c.type not in ("int64", "bool")]
    types = {c.name: c.type for c in columns}
    table = drawn.table[[c.name for c in columns]]
    # As ingest writes them: without surrounding spaces.
    table = table.map(lambda cell: cell.strip(SPACES) if isinstance(cell, str) else cell)
    arrow = pa.RecordBatch.from_pandas(table, examples.arrow_schema(types))
    path = tmp_path / "rows.tfrecord"
    path.write_bytes(examples.serialize(arrow).tobytes())
    serialized = next(iter(tf.data.TFRecordDataset(str(path)).batch(len(table))))
    for name, parsed in parse_examples(serialized, tuple(columns)).items():
        read, expected = parsed.numpy(), drawn.raw[name]
        if read.dtype == object:
            read = np.vectorize(bytes.decode, otypes=[object])(read)
            # Columns that take cells unchanged keep the spaces that ingest strips.
            expected = np.vectorize(lambda cell: cell.strip(SPACES), otypes=[object])(expected)
        np.testing.assert_array_equal(read, expected, err_msg=name)
