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
from millrace.config.reference import json_schema
from millrace.config.values import plain_form
from millrace.errors import MillraceError

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(SCHEMA_PATH.read_text())
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
    """An editor that checks by the schema agrees with the classes."""
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
    once = {"seeds": 1, "ensemble": False}
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
    """Whatever a user writes under a key, the only exception is the one meant for users."""
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
    """The report and provenance.json hold the config."""
    found = message(with_value(f"data.{key}", value))
    assert f"job.yaml: data.{key}: expected no secret in an address, found " in found
    assert note in found
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
