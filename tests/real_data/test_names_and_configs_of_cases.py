"""Names, texts and configs of public bug reports: what stands in the cases, as it was meant."""

from pathlib import Path

import pandas as pd
import pytest
import tensorflow as tf

from millrace.config import load
from millrace.config.values import local_paths
from millrace.errors import MillraceError
from millrace.features import dataframe
from millrace.features.raw_row import name_columns
from millrace.fetching import own_inputs
from millrace.results import Results
from millrace.workflow.job import _require_plain_names
from tests.real_data.conftest import CASES

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the cases are not at {CASES}")

HOSTILE = CASES / "hostile"


@pytest.mark.parametrize("file", ["kw1.csv", "kw2.csv"])
def test_keywords_of_python_get_keys_that_a_signature_takes(file: str) -> None:
    table = pd.read_csv(CASES / "03-python-keyword-columns" / file)
    columns = name_columns(dict.fromkeys(table, "float32"))
    keys = [column.key for column in columns]
    assert len({key.lower() for key in keys}) == len(table.columns)
    changed = [x.name for x in columns if x.name != x.key]
    assert changed

    @tf.function(input_signature=[{x: tf.TensorSpec([None], tf.float32, name=x) for x in keys}])
    def serve(columns: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.add_n(list(columns.values()))

    # What `tf.saved_model.save` does with a signature's keys.
    traced = serve.get_concrete_function()
    row = {key: tf.constant([1.0]) for key in keys}
    assert float(traced(row)[0]) == len(keys)


def test_a_table_of_texts_alone_has_a_feature() -> None:
    table = pd.read_csv(CASES / "11-no-feature-left" / "reviews1.csv")
    learned = dataframe.fit(table, label="sentiment")
    assert {column.name: column.kind for column in learned.columns}["review"] == "text"


def test_a_date_is_the_name_of_a_column() -> None:
    job = load(CASES / "19-config-tracebacks" / "config.yaml")
    assert [*job.features] == ["2024-01-01"]


@pytest.mark.parametrize("name", ["delim", "longv", "xss"])
def test_texts_are_not_taken_for_paths(name: str) -> None:
    assert not [*local_paths(load(HOSTILE / f"{name}.yaml"))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nl", "name: expected"),
        ("sig", r"data\.files: expected .*secret"),
    ],
)
def test_hostile_names_and_addresses_are_refused(name: str, expected: str) -> None:
    with pytest.raises(MillraceError, match=expected) as caught:
        load(HOSTILE / f"{name}.yaml")
    assert "S3CRET" not in str(caught.value)


def test_braces_in_a_file_name_are_refused() -> None:
    files = load(HOSTILE / "n4.yaml").data.files
    with pytest.raises(MillraceError, match=r"expected names without \{br\}"):
        _require_plain_names("data.files", [str(files)])


def test_a_table_under_data_raw_is_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = load(HOSTILE / "own.yaml")
    table = tmp_path / str(job.data.files)
    table.parent.mkdir(parents=True)
    table.write_bytes((HOSTILE / "base.csv").read_bytes())
    results = Results.of(job.name)
    own_inputs.refuse_own(job, [results.folder])
    written = [results.folder, *own_inputs.directories(results)]
    assert not any(table.is_relative_to(tmp_path / folder) for folder in written)
