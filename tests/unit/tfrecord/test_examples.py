"""tf.train.Example in TFRecord files, compared with TensorFlow's reader and writer."""

import struct
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from millrace.errors import MillraceError
from millrace.tfrecord import examples, framing

tf = pytest.importorskip("tensorflow")

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT32 = st.floats(width=32, allow_nan=False)
TEXT = st.text(max_size=300)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": INT64,
    "float32": FLOAT32,
    "float64": FLOAT32,
    "string": TEXT,
    "bool": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], pa.RecordBatch]:
    """Draws a schema and a matching table: any names, types, values and missing values."""
    names = draw(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=6, unique=True))
    types = [draw(st.sampled_from(sorted(VALUES))) for _ in names]
    rows = draw(st.integers(0, 6))
    columns = [
        pa.array([draw(st.none() | VALUES[kind]) for _ in range(rows)], examples.ARROW_TYPES[kind])
        for kind in types
    ]
    schema = dict(zip(names, types, strict=True))
    return schema, pa.RecordBatch.from_arrays(columns, schema=examples.arrow_schema(schema))


def feature(value: Any) -> Any:
    """Returns the tf.train.Feature that a cell must become, built with protobuf."""
    match value:
        case bool() | int():
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
        case float():
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        case datetime():
            text = value.isoformat().replace("+00:00", "Z")
        case date():
            text = value.isoformat()
        case _:
            text = value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))


def proto(row: dict[str, Any]) -> bytes:
    present = {name: feature(value) for name, value in row.items() if value is not None}
    example = tf.train.Example(features=tf.train.Features(feature=present))
    return bytes(example.SerializeToString(deterministic=True))


def records(path: Path) -> list[bytes]:
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples") / "made.tfrecord"


@settings(deadline=None, max_examples=150)
@given(tables())
def test_bytes_equal_those_of_protobuf(file: Path, table: tuple[dict[str, Any], Any]) -> None:
    _, batch = table
    names = batch.schema.names
    # If a key is a prefix of another, Python's protobuf puts the longer one first; C++ does not.
    assume(not any(a != b and b.startswith(a) for a in names for b in names))
    file.write_bytes(examples.serialize(batch).tobytes())
    assert records(file) == [proto(row) for row in batch.to_pylist()]


@settings(deadline=None, max_examples=150)
@given(tables())
def test_reading_gives_back_what_was_written(file: Path, table: tuple[dict[str, Any], Any]) -> None:
    schema, batch = table
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in batch.to_pylist():
            writer.write(proto(row))
    found = pa.Table.from_batches(
        examples.read_batches([file], schema), schema=examples.arrow_schema(schema)
    )
    found.validate(full=True)
    assert found.to_pylist() == batch.to_pylist()


def test_slices_of_a_batch_are_encoded_as_themselves(file: Path) -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "text": ["a", None, "ccc", "dd"],
            "number": [1, 2, None, 4],
            "yes": [True, None, False, True],
        }
    )
    file.write_bytes(examples.serialize(batch.slice(1, 2)).tobytes())
    assert records(file) == [proto(row) for row in batch.to_pylist()[1:3]]


def test_rows_are_taken_in_the_order_that_is_asked_for(file: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", None, "ccc"], "number": [1, 2, None]})
    serializer = examples.Serializer(batch)
    file.write_bytes(serializer.records(np.array([2, 0])).tobytes())
    rows = batch.to_pylist()
    assert records(file) == [proto(rows[2]), proto(rows[0])]
    assert len(serializer.records(np.array([], np.int64))) == 0


def test_floats_are_stored_in_single_precision(file: Path) -> None:
    values = [0.1, 1e300, -0.0, float("inf"), float("nan")]
    file.write_bytes(examples.serialize(pa.RecordBatch.from_pydict({"x": values})).tobytes())
    parsed = [tf.train.Example.FromString(record) for record in records(file)]
    found = np.array([example.features.feature["x"].float_list.value[0] for example in parsed])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found, np.array(values, np.float32))


