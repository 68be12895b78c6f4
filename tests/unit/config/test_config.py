import copy
import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from millrace.config import SCHEMA_PATH, complete, digest, load, loading
from millrace.config.models import DnnConfig
from millrace.config.reference import json_schema
from millrace.config.values import local_paths, plain_form
from millrace.errors import MillraceError
from tests.helpers.configs import data_config

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(SCHEMA_PATH.read_text())
USUAL = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"]
SHORTEST: dict[str, Any] = {"name": "a", "data": {"files": "t.csv", "label": "y"}}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return path


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The shortest config, with `value` under a dotted key."""
    config = copy.deepcopy(SHORTEST)
    *parents, last = path.split(".")
    target = config
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return config


def message(config: Any) -> str:
    with pytest.raises(MillraceError) as raised:
        complete(config, source="job.yaml")
    return str(raised.value)


def test_the_schema_is_a_schema_and_says_what_its_keys_mean() -> None:
    assert json_schema() == SCHEMA, "make docs writes it anew"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for name in ("Data", "Training", "Evaluation", "Selection", "Export", "Parity"):
        for key, subschema in SCHEMA["$defs"][f"{name}Config"]["properties"].items():
            assert subschema.get("description"), f"{name}.{key} has no description"


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_the_schema_takes_the_ready_configs(path: Path) -> None:
    """The JSON Schema, which editors use, agrees with the classes."""
    jsonschema.Draft202012Validator(SCHEMA).validate(loading.read(path))


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_ready_configs_are_valid(path: Path) -> None:
    assert load(path).name


def test_the_short_form_is_enough() -> None:
    config = complete(SHORTEST)
    assert config.seed == 0
    assert config.features == "auto"
    assert config.data.task == "auto"
    assert config.data.split.by == "row"
    assert config.data.split.test == 0.15
    assert config.evaluation.threshold == 0.5
    assert config.parity.tolerance == 5e-5
    assert {name: model.kind for name, model in config.models.items()} == {
        kind: kind for kind in SCHEMA["properties"]["models"]["default"]
    }


def test_defaults_reach_into_models_and_features() -> None:
    config = complete(
        SHORTEST
        | {
            "models": {"wide": {"kind": "dnn", "dropout": 0.5}},
            "features": {"age": "numeric", "where": {"kind": "vocabulary", "min_count": 3}},
        }
    )
    once = {"seeds": 1, "ensemble": False, "target": "none"}
    defaults = {"kind": "dnn", "hidden_units": [256, 128], "activation": "auto"} | once
    assert plain_form(config.models["wide"]) == defaults | {"dropout": 0.5}
    age = {"kind": "numeric", "normalizer": "robust", "bins": 48}
    assert plain_form(config.given_features["age"]) == age
    assert plain_form(config.given_features["where"]) == {
        "kind": "vocabulary",
        "min_count": 3,
        "max_size": 100000,
        "unseen": "bucket",
    }


def test_a_list_of_models_is_short_for_a_map() -> None:
    short, long = (
        complete(SHORTEST | {"models": models}) for models in (["dnn"], {"dnn": {"kind": "dnn"}})
    )
    assert short == long
    assert digest(short) == digest(long)


def test_completing_twice_changes_nothing_and_the_argument_stays_as_it_is() -> None:
    given_config = copy.deepcopy(SHORTEST)
    once = complete(given_config)
    assert given_config == SHORTEST
    assert complete(plain_form(once)) == once


def test_what_is_given_is_kept() -> None:
    completed = complete(with_value("training.batch_size", 64) | {"seed": 7})
    assert completed.training.batch_size == 64
    assert completed.seed == 7
    assert completed.training.epochs == "auto"


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValidationError):
        complete(SHORTEST).seed = 1  # type: ignore[misc]


def test_a_date_stays_the_text_that_the_user_wrote(tmp_path: Path) -> None:
    text = "name: a\ndata: {files: t.csv, label: y, split: {by: time, column: d, test: 2013-11-01}}"
    assert load(written(tmp_path, text)).data.split.test == "2013-11-01"


NUMERIC = {"kind": "numeric"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (with_value("colour", 1), "job.yaml: unknown key 'colour'; allowed: name, seed, data"),
        (with_value("data.colour", 1), "job.yaml: data: unknown key 'colour'; allowed: files"),
        (
            with_value("training.epoch", 1),
            "job.yaml: training: unknown key 'epoch'; allowed:",
        ),
        ({"name": "a"}, "job.yaml: expected the key 'data', found none."),
        ({"name": "a", "data": {"files": "t.csv"}}, "data: expected the key 'label', found none."),
        ({"name": "a", "data": {"label": "y"}}, "data: expected the key 'files', found none."),
        (with_value("seed", "one"), 'seed: expected an integer, found "one"'),
        (with_value("seed", -1), "seed: expected a number of at least 0, found -1"),
        (with_value("name", "A b"), "name: expected text that matches ^[a-z0-9][a-z0-9_-]*$"),
        (with_value("name", "../up"), "name: expected text that matches"),
        (with_value("data.task", "ranking"), "data.task: expected 'auto', 'binary'"),
        (with_value("data.max_rejected", -0.5), "data.max_rejected: expected a number of at"),
        (with_value("training.epochs", 0), "training.epochs: expected a number of at least 1"),
        (with_value("training.learning_rate", 0), "learning_rate: expected a number above 0"),
        (with_value("models", []), "models: expected at least 1 of them, found []"),
        (with_value("models.m.kind", "forest"), "models.m.kind: expected one of 'linear', "),
        (
            with_value("models.m", {"kind": "dnn", "width": 3}),
            "m: unknown key 'width'; allowed: kind",
        ),
        (
            with_value("features.f.kind", "numerical"),
            "f.kind: expected one of 'numeric', ",
        ),
        (with_value("features.f", {"kind": "crossed"}), "features.f: expected the key 'keys'"),
        (with_value("features.f", {"kind": "bucketized", "quantiles": 1}), "quantiles: expected a"),
        (with_value("features.f", NUMERIC | {"default": float("nan")}), "found NaN"),
        (with_value("features.f", NUMERIC | {"scale": float("inf")}), "found Infinity"),
        (
            with_value("features.f", {"kind": "bucketized", "boundaries": [1, 1e300]}),
            "features.f.boundaries.1: expected a number that float32 can hold, found 1e+300",
        ),
        (
            with_value("features.f", {"kind": "bucketized", "boundaries": [1, float("nan")]}),
            "features.f.boundaries.1: expected a number that float32 can hold, found NaN",
        ),
        (
            with_value("features.f", {"kind": "vocabulary", "values": [1, 1e39]}),
            "features.f.values.1: expected a number that float32 can hold, found 1e+39",
        ),
        (
            with_value("features.f", {"kind": "crossed", "keys": ["a", "a"]}),
            "features.f.keys: expected different items",
        ),
        (with_value("data.files", {"train": "t.csv"}), "data.files: expected the key 'test'"),
        (with_value("data.header", ["a", 1]), "data.header.1: expected text, found 1"),
        (with_value("parity.rows", 1.5), "rows: expected an integer, found 1.5"),
        (None, "job.yaml: expected a map, found null"),
        ([], "job.yaml: expected a map, found []"),
        ("text", 'job.yaml: expected a map, found "text"'),
    ],
    ids=itertools.count(),
)
def test_a_mistake_is_named_by_key_value_and_expectation(config: Any, expected: str) -> None:
    assert expected in message(config)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", ".001", "0.001"])
def test_a_number_may_be_written_with_an_exponent(tmp_path: Path, text: str) -> None:
    job = f"name: a\ndata: {{files: t.csv, label: y}}\ntraining: {{learning_rate: {text}}}\n"
    assert load(written(tmp_path, job)).training.learning_rate == 0.001


def test_a_number_in_quotes_is_explained() -> None:
    found = message(with_value("training.learning_rate", "1e-3"))
    assert "training.learning_rate: expected 'auto' or a number, found \"1e-3\"" in found
    assert "write 0.001 without quotes." in found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "expected a config file, found none"),
        (b"name: [", "expected YAML, found a mistake in it"),
        (b"\xff\xfe\x00", "expected YAML in UTF-8, found other bytes"),
        (b"", "expected a map, found null"),
        (b"name: a\n\tdata: b", "expected YAML, found a mistake in it"),
    ],
    ids=["missing", "unclosed", "bytes", "empty", "tab"],
)
def test_a_file_that_is_no_config_is_refused(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "job.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MillraceError, match=expected) as raised:
        load(path)
    assert str(raised.value).startswith(str(path))


def test_a_directory_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="expected a config file"):
        load(tmp_path)


def test_the_digest_knows_content_not_order() -> None:
    given_first, given_last = {"seed": 1} | SHORTEST, SHORTEST | {"seed": 1}
    assert digest(complete(given_first)) == digest(complete(given_last))
    assert digest(complete(given_last)) != digest(complete(SHORTEST))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NESTED = ["data.split", "data.types", "features.f", "models.m"]
KEYS = st.sampled_from([*SCHEMA["properties"], *NESTED])


@given(key=KEYS, value=JSON)
def test_any_value_anywhere_is_taken_or_refused_as_bad_input(key: str, value: Any) -> None:
    """Whatever a user writes for a key, the only exception is MillraceError."""
    try:
        config = complete(with_value(key, value))
    except MillraceError:
        return
    assert complete(plain_form(config)) == config


def test_a_feature_that_tflite_cannot_run_needs_a_model_without_it() -> None:
    hashed = {"features": {"c": {"kind": "hashed", "buckets": 9, "unseen": "hash"}}}
    with pytest.raises(MillraceError, match=r"features\.c\.unseen: .*\n.*export\.tflite to false"):
        complete(SHORTEST | hashed)
    complete(SHORTEST | hashed | {"export": {"tflite": False}})


def test_a_value_out_of_the_vocabulary_has_buckets_or_a_stated_id() -> None:
    both = {"kind": "vocabulary", "num_oov_buckets": 2, "default_value": 0}
    with pytest.raises(
        MillraceError,
        match=r"features\.c: .*only one of the keys 'num_oov_buckets', 'default_value'",
    ):
        complete(SHORTEST | {"features": {"c": both}})


@pytest.mark.parametrize(
    ("kind", "key"),
    [("hashed", "buckets"), ("identity", "buckets"), ("vocabulary", "num_oov_buckets")],
)
def test_a_bucket_count_below_one_or_beyond_int32_is_refused(kind: str, key: str) -> None:
    for count, fault in ((0, "at least 1"), (2**31, "at most")):
        feature = {"c": {"kind": kind, key: count}}
        with pytest.raises(MillraceError, match=rf"features\.c\.{key}: .*{fault}.*{count}"):
            complete(SHORTEST | {"features": feature})


@pytest.mark.parametrize(
    ("key", "value", "note"),
    [
        ("database", "postgresql://ann:s3cret@host/shop", "MILLRACE_DATABASE_PASSWORD"),
        ("database", "mysql://host/shop?user=ann&password=s3cret", "MILLRACE_DATABASE_PASSWORD"),
        ("files", ["t.csv", "https://ann:s3cret@example.org/t.csv"], ".netrc"),
        ("files", {"train": "t.csv", "test": "https://ann:s3cret@example.org/t.csv"}, ".netrc"),
        ("files", "https://s3cret@example.org/t.csv", "${NAME}"),
        ("files", "https://example.org/t.csv?X-Amz-Signature=s3cret", "${NAME}"),
        ("files", "https://example.org/t.csv?raw=1&sig=s3cret", "${NAME}"),
        ("files", "https://example.org/t.csv?s3cret", "${NAME}"),
        ("files", "https://example.org/t.csv#access_token=s3cret", "${NAME}"),
        ("files", "https://example.org/t.csv?name=" + "s3cret" * 9, "${NAME}"),
        ("files", "s3://key:s3cret@bucket/t.csv", "${NAME}"),
        ("database", "postgresql://ann:pa/s3cret@host/shop", "${NAME}"),
        ("database", "postgresql://ann:12/s3cret@host/shop", "${NAME}"),
        ("database", "postgresql://ann:pa?s3cret@host/shop", "${NAME}"),
        ("database", "postgresql://ann:p@s3cret@host/shop", "${NAME}"),
        ("database", "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3Ds3cret", "${NAME}"),
        ("database", "mysql://host/shop?PASSWORD=s3cret", "${NAME}"),
        ("database", "snowflake://host/shop?api_key=s3cret", "${NAME}"),
        ("database", "DRIVER=X;UID=ann;PASSWORD=s3cret", "${NAME}"),
    ],
)
def test_a_password_is_refused_and_not_repeated(key: str, value: Any, note: str) -> None:
    """The report and provenance.json contain the config."""
    found = message(with_value(f"data.{key}", value))
    assert f"job.yaml: data.{key}: expected no secret in an address, found " in found
    assert note in found
    assert "s3cret" not in found


@pytest.mark.parametrize(
    "text",
    [
        "http://s3cret@host/t.csv",
        "http://s3cret?x@host/t.csv",
        "https://host/t.csv?sig=s3cret",
        "host/t.csv?sig=s3cret",
        "ann:s3cret@host/shop",
        "ann:s3cret@http://host/shop",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3Ds3cret",
        "DRIVER%3DX%3BPWD%3Ds3cret",
        "DRIVER=X;UID=ann;PASSWORD=s3cret",
        "user_token: s3cret",
    ],
)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data", "{}"),
        ("data.files", ["a.csv", "{}", 3]),
        ("data.files", {"train": "{}", "tset": "a.csv"}),
        ("data.files", {"train": "a.csv", "test": {"a": "{}"}}),
        ("data.files", {"{}": "a.csv"}),
        ("data.database", {"url": "{}"}),
        ("data.database", ["{}"]),
        ("data.sha256", {"{}": "no checksum"}),
        ("data.sha256", {"{}": ["{}"]}),
        ("data.skip_lines", {"{}": -1}),
        ("name", "{}"),
        ("{}", 1),
    ],
)
def test_no_error_of_the_config_shows_a_secret(
    tmp_path: Path, text: str, key: str, value: Any
) -> None:
    config = copy.deepcopy(SHORTEST)
    *parents, last = key.split(".") if "." in key else [key]
    target = config["data"] if parents else config
    target[last.replace("{}", text)] = json.loads(json.dumps(value).replace("{}", text))
    assert "s3cret" not in message(config)
    twice = f"{json.dumps(text)}: 1\n" * 2
    with pytest.raises(MillraceError, match="line 2: expected each key once") as raised:
        loading.read(written(tmp_path, twice))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("text", ["data/t.csv", "a?.csv", "year=2020/*.csv", "C:/t.csv", "a@b.org"])
def test_a_harmless_text_is_shown_as_it_is(text: str) -> None:
    assert text in message(with_value("data.database", [text]))


@pytest.mark.parametrize("key", ["data.skip_lines", "data.schema", "score.files"])
def test_an_address_with_a_secret_is_refused_wherever_it_is(key: str) -> None:
    address = "https://s3cret@example.org/t.csv"
    values = {"data.skip_lines": {address: 1}, "data.schema": address, "score.files": [address]}
    found = message(with_value(key, values[key]))
    assert "expected no secret in an address" in found
    assert "s3cret" not in found


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann@host:5432/shop",
        "https://example.org:443/a@b/t.csv",
        "s3://bucket/t.csv",
        "https://example.org/@b/t.csv?raw=true&version=2",
        "https://example.org/t.csv?${QUERY}",
        "https://example.org/t.csv?raw=1&sig=${SIG}",
        "https://${TOKEN}@example.org/t.csv",
        "https://ann:${TOKEN}@example.org/t.csv",
        "postgresql://ann:${PASSWORD}@host:${PORT}/shop?sslmode=require",
        "postgresql://ann@[::1]:5432/shop",
        "postgresql+psycopg://ann@/shop?host=/run/postgresql",
        "${DATABASE}",
        "mssql+pyodbc:///?odbc_connect=${ODBC}",
        "data/key=1/password=2/t.duckdb",
    ],
)
def test_an_address_without_a_password_is_taken(address: str) -> None:
    assert complete(with_value("data.database", address)).data.database == address


@pytest.mark.parametrize(
    ("given_texts", "expected"),
    [
        (None, USUAL),
        (["-", "NA"], [*USUAL, "-"]),
        (["", "none"], ["", "none"]),
        ([""], [""]),
    ],
)
def test_missing_values_add_to_the_usual_ones_unless_the_empty_text_is_listed(
    given_texts: list[str] | None, expected: list[str]
) -> None:
    assert list(data_config(missing_values=given_texts or []).markers) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", 2**32, "at most 4294967295, found 4294967296"),
        ("data.skip_lines", 5_000_000_000, "at most 2147483647, found 5000000000"),
        ("data.encoding", "undefined", "expected an encoding of text"),
        ("data.encoding", "base64", "expected an encoding of text"),
        ("name", "nl\n", "expected text that matches"),
        ("data.exclude", [False], "Note: YAML reads yes, no, on, off"),
        ("features", {False: "numeric"}, "features: expected text as a key, found false"),
        ("models.m", {"kind": "dnn", "seeds": 10**9}, "m.seeds: expected a number of at most 1000"),
        ("data.previous", "x" * 300, "a path whose names have at most 255 bytes"),
        ("data.label", "a\0b", "a character that no file can hold"),
        ("data.label", "\ud800", "a character that no file can hold"),
    ],
    ids=itertools.count(),
)
def test_what_no_stage_could_use_is_refused(key: str, value: Any, expected: str) -> None:
    assert expected in message(with_value(key, value))


def test_seeds_that_count_beyond_32_bits_are_refused() -> None:
    config = with_value("models.m", {"kind": "dnn", "seeds": 3}) | {"seed": 2**32 - 2}
    assert "models.m.seeds: expected seeds up to 4294967295" in message(config)


def test_a_delimiter_or_a_value_is_no_path() -> None:
    features = {
        "a": {"kind": "sequence", "delimiter": "/", "max_length": 3},
        "b": {"kind": "vocabulary", "values": ["/", "v" * 300]},
        "c": {"kind": "vocabulary", "file": "words/c.txt"},
    }
    job = complete(with_value("data.schema", "kept/schema.json") | {"features": features})
    assert list(local_paths(job)) == [
        ("data.schema", "kept/schema.json"),
        ("features.c.file", "words/c.txt"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: expected each key once, found 'a' again, which is on line 1"),
        ("a: {b: 1, b: 2}", "line 1: expected each key once, found 'b' again"),
        ("a: &a [*a]", "levels of nesting"),
        ("a: " + "[" * 100 + "]" * 100, "levels of nesting"),
        ("a: &a [1]\nb: !!set {x}", "found a set"),
        ("a: !!timestamp 2001-01-01", "found a date"),
        ("a: " + "9" * 5000, "numbers of at most 100 digits, found one of 5,000"),
    ],
    ids=itertools.count(),
)
def test_yaml_that_means_trouble_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(MillraceError) as raised:
        load(written(tmp_path, text))
    assert expected in str(raised.value)


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(MillraceError, match="expected at most 1,000,000 values, found more"):
        load(written(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("text", ["010", "1_0", "1:30", "0x1f"])
def test_numbers_that_readers_of_yaml_take_for_different_ones_are_text(
    tmp_path: Path, text: str
) -> None:
    path = written(tmp_path, f"name: a\ndata: {{files: t.csv, label: {text}}}")
    assert load(path).data.label == text


def test_an_alias_within_bounds_and_a_merge_are_taken(tmp_path: Path) -> None:
    text = (
        "name: a\ndata: {files: t.csv, label: y}\n"
        "models:\n  one: &m {kind: dnn, dropout: 0.5}\n  two: {<<: *m, dropout: 0}\n"
    )
    one, two = load(written(tmp_path, text)).models.values()
    assert isinstance(one, DnnConfig) and isinstance(two, DnnConfig)
    assert (one.dropout, two.dropout) == (0.5, 0)