def test_unpacked_values_are_read(tmp_path: Path) -> None:
    # [packed = true] only affects writing; a parser must accept both forms.
    int_list = b"\x1a\x02\x08\x05"
    float_list = b"\x12\x05\x0d" + struct.pack("<f", 2.5)
    data = b""
    for key, value in ((b"f", float_list), (b"i", int_list)):
        entry = b"\x0a\x01" + key + b"\x12" + bytes([len(value)]) + value
        data += b"\x0a" + bytes([len(entry)]) + entry
    record = b"\x0a" + bytes([len(data)]) + data
    assert tf.train.Example.FromString(record).features.feature["i"].int64_list.value == [5]
    path = tmp_path / "unpacked.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(record)
    types = {"f": "float32", "i": "int64"}
    assert next(examples.read_batches([path], types)).to_pylist() == [{"f": 2.5, "i": 5}]


def test_columns_out_of_the_schema_are_passed_over(file: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]})
    file.write_bytes(examples.serialize(batch).tobytes())
    types = {"c": "float32", "z": "string"}
    found = next(examples.read_batches([file], types)).to_pylist()
    assert found == [{"c": 0.5, "z": None}, {"c": None, "z": None}]


def test_a_file_longer_than_a_batch_comes_in_several(file: Path) -> None:
    rows = 2 * framing.RECORDS_PER_BATCH + 5
    file.write_bytes(examples.serialize(pa.RecordBatch.from_pydict({"n": range(rows)})).tobytes())
    batches = list(examples.read_batches([file], {"n": "int64"}))
    assert [batch.num_rows for batch in batches] == [32768, 32768, 5]
    assert np.array_equal(np.concatenate([batch["n"].to_numpy() for batch in batches]), range(rows))


@pytest.mark.parametrize("per_file", [[100], [40, 0, 60]])
def test_chosen_rows_alone_are_read(tmp_path: Path, per_file: list[int]) -> None:
    paths, start = [], 0
    for size in per_file:
        batch = pa.RecordBatch.from_pydict({"n": range(start, start + size)})
        paths.append(tmp_path / f"{start}-{size}.tfrecord")
        paths[-1].write_bytes(examples.serialize(batch).tobytes() if size else b"")
        start += size
    schema = {"n": "int64"}
    for wanted in ([0, 39, 40, 41, 99], [7], [50, 51]):
        batches = examples.read_batches(paths, schema, np.array(wanted))
        assert [n for batch in batches for n in batch["n"].to_pylist()] == wanted


TYPES = {"n": "int64", "s": "string"}


def write_record(path: Path, data: bytes) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(proto({"n": 1}))
        writer.write(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "record 1: expected a tf.train.Example, found other data"),
        (b"\x0a\x7f", "record 1: expected a tf.train.Example"),
        (b"", "record 1: expected a tf.train.Example"),
        (proto({"n": "x"}), "record 1, column 'n': expected an int64_list, found another kind"),
        (proto({"s": 1.5}), "record 1, column 's': expected a bytes_list, found another kind"),
    ],
)
def test_other_content_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "other.tfrecord"
    write_record(path, data)
    with pytest.raises(MillraceError, match=message):
        list(examples.read_batches([path], TYPES))


def test_several_values_are_refused(tmp_path: Path) -> None:
    several = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
    example = tf.train.Example(features=tf.train.Features(feature={"n": several}))
    write_record(tmp_path / "several.tfrecord", example.SerializeToString())
    with pytest.raises(MillraceError, match="record 1, column 'n': expected one value"):
        list(examples.read_batches([tmp_path / "several.tfrecord"], TYPES))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
def test_any_bytes_give_examples_or_an_error(file: Path, data: bytes) -> None:
    """The reader parses a record like protobuf, or raises an error."""
    write_record(file, data)
    try:
        found = pa.Table.from_batches(examples.read_batches([file], TYPES)).to_pylist()[1]
    except MillraceError:
        return
    features = tf.train.Example.FromString(data).features.feature
    assert found["n"] == (features["n"].int64_list.value[0] if "n" in features else None)


def test_shards_are_found_in_their_order(tmp_path: Path) -> None:
    for index in (2, 0, 1):
        (tmp_path / examples.shard_name("test", index, 3)).touch()
    names = [path.name for path in examples.shard_paths(tmp_path, "test")]
    assert names == [f"test-0000{index}-of-00003.tfrecord" for index in range(3)]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / examples.shard_name("test", 0, 2)).touch()
    with pytest.raises(MillraceError, match="expected 2 shards of test"):
        examples.shard_paths(tmp_path, "test")
    with pytest.raises(MillraceError, match="expected 1 shards of train"):
        examples.shard_paths(tmp_path, "train")
